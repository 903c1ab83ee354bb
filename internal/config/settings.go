package config

import (
	"log/slog"
	"net/url"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Settings are the validated settings of the app. Printing them shows no secret.
type Settings struct {
	// Connections are in the order of CONNECTIONS; there is at least one.
	Connections []Connection

	// State is one store for all connections. [Connection.Tenant] keeps them apart.
	State State
	// PollSchedule is the timer's NCRONTAB text. Only the host acts on it.
	PollSchedule string
	RunBudget    time.Duration
	LogLevel     slog.Level

	// Hints are what looks odd and need not be wrong. They stop nothing.
	Hints []Problem
}

// Connection is what one customer tenant or org means.
type Connection struct {
	// Name is lower case, letters and digits; "" if CONNECTIONS is not set.
	Name string
	// Tenant is the first element of every state key: the short name of the
	// tenant, or a host when there is none. Lower case; letters, digits, ".", "-".
	// No two connections have the same.
	Tenant string
	// Sources is what the connection reads from, at least one.
	Sources []Source

	Sink
	ReadBack ReadBack
	// Legacy is where the Python function that this connector replaces left its checkpoint.
	Legacy Legacy

	InitialLookback time.Duration
	// SettleDelay is how far the newest window stays behind now.
	SettleDelay time.Duration
	// AuditAges are ascending; none means no audit.
	AuditAges []time.Duration
	// LedgerKeep is longer than any of them.
	LedgerKeep time.Duration
	// QuarantineKeep is more than a week.
	QuarantineKeep time.Duration
	// Health enables the health table: one row for each stream and run.
	Health bool

	// Problems are what is wrong with the settings of this connection. While there are
	// some it can't be used.
	Problems []Problem
}

// Sink is where a connection writes to.
type Sink struct {
	IngestionAPI IngestionAPI
	// BatchBytes is the size of a batch to aim at.
	BatchBytes    int
	DataCollector DataCollector // set when IngestionAPI says so
	LogsIngestion LogsIngestion // likewise
	NDJSONPath    string        // "" is stdout
}

// IngestionAPI selects the sink.
type IngestionAPI string

// The sinks.
const (
	UseDataCollector IngestionAPI = "DataCollector"
	UseLogsIngestion IngestionAPI = "LogsIngestion"
	UseNDJSON        IngestionAPI = "NDJSON"
)

// DataCollector is where and as whom to post to the HTTP Data Collector API.
type DataCollector struct {
	WorkspaceID string
	// SharedKey is the workspace key as base64 text; it is known to decode.
	SharedKey secret.String
	// URL is the workspace's address without path, for instance
	// https://{id}.ods.opinsights.azure.com.
	URL *url.URL
}

// LogsIngestion is where to send to the Logs Ingestion API, and as whom.
type LogsIngestion struct {
	// Endpoint is the address of the data collection rule or endpoint, without path.
	Endpoint *url.URL
	// RuleID is the immutable id of the data collection rule.
	RuleID string
	// ClientID selects a user-assigned identity; "" means the system-assigned one.
	ClientID string
}

// State is where checkpoints, ledger and quarantine live.
type State struct {
	// Dir is the directory of file state, and "" for blob state.
	Dir string
	// Container and Account are set for blob state.
	Container string
	Account   Account
}

// Account is a storage account and the way to sign in to it.
type Account struct {
	Auth StorageAuth
	// Setting is the setting that selected Auth, to be named in messages.
	Setting string
	// BlobEndpoint is the address of the blob service, without a trailing slash
	// and without a signature. For Azurite its path holds the account name.
	BlobEndpoint *url.URL
	// TableEndpoint is that of its table service, or nil if it can't be told from the rest.
	TableEndpoint *url.URL
	// Name and Key belong to [AccountKey]. Key is base64 text and is known to decode.
	Name string
	Key  secret.String
	// ClientID selects a user-assigned identity for [ManagedIdentity]; "" means the
	// system-assigned one.
	ClientID string
	// SAS belongs to [SharedAccess]: the query string without its "?".
	SAS secret.String
}

// Legacy is where an older connector's checkpoint may be, and the way in. The
// zero value means nowhere.
type Legacy struct {
	// TableEndpoint is the address of the table service.
	TableEndpoint *url.URL
	// Named says that LEGACY_CHECKPOINT gives that address: then one is expected there.
	Named bool
	// Auth is [AccountKey] or [ManagedIdentity]; the rest is as in [Account].
	Auth StorageAuth
	Name string
	Key  secret.String
	// KeySetting is the setting that Key came from.
	KeySetting string
	ClientID   string
}

// StorageAuth is a way to sign in to a storage account.
type StorageAuth string

// The ways to sign in.
const (
	AccountKey      StorageAuth = "account key"
	ManagedIdentity StorageAuth = "managed identity"
	SharedAccess    StorageAuth = "shared access signature"
)
