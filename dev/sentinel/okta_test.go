package sentinel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
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

// The queries that Microsoft's connector page shows, on rows of every kind of event.
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
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, "okta")}
	data := kqltest.Data{Now: at.Format(time.RFC3339), Rows: map[string][]kqltest.Row{"Okta_CL": rows}}
	for name, query := range map[string]string{
		"applications": `Okta_CL | mv-expand target = todynamic(target_s) | where tostring(target.type) == "AppInstance" | summarize n = count() by app = tostring(target.alternateId) | top 10 by n`,
		"addresses":    `Okta_CL | summarize n = count() by client_ipAddress_s | top 10 by n`,
	} {
		out := ws.Run(t, query, data)
		if len(out.Rows) != 10 {
			t.Errorf("%s: %d rows: %v", name, len(out.Rows), out.Rows)
		}
	}
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
