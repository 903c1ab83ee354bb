package config

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// sinkReader reads where a connection writes to, and where to query what has arrived.
type sinkReader struct {
	*Reader
	text struct {
		IngestionAPI    string       `envconfig:"INGESTION_API"`
		CustomerID      string       `envconfig:"CUSTOMER_ID"`
		SharedKey       secret.Value `envconfig:"SHARED_KEY"`
		Secondary       secret.Value `envconfig:"SHARED_KEY_SECONDARY"`
		LogAnalyticsURI string       `envconfig:"logAnalyticsUri"`
		QueryURL        string       `envconfig:"LOG_ANALYTICS_QUERY_URL"`
		LogsEndpoint    string       `envconfig:"LOGS_INGESTION_ENDPOINT"`
		DCRImmutableID  string       `envconfig:"DCR_IMMUTABLE_ID"`
		BatchBytes      string       `envconfig:"BATCH_BYTES"`
		NDJSONPath      string       `envconfig:"NDJSON_PATH"`
		AzureClientID   string       `envconfig:"AZURE_CLIENT_ID"`
		DirectoryID     string       `envconfig:"WORKSPACE_DIRECTORY_ID"`
		AppID           string       `envconfig:"WORKSPACE_APP_ID"`
		Authority       string       `envconfig:"AZURE_AUTHORITY_HOST"`
		ReadBack        string       `envconfig:"READ_BACK"`
	}
}

// sink chooses the ingestion API and checks only the settings of that one.
func (v *sinkReader) sink(s *Sink) {
	s.IngestionAPI = v.ingestionAPI()
	v.directory(s.IngestionAPI)
	s.NDJSONPath = v.text.NDJSONPath
	switch s.IngestionAPI {
	case UseDataCollector:
		v.dataCollector(s)
	case UseLogsIngestion:
		v.logsIngestion(s)
	case UseNDJSON:
		s.Previewed = v.previewed()
	}
	s.BatchBytes = 4_000_000
	if s.IngestionAPI == UseLogsIngestion {
		s.BatchBytes = 8_000_000 // before compression
	}
	if v.text.BatchBytes != "" || v.Reported("BATCH_BYTES") {
		s.BatchBytes = v.Integer("BATCH_BYTES", v.text.BatchBytes, 1024, 30_000_000)
	}
}

// previewed is the destination that would be used without INGESTION_API.
func (v *sinkReader) previewed() IngestionAPI {
	complete := v.text.CustomerID != "" && !v.text.SharedKey.IsZero()
	switch {
	case !complete && (v.text.LogsEndpoint != "" || v.text.DCRImmutableID != ""):
		return UseLogsIngestion
	case v.text.CustomerID != "":
		return UseDataCollector
	}
	return ""
}

// ingestionAPI returns "" after reporting a problem.
func (v *sinkReader) ingestionAPI() IngestionAPI {
	for _, known := range []IngestionAPI{UseDataCollector, UseLogsIngestion, UseNDJSON} {
		if strings.EqualFold(v.text.IngestionAPI, string(known)) {
			return known
		}
	}
	collector := v.text.CustomerID != "" || !v.text.SharedKey.IsZero() || v.Reported("CUSTOMER_ID") || v.Reported("SHARED_KEY")
	one := v.text.LogsEndpoint != "" || v.Reported("LOGS_INGESTION_ENDPOINT")
	other := v.text.DCRImmutableID != "" || v.Reported("DCR_IMMUTABLE_ID")
	switch {
	case v.Reported("INGESTION_API"):
	case v.text.IngestionAPI != "":
		v.Problemf("INGESTION_API", "is %s: use DataCollector, LogsIngestion or NDJSON", shown(v.text.IngestionAPI))
	case v.text.CustomerID != "" && !v.text.SharedKey.IsZero():
		return UseDataCollector
	case one && other:
		return UseLogsIngestion
	case collector: // incomplete: the other setting is reported as missing
		return UseDataCollector
	case one || other:
		return UseLogsIngestion
	default:
		v.Problem("INGESTION_API", "there is no destination: set CUSTOMER_ID and SHARED_KEY of the workspace, or LOGS_INGESTION_ENDPOINT and DCR_IMMUTABLE_ID of a data collection rule, or INGESTION_API=NDJSON to preview the data")
	}
	return ""
}

func (v *sinkReader) dataCollector(s *Sink) {
	const where = "it is in the Azure portal under the workspace's Agents"
	d := DataCollector{WorkspaceID: v.text.CustomerID, SharedKey: v.text.SharedKey, Secondary: v.text.Secondary}
	sizes := map[string]int{}
	if text, ok := v.RequireSecret("SHARED_KEY", d.SharedKey, "set it to the primary key of the workspace; "+where); ok {
		sizes["SHARED_KEY"] = v.workspaceKey("SHARED_KEY", text)
	}
	if text := d.Secondary.Text().Reveal(); text != "" {
		sizes["SHARED_KEY_SECONDARY"] = v.workspaceKey("SHARED_KEY_SECONDARY", text)
	}
	local := false
	if text := strings.TrimRight(v.text.LogAnalyticsURI, "/"); text != "" {
		d.URL = v.Address("logAnalyticsUri", text)
		local = d.URL != nil && address.Loopback(d.URL.Hostname())
		if d.URL != nil && !local {
			v.workspaceAddress(d.URL, d.WorkspaceID)
		}
	}
	if v.Require("CUSTOMER_ID", d.WorkspaceID, "set it to the id of the workspace; "+where) {
		switch {
		case !local && !address.GUID(d.WorkspaceID):
			v.Problem("CUSTOMER_ID", "is not a GUID: use the workspace ID, not its name; "+where)
		case strings.ContainsAny(d.WorkspaceID, ": "): // used in a header
			v.Problem("CUSTOMER_ID", "contains a colon or a blank: a stand-in accepts any other text")
		}
		if d.URL == nil {
			d.URL = address.OfWorkspace(d.WorkspaceID)
		}
	}
	for _, setting := range slices.Sorted(maps.Keys(sizes)) {
		if size := sizes[setting]; size != keySize && !local && !v.Reported(setting) {
			v.Hint(setting, fmt.Sprintf("has %d bytes, but workspace keys have %d: if it is rejected, copy the whole key again; %s", size, keySize, where))
		}
	}
	s.DataCollector = d
}

// workspaceKey returns the size of a key, in bytes.
func (v *sinkReader) workspaceKey(setting, text string) int {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		v.Problem(setting, "is not base64, so it is truncated or damaged: copy the key of the workspace again")
	}
	return len(key)
}

// keySize is the observed length of every workspace key, in bytes. Microsoft doesn't
// document it.
const keySize = 64

func (v *sinkReader) logsIngestion(s *Sink) {
	const where = "it is in the JSON view of the data collection rule, under properties"
	l := LogsIngestion{RuleID: v.text.DCRImmutableID, Identity: v.identity()}
	text := strings.TrimRight(v.text.LogsEndpoint, "/")
	if v.Require("LOGS_INGESTION_ENDPOINT", text, "set it to endpoints.logsIngestion of the data collection rule; "+where+" (or to the logs ingestion URI of a data collection endpoint)") {
		l.Endpoint = v.Address("LOGS_INGESTION_ENDPOINT", text)
		if u := l.Endpoint; u != nil && (u.Path != "" || !address.Loopback(u.Hostname()) && !address.Ingestion(u)) {
			v.Problem("LOGS_INGESTION_ENDPOINT", "must look like https://NAME.REGION-1.ingest.monitor.azure.com (or end in .us or .cn), without a path")
		}
	}
	if v.Require("DCR_IMMUTABLE_ID", l.RuleID, "set it to immutableId of the data collection rule; "+where) && !address.RuleID(l.RuleID) {
		v.Problem("DCR_IMMUTABLE_ID", "is not an immutable ID: it must be dcr- and 32 hexadecimal digits, not the rule's name; "+where)
	}
	s.LogsIngestion = l
}

func (v *sinkReader) workspaceAddress(u *url.URL, workspace string) {
	id, ok := address.Workspace(u)
	switch {
	case !ok:
		v.Problem("logAnalyticsUri", "must be https://{CUSTOMER_ID}.ods.opinsights.azure.com (or end in .us or .cn), without a path")
	case workspace != "" && !strings.EqualFold(id, workspace):
		v.Problem("logAnalyticsUri", "names a different workspace from CUSTOMER_ID: use the same in both")
	}
}
