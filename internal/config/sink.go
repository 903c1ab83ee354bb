package config

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

var (
	guid         = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	workspaceURI = regexp.MustCompile(`(?i)^https://([\w-]+)\.ods\.opinsights\.azure\.(com|us|cn)$`)
)

// sink chooses the ingestion API and checks the settings of the chosen one only.
func (v *validator) sink(s *Settings) {
	s.IngestionAPI = v.ingestionAPI()
	s.NDJSONPath = v.raw.NDJSONPath
	switch s.IngestionAPI {
	case UseDataCollector:
		v.dataCollector(s)
	case UseLogsIngestion:
		v.add("INGESTION_API", "LogsIngestion is not available in this version: use DataCollector with CUSTOMER_ID and SHARED_KEY")
	case UseNDJSON:
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
	logs := v.raw.LogsEndpoint != "" && v.raw.DCRImmutableID != ""
	switch {
	case v.reported("INGESTION_API"):
	case v.raw.IngestionAPI != "":
		v.addf("INGESTION_API", "is %s: use DataCollector, LogsIngestion or NDJSON", shown(v.raw.IngestionAPI))
	case v.raw.CustomerID != "" && !v.raw.SharedKey.IsZero():
		return UseDataCollector
	case logs:
		return UseLogsIngestion
	case collector: // one half of it: the other is missing
		return UseDataCollector
	default:
		v.add("INGESTION_API", "there is no destination: set CUSTOMER_ID and SHARED_KEY of the workspace, or INGESTION_API=NDJSON to look at the data first")
	}
	return ""
}

func (v *validator) dataCollector(s *Settings) {
	const where = "it is in the Azure portal under the workspace's Agents"
	d := DataCollector{WorkspaceID: v.raw.CustomerID, SharedKey: v.raw.SharedKey}
	if v.require("SHARED_KEY", d.SharedKey.Reveal(), "set it to the primary key of the workspace; "+where) {
		if _, err := base64.StdEncoding.DecodeString(d.SharedKey.Reveal()); err != nil {
			v.add("SHARED_KEY", "is not base64, so it is cut or damaged: copy the primary key of the workspace again")
		}
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
	s.DataCollector = d
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
