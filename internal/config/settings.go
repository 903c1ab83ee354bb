package config

import (
	"log/slog"
	"net/url"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Settings are the validated settings of the app. Printing them shows no secret.
type Settings struct {
	// Connections are in the order of CONNECTIONS; there is at least one.
	Connections []Connection

	// State is one store for all connections, separated by [Connection.Tenant].
	State State
	// PollSchedule is the timer's NCRONTAB text, which the Functions host reads, and Schedule
	// the same for a process that has no such host.
	PollSchedule string
	Schedule     ncrontab.Schedule
	RunBudget    time.Duration
	LogLevel     slog.Level
	// FanOut spreads the connections over instances, by messages in a queue of the Functions
	// platform. Nothing but the function app has one.
	FanOut bool
	// Queue is where that queue is: the account of the Functions host. Its zero value means that
	// these settings don't say, as on a machine without a host.
	Queue Queue

	// Hints are things that look odd but may be correct. They don't prevent a run.
	Hints []Problem
}

// Connection holds the settings of one customer tenant or org.
type Connection struct {
	// Name is lower case, letters and digits; "" if CONNECTIONS is not set.
	Name string
	// Tenant is the first element of every state key: the short name of the tenant, or a
	// host if it has none. Lower-case letters, digits, "." and "-". It is unique.
	Tenant string
	// Sources lists what the connection reads from, at least one.
	Sources []Source

	Sink
	ReadBack ReadBack
	// Legacy says where the Python function that this connector replaces left its
	// checkpoint.
	Legacy Legacy

	InitialLookback time.Duration
	// SettleDelay is how long before now a search ends.
	SettleDelay time.Duration
	// AuditAges are in ascending order; empty means no audit.
	AuditAges []time.Duration
	// LedgerKeep is longer than all AuditAges.
	LedgerKeep time.Duration
	// QuarantineKeep is more than a week.
	QuarantineKeep time.Duration
	// Health enables the health table: one row for each stream and run.
	Health bool

	// Problems are the problems with this connection's settings. A connection with problems
	// can't be used.
	Problems []Problem
}

// Sink says where a connection writes to.
type Sink struct {
	IngestionAPI IngestionAPI
	// BatchBytes is the target size of a batch.
	BatchBytes    int
	DataCollector DataCollector // set for UseDataCollector
	LogsIngestion LogsIngestion // set for UseLogsIngestion
	NDJSONPath    string        // "" means stdout
	// Previewed is the destination that is set beside UseNDJSON; "" if none is.
	Previewed IngestionAPI
}

// IngestionAPI selects the sink.
type IngestionAPI string

// The sinks.
const (
	UseDataCollector IngestionAPI = "DataCollector"
	UseLogsIngestion IngestionAPI = "LogsIngestion"
	UseNDJSON        IngestionAPI = "NDJSON"
)

// DataCollector is the workspace and key for the HTTP Data Collector API.
type DataCollector struct {
	WorkspaceID string
	// SharedKey is a workspace key, as valid base64 unless it is in a vault. Secondary is the
	// other key, which is tried if the first is refused; it may be empty.
	SharedKey, Secondary secret.Value
	// URL is the workspace's address without a path, for instance
	// https://{id}.ods.opinsights.azure.com.
	URL *url.URL
}

// LogsIngestion is the destination and identity for the Logs Ingestion API.
type LogsIngestion struct {
	// Endpoint is the address of the data collection rule or endpoint, without a path.
	Endpoint *url.URL
	// RuleID is the immutable id of the data collection rule.
	RuleID string
	// Identity is who sends to it.
	Identity entra.Identity
}

// State says where checkpoints, ledger and quarantine are stored.
type State struct {
	// Dir is the directory of file state; "" for blob state.
	Dir string
	// Container and Account are set for blob state.
	Container string
	Account   Account
}

// Account is a storage account and the way to sign in to it.
type Account struct {
	Auth StorageAuth
	// Setting is the name of the setting that selected Auth, for messages.
	Setting string
	// BlobEndpoint is the address of the blob service, without a trailing slash and without
	// a signature. For Azurite, the path is the account name.
	BlobEndpoint *url.URL
	// TableEndpoint is the address of the table service, or nil if it is unknown.
	TableEndpoint *url.URL
	// Name and Key are for [AccountKey]. Key is valid base64 unless it is in a vault.
	Name string
	Key  secret.Value
	// ClientID selects a user-assigned identity for [ManagedIdentity]; "" means the
	// system-assigned one.
	ClientID string
	// SAS is for [SharedAccess]: the query string without its "?".
	SAS secret.String
}

// Queue is the queue service of the Functions host's account.
type Queue struct {
	Endpoint *url.URL // without a trailing slash; nil if it is unknown
	// Account says how to sign in. Its Setting is the one that holds the address, too.
	Account
}

// Legacy says where an older connector's checkpoint may be, and how to sign in. The zero
// value means nowhere.
type Legacy struct {
	// TableEndpoint is the address of the table service.
	TableEndpoint *url.URL
	// Named means that LEGACY_CHECKPOINT contains the address: a checkpoint must exist
	// there.
	Named bool
	// Auth is [AccountKey] or [ManagedIdentity]; the other fields are as in [Account].
	Auth StorageAuth
	Name string
	Key  secret.Value
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
