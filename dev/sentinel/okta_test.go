package sentinel_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/kql"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// oktaRows are the rows of Okta_CL that the rule makes of events, by Microsoft's own transform
// language, as they come from the stand-in workspace.
func oktaRows(t *testing.T, at time.Time, raws []jsontext.Value) []kqltest.Row {
	t.Helper()
	stored := through(t, at, "Okta", raws).Table("Okta")
	sameRows(t, at, schema.Okta(), stored)
	var rows []kqltest.Row
	for _, raw := range stored.Raw() {
		var row kqltest.Row
		if err := json.Unmarshal(raw, &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	bare := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-okta"), Bare: true}
	return bare.Run(t, schema.Okta().Transform(), kqltest.Data{Now: at.Format(time.RFC3339), Rows: map[string][]kqltest.Row{"source": rows}}).Rows
}

// collected are the string columns of the rows that the stand-in workspace makes of what is posted to
// the Data Collector API, and its table.
func collected(t *testing.T, at time.Time, raws []jsontext.Value) (kqltest.Workspace, []kqltest.Row) {
	t.Helper()
	ws := &workspace.Workspace{}
	open := schema.Okta().Stream.Open
	known := map[string]bool{}
	for _, name := range open.Known {
		known[name] = true
	}
	sink, err := datacollector.New(datacollector.Config{
		WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), TimeFields: map[string]string{"Okta": "published"},
		Open: map[string]*table.Open{"Okta": {Parent: open.Parent, Name: open.Name, Known: known}},
		HTTP: &http.Client{Transport: fault.Transport(ws)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var batch []pipeline.Record
	for i, raw := range raws {
		if _, changes, err := sink.Fit("Okta", raw); err != nil || len(changes) > 0 {
			t.Fatalf("event %d: %v, %v", i, changes, err)
		}
		batch = append(batch, pipeline.Record{Raw: raw})
	}
	if err := sink.Write(t.Context(), "Okta", batch); err != nil {
		t.Fatal(err)
	}
	stored := ws.Table("Okta")
	columns := map[string]string{"TimeGenerated": "datetime"}
	for _, c := range stored.Columns() {
		if strings.HasSuffix(c.Name, "_s") || strings.HasSuffix(c.Name, "_g") {
			columns[c.Name] = "string"
		}
	}
	var rows []kqltest.Row
	for _, row := range stored.Rows() {
		texts := kqltest.Row{"TimeGenerated": at.Format(time.RFC3339)}
		for name, value := range row {
			if columns[name] == "string" {
				texts[name] = value
			}
		}
		rows = append(rows, texts)
	}
	text, err := json.Marshal(columns)
	if err != nil {
		t.Fatal(err)
	}
	return kqltest.Workspace{Tables: map[string]jsontext.Value{"Okta_CL": text}}, rows
}

// The queries of Microsoft's connector page run as they are published, on rows of every kind of event,
// written through either API, with Microsoft's parser and on the stand-in of the query API. The answers
// are the same.
func TestOktaPublishedQueries(t *testing.T) {
	at := time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC)
	g := okta.Generator{Seed: 4, Start: at.Add(-time.Hour), Every: time.Second}
	var raws []jsontext.Value
	for i := range 200 {
		raws = append(raws, g.Raw(i))
	}
	raws = append(raws, jsontext.Value(`{"uuid":"8145d822-13a7-44ad-859c-36f31a84f6dd","published":"2026-09-02T11:59:00.000Z","target":null,"client":null,"authenticationContext":{"authenticationProvider":"ACTIVE_DIRECTORY"},"debugContext":{"debugData":{`+manyKeys(600)+`}}}`))
	rows := oktaRows(t, at, raws)
	last := rows[len(rows)-1]
	if last["authenticationContext_authenticationProvider_s"] != "ACTIVE_DIRECTORY" || last["uuid_g"] != "8145d822-13a7-44ad-859c-36f31a84f6dd" {
		t.Errorf("the row is %v", last)
	}
	if text, _ := last["debugContext_debugData_s"].(string); !strings.Contains(text, `"key599":"v"`) {
		t.Errorf("debugData of 600 members is %.100q", text)
	}
	classic, classicRows := collected(t, at, raws)
	for name, query := range published() {
		var answers [3][]string
		for i, of := range []struct {
			ws   kqltest.Workspace
			rows []kqltest.Row
		}{{kqltest.Workspace{Tables: kqltest.Schemas(t, "okta")}, rows}, {classic, classicRows}} {
			out := of.ws.Run(t, query, kqltest.Data{Now: at.Format(time.RFC3339), Rows: map[string][]kqltest.Row{"Okta_CL": of.rows}})
			if len(of.rows) != len(raws) {
				t.Errorf("%d rows of %d events", len(of.rows), len(raws))
			}
			for _, row := range out.Rows {
				answers[i] = append(answers[i], fmt.Sprint(row[out.Columns[0].Name], " ", row["count_"]))
			}
		}
		answers[2] = queried(t, query, classicRows)
		for i := range answers {
			slices.Sort(answers[i]) // the order of equal counts is not defined
			if len(answers[i]) != 10 {
				t.Errorf("%s: %d rows: %q", name, len(answers[i]), answers[i])
			}
		}
		// Which of those with the tenth count are in the answer is not defined.
		counts := func(list []string) (counts []string) {
			for _, one := range list {
				counts = append(counts, one[strings.LastIndexByte(one, ' '):])
			}
			slices.Sort(counts)
			return counts
		}
		for i, other := range []string{"Data Collector", "stand-in"} {
			if diff := cmp.Diff(counts(answers[0]), counts(answers[i+1])); diff != "" {
				t.Errorf("%s (-Logs Ingestion +%s):\n%s", name, other, diff)
			}
		}
	}
}

// published are the sample queries on the page of Microsoft's connector, letter for letter.
func published() map[string]string {
	return map[string]string{
		"applications": "Okta_CL \n   | mv-expand todynamic(target_s)  \n   | where target_s.type == \"AppInstance\"  \n   | summarize count() by tostring(target_s.alternateId)  \n   | top 10 by count_",
		"addresses":    "Okta_CL \n   | summarize count() by client_ipAddress_s \n   | top 10 by count_",
	}
}

// queried is what the stand-in of the workspace's query API answers.
func queried(t *testing.T, query string, rows []kqltest.Row) (lines []string) {
	t.Helper()
	source := &kql.Table{}
	for _, name := range []string{"target_s", "client_ipAddress_s"} {
		source.Columns = append(source.Columns, kql.Column{Name: name, Type: kql.String})
	}
	for _, row := range rows {
		cells := make([]any, len(source.Columns))
		for i, c := range source.Columns {
			if text, ok := row[c.Name].(string); ok {
				cells[i] = text
			} else {
				cells[i] = ""
			}
		}
		source.Rows = append(source.Rows, cells)
	}
	out, err := kql.Run(query, kql.Database{Table: func(string) *kql.Table { return source }})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Rows {
		lines = append(lines, kql.Text(row[0])+" "+kql.Text(row[1]))
	}
	return lines
}

// manyKeys are members of an object.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"key` + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)) + `":"v"`)
	}
	return b.String()
}

// oktaSSO are the columns that Microsoft's parser OktaSSO declares, by type.
var oktaSSO = map[schema.Type]string{
	schema.String: `actor_alternateId_s actor_detailEntry_s actor_displayName_s actor_id_s actor_type_s
		authenticationContext_authenticationProvider_s authenticationContext_credentialProvider_s authenticationContext_credentialType_s
		authenticationContext_externalSessionId_s authenticationContext_interface_s authenticationContext_issuerId_s authenticationContext_issuerType_s
		client_device_s client_geographicalContext_city_s client_geographicalContext_country_s client_geographicalContext_postalCode_s
		client_geographicalContext_state_s client_id_s client_ipAddress_s client_userAgent_browser_s client_userAgent_os_s client_userAgent_rawUserAgent_s
		client_zone_s debugContext_debugData_s displayMessage_s eventType_s legacyEventType_s uuid_g outcome_reason_s outcome_result_s request_ipChain_s
		securityContext_asOrg_s securityContext_domain_s securityContext_isp_s severity_s target_s transaction_details_s transaction_id_s
		transaction_type_s version_s`,
	schema.Real: `authenticationContext_authenticationStep_d client_geographicalContext_geolocation_lat_d client_geographicalContext_geolocation_lon_d securityContext_asNumber_d`,
	schema.Bool: `securityContext_isProxy_b`,
}

func TestOktaSSOFindsItsColumns(t *testing.T) {
	have := map[string]schema.Type{}
	published := 0
	for _, f := range schema.Okta().Fields {
		have[f.Name] = f.Type
		if f.Published {
			published++
		}
	}
	for kind, names := range oktaSSO {
		for name := range strings.FieldsSeq(names) {
			if have[name] != kind {
				t.Errorf("%s is %q, the parser has %q", name, have[name], kind)
			}
		}
	}
	// 72 with the eight that every table has: TenantId, SourceSystem, MG, ManagementGroupName, Computer,
	// RawData, Type, _ResourceId.
	if published+8 != 72 {
		t.Errorf("%d of the published columns are there, want 64", published)
	}
}
