package workspace_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// sample is a value that fills a column of this form.
func sample(f schema.Field) any {
	switch {
	case f.Form == schema.GUID:
		return "8145d82213a744ad859c36f31a84f6dd"
	case f.Form == schema.Time, f.Form == schema.Generated, f.Type == schema.DateTime:
		return "2026-09-02T11:59:00Z"
	case f.Form == schema.Number, f.Type == schema.Real:
		return 5
	case f.Form == schema.Truth, f.Type == schema.Bool:
		return true
	case f.From == "objects":
		return []any{"A", "B"}
	case f.Type == schema.Dynamic:
		return map[string]any{"a": 1}
	}
	return "some text"
}

// nested makes an object with a value at a path.
func nested(path string, value any) map[string]any {
	first, rest, deeper := strings.Cut(path, ".")
	if deeper {
		value = nested(rest, value)
	}
	return map[string]any{first: value}
}

// Every column that the earlier solution published gets a value from the place
// that docs/compatibility.md names, whichever way the record comes. The table of the
// codeless connector comes through a rule only.
func TestPublishedColumnsAreFilled(t *testing.T) {
	for _, c := range []struct {
		table     schema.Table
		published int
		classic   bool
	}{{schema.Events(), 66, true}, {schema.Triggers(), 54, true}, {schema.ISC(), 40, false}} {
		name := strings.TrimSuffix(c.table.Name, "_CL")
		tried := 0
		for _, f := range c.table.Fields {
			if !f.Published {
				continue
			}
			tried++
			record := map[string]any{}
			if f.From != "" {
				record = nested(f.From, sample(f))
			}
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			ws := ruled(schema.ISC())
			r := ingestion(t, "["+string(text)+"]", nil)
			r.URL.Path = strings.Replace(r.URL.Path, eventsStream, "Custom-"+c.table.Stream.Name, 1)
			ws.ServeHTTP(httptest.NewRecorder(), r)
			if rows := ws.Table(name).Rows(); len(rows) != 1 || rows[0][f.Name] == "" {
				t.Errorf("%s: %s is empty for %s", c.table.Name, f.Name, text)
			}
			if !c.classic {
				continue
			}
			serve(ws, post{body: "[" + string(text) + "]", header: map[string]string{"Log-Type": "Classic", "time-generated-field": "created"}}.request(noon))
			if rows := ws.Table("Classic").Rows(); len(rows) != 1 || rows[0][f.Name] == "" {
				t.Errorf("Data Collector API: %s is empty for %s", f.Name, text)
			}
		}
		if tried != c.published {
			t.Errorf("%s: %d columns, want %d", c.table.Name, tried, c.published)
		}
	}
}

// oktaColumns are the columns of Okta_CL that are published beside those of this
// solution, a table that another connector writes through the same API.
const oktaColumns = `
actor_alternateId_s actor_displayName_s actor_id_s actor_type_s authenticationContext_authenticationProvider_s
authenticationContext_authenticationStep_d authenticationContext_credentialProvider_s authenticationContext_credentialType_s
authenticationContext_externalSessionId_s client_device_s client_geographicalContext_city_s client_geographicalContext_country_s
client_geographicalContext_geolocation_lat_d client_geographicalContext_geolocation_lon_d client_geographicalContext_postalCode_s
client_geographicalContext_state_s client_ipAddress_s client_userAgent_browser_s client_userAgent_os_s
client_userAgent_rawUserAgent_s client_zone_s debugContext_debugData_appname_s debugContext_debugData_attributesAdded_s
debugContext_debugData_attributesDeleted_s debugContext_debugData_attributesModified_s debugContext_debugData_authnRequestId_s
debugContext_debugData_countryCallingCode_s debugContext_debugData_detailedmessage_s debugContext_debugData_deviceFingerprint_g
debugContext_debugData_factor_s debugContext_debugData_groupAppAssignmentId_s debugContext_debugData_importLastToken_s
debugContext_debugData_importTrigger_s debugContext_debugData_importType_s debugContext_debugData_initiationType_s
debugContext_debugData_jobId_s debugContext_debugData_logOnlySecurityData_s debugContext_debugData_loginResult_s
debugContext_debugData_requestId_s debugContext_debugData_requestUri_s debugContext_debugData_signOnMode_s
debugContext_debugData_smsProvider_s debugContext_debugData_threatSuspected_s debugContext_debugData_transactionId_g
debugContext_debugData_url_s displayMessage_s eventType_s legacyEventType_s outcome_reason_s outcome_result_s published_t
request_ipChain_s securityContext_asNumber_d securityContext_asOrg_s securityContext_domain_s securityContext_isProxy_b
securityContext_isp_s severity_s target_s transaction_id_s transaction_type_s uuid_g version_s
`

// seenColumns are those that are not published and were met in workspaces.
const seenColumns = `
_index_s _type_s attributes_aggregationId_g attributes_capability_s attributes_directoryRolesDeltaToken_after_s
attributes_directoryRolesDeltaToken_before_s attributes_duration_s attributes_groupsDeltaToken_after_s
attributes_groupsDeltaToken_before_s attributes_processId_g attributes_scope_s attributes_sourceId_g
attributes_userDeltaToken_after_s attributes_userDeltaToken_before_s id_s ipAddress_s
`

// classicColumns are all column names that the Data Collector API is known to have made.
func classicColumns(t *testing.T) []string {
	t.Helper()
	names := strings.Fields(oktaColumns + seenColumns)
	for _, declared := range []schema.Table{schema.Events(), schema.Triggers()} {
		for _, f := range declared.Fields {
			if f.Published && f.Name != "TimeGenerated" {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// Each of those names is one that the service took, so neither do the connector's rules
// change it nor does the stand-in lose it.
func TestPublishedNamesFit(t *testing.T) {
	values := map[string]string{
		"_s": `"some text"`, "_g": `"8145d82213a744ad859c36f31a84f6dd"`, "_t": `"2026-09-02T11:59:00Z"`, "_d": `5`, "_b": `true`,
	}
	names, longest := classicColumns(t), ""
	for _, name := range names {
		if len(name) > len(longest) {
			longest = name
		}
		base, suffix := name[:len(name)-2], name[len(name)-2:]
		raw := jsontext.Value(`{"` + base + `":` + values[suffix] + `}`)
		row, changes, err := table.Classic().Conform(raw)
		if err != nil || changes != nil || string(row) != string(raw) {
			t.Errorf("%s: the connector sends %s: %q, %v", name, row, changes, err)
		}
		stored := store(t, "", string(raw))
		if losses := stored.Losses(); losses != nil {
			t.Errorf("%s: the stand-in loses %q", name, losses)
		}
		if columns, _ := own(stored); len(columns) != 1 || !strings.HasPrefix(columns[0], name+" ") {
			t.Errorf("%s: the stand-in makes %q of it", name, columns)
		}
	}
	if len(names) < 66+54+60 || len(longest) != 46 {
		t.Errorf("%d names, the longest %q: the lists are not whole", len(names), longest)
	}
}

// What the connector's rules leave of any value is less than the service cuts, by a
// margin, whichever way it comes.
func TestNothingIsCutAfterTheRules(t *testing.T) {
	for name, char := range map[string]string{"one byte": "x", "two bytes": "é", "three bytes": "€", "four bytes": "😀", "an escape": `\n`} {
		t.Run(name, func(t *testing.T) {
			text := jsontext.Value(`{"name":"` + strings.Repeat(char, 70_000) + `"}`)
			list := jsontext.Value(`{"name":["` + strings.Repeat(char, 70_000) + `"]}`)
			for _, raw := range []jsontext.Value{text, list} {
				row, _, err := table.Classic().Conform(raw)
				if err != nil {
					t.Fatal(err)
				}
				if losses := store(t, "", string(row)).Losses(); losses != nil {
					t.Errorf("losses %q", losses)
				}
			}
		})
	}
}
