package config

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var (
	guid         = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	workspaceURI = regexp.MustCompile(`(?i)^https://([\w-]+)\.ods\.opinsights\.azure\.(com|us|cn)$`)

	ingestionHost = regexp.MustCompile(`(?i)^([\w-]+\.)+ingest\.monitor\.azure\.(com|us|cn)$`)
	ruleID        = regexp.MustCompile(`^dcr-[0-9a-f]{32}$`)
)

// sink chooses the ingestion API and checks the settings of the chosen one only.
func (v *validator) sink(s *Settings) {
	s.IngestionAPI = v.ingestionAPI()
	s.NDJSONPath = v.raw.NDJSONPath
	switch s.IngestionAPI {
	case UseDataCollector:
		v.dataCollector(s)
	case UseLogsIngestion:
		v.logsIngestion(s)
	case UseNDJSON:
	}
	s.BatchBytes = 4_000_000
	if s.IngestionAPI == UseLogsIngestion {
		s.BatchBytes = 8_000_000 // they are compressed
	}
	if v.raw.BatchBytes != "" || v.reported("BATCH_BYTES") {
		s.BatchBytes = v.integer("BATCH_BYTES", v.raw.BatchBytes, 1024, 30_000_000)
	}
}

// ingestionAPI returns "" after reporting a problem.
func (v *validator) ingestionAPI() IngestionAPI {
	for _, known := range []IngestionAPI{UseDataCollector, UseLogsIngestion, UseNDJSON} {
		if strings.EqualFold(v.raw.IngestionAPI, string(known)) {
			return known
		}
	}
	collector := v.raw.CustomerID != "" || !v.raw.SharedKey.IsZero() || v.reported("CUSTOMER_ID") || v.reported("SHARED_KEY")
	one := v.raw.LogsEndpoint != "" || v.reported("LOGS_INGESTION_ENDPOINT")
	other := v.raw.DCRImmutableID != "" || v.reported("DCR_IMMUTABLE_ID")
	switch {
	case v.reported("INGESTION_API"):
	case v.raw.IngestionAPI != "":
		v.addf("INGESTION_API", "is %s: use DataCollector, LogsIngestion or NDJSON", shown(v.raw.IngestionAPI))
	case v.raw.CustomerID != "" && !v.raw.SharedKey.IsZero():
		return UseDataCollector
	case one && other:
		return UseLogsIngestion
	case collector: // one half of it: the other is missing
		return UseDataCollector
	case one || other:
		return UseLogsIngestion
	default:
		v.add("INGESTION_API", "there is no destination: set CUSTOMER_ID and SHARED_KEY of the workspace, or LOGS_INGESTION_ENDPOINT and DCR_IMMUTABLE_ID of a data collection rule, or INGESTION_API=NDJSON to look at the data first")
	}
	return ""
}

func (v *validator) dataCollector(s *Settings) {
	const where = "it is in the Azure portal under the workspace's Agents"
	d := DataCollector{WorkspaceID: v.raw.CustomerID, SharedKey: v.raw.SharedKey}
	keyBytes := keySize
	if v.require("SHARED_KEY", d.SharedKey.Reveal(), "set it to the primary key of the workspace; "+where) {
		key, err := base64.StdEncoding.DecodeString(d.SharedKey.Reveal())
		if err != nil {
			v.add("SHARED_KEY", "is not base64, so it is cut or damaged: copy the primary key of the workspace again")
		}
		keyBytes = len(key)
	}
	local := false
	if text := strings.TrimRight(v.raw.LogAnalyticsURI, "/"); text != "" {
		d.URL = v.address("logAnalyticsUri", text)
		local = d.URL != nil && loopback(d.URL.Hostname())
		if d.URL != nil && !local {
			v.workspaceAddress(text, d.WorkspaceID)
		}
	}
	if v.require("CUSTOMER_ID", d.WorkspaceID, "set it to the id of the workspace; "+where) {
		if !local && !guid.MatchString(d.WorkspaceID) {
			v.add("CUSTOMER_ID", "is no GUID: use the workspace id, not its name; "+where)
		}
		if d.URL == nil {
			d.URL = &url.URL{Scheme: "https", Host: d.WorkspaceID + ".ods.opinsights.azure.com"}
		}
	}
	if keyBytes != keySize && !local && !v.reported("SHARED_KEY") {
		s.Hints = append(s.Hints, Problem{"SHARED_KEY", fmt.Sprintf("has %d bytes where the keys of workspaces have %d: if it is refused, copy the whole primary key again; %s", keyBytes, keySize, where)})
	}
	s.DataCollector = d
}

// keySize is the length of every workspace key that was seen, in bytes; no page of
// Microsoft's promises it.
const keySize = 64

func (v *validator) logsIngestion(s *Settings) {
	const where = "it is in the JSON view of the data collection rule, under properties"
	l := LogsIngestion{RuleID: v.raw.DCRImmutableID, ClientID: v.raw.AzureClientID}
	text := strings.TrimRight(v.raw.LogsEndpoint, "/")
	if v.require("LOGS_INGESTION_ENDPOINT", text, "set it to endpoints.logsIngestion of the data collection rule; "+where+" (or to the logs ingestion URI of a data collection endpoint)") {
		l.Endpoint = v.address("LOGS_INGESTION_ENDPOINT", text)
		if u := l.Endpoint; u != nil && (u.Path != "" || !loopback(u.Hostname()) && !ingestionHost.MatchString(u.Host)) {
			v.add("LOGS_INGESTION_ENDPOINT", "must be like https://NAME.REGION-1.ingest.monitor.azure.com, or .us or .cn at its end, without a path")
		}
	}
	if v.require("DCR_IMMUTABLE_ID", l.RuleID, "set it to immutableId of the data collection rule; "+where) && !ruleID.MatchString(l.RuleID) {
		v.add("DCR_IMMUTABLE_ID", "is no immutable id: it is dcr- and 32 hexadecimal digits, not the rule's name; "+where)
	}
	s.LogsIngestion = l
}

func (v *validator) workspaceAddress(text, workspace string) {
	m := workspaceURI.FindStringSubmatch(text)
	switch {
	case m == nil:
		v.add("logAnalyticsUri", "must be https://{CUSTOMER_ID}.ods.opinsights.azure.com, or .us or .cn at its end, without a path")
	case workspace != "" && !strings.EqualFold(m[1], workspace):
		v.add("logAnalyticsUri", "names another workspace than CUSTOMER_ID: make both the same")
	}
}
