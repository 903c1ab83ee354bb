package workspace_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// asked is a workspace at a moment with three rows, 0, 90 minutes and 30 hours old.
func asked(t *testing.T) *workspace.Workspace {
	t.Helper()
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	w := &workspace.Workspace{Now: func() time.Time { return now }, Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()}}
	token, err := workspace.Credential{Now: w.Now}.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	body := `[{"id":"a","created":"2026-09-01T12:00:00Z","type":"AUTH"},{"id":"b","created":"2026-09-01T10:30:00Z","type":"SSO"},{"id":"c","created":"2026-08-31T06:00:00Z","type":"SSO"}]`
	r := httptest.NewRequest(http.MethodPost, "/dataCollectionRules/"+workspace.DefaultRule+"/streams/Custom-SailPointIDN_Events?api-version=2023-01-01", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token.Token)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if w.ServeHTTP(answer, r); answer.Code != http.StatusNoContent {
		t.Fatalf("upload: %d %s", answer.Code, answer.Body)
	}
	return w
}

func query(w http.Handler, method, body, params string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/v1/workspaces/"+workspace.DefaultID+"/query"+params, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	return answer
}

func TestQuery(t *testing.T) {
	w := asked(t)
	const count = `SailPointIDN_Events_CL | count`
	for name, c := range map[string]struct{ query, timespan, want string }{
		"no_timespan":     {count, "", "[[3]]"},
		"hours":           {count, "PT1H", "[[1]]"},
		"hours_minutes":   {count, "PT1H30M", "[[2]]"},
		"a_day":           {count, "P1D", "[[2]]"},
		"day_and_hours":   {count, "P1DT6H", "[[3]]"},
		"weeks":           {count, "P2W", "[[3]]"},
		"seconds":         {count, "PT0.5S", "[[1]]"},
		"interval":        {count, "2026-09-01T10:00:00Z/2026-09-01T11:00:00Z", "[[1]]"},
		"interval_offset": {count, "2026-09-01T12:00:00+02:00/2026-09-01T13:00:00+02:00", "[[1]]"},
		"interval_dates":  {count, "2026-08-31/2026-09-01", "[[1]]"},
		"start_duration":  {count, "2026-08-31T00:00:00Z/P1D", "[[1]]"},
		"duration_end":    {count, "PT2H/2026-09-01T12:00:00Z", "[[2]]"},
		"time_in_query":   {`SailPointIDN_Events_CL | where TimeGenerated > ago(2h) | project id_s`, "", `[["a"],["b"]]`},
		"by_type":         {`SailPointIDN_Events_CL | summarize N = count() by type_s | sort by N asc`, "P7D", `[["AUTH",1],["SSO",2]]`},
		"bin":             {`SailPointIDN_Events_CL | summarize dcount(id_s) by bin(created_t, 1d)`, "", `[["2026-09-01T00:00:00Z",2],["2026-08-31T00:00:00Z",1]]`},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"query": c.query, "timespan": c.timespan})
			if err != nil {
				t.Fatal(err)
			}
			for method, answer := range map[string]*httptest.ResponseRecorder{
				"POST": query(w, http.MethodPost, string(body), ""),
				"GET":  query(w, http.MethodGet, "", "?"+url.Values{"query": {c.query}, "timespan": {c.timespan}}.Encode()),
			} {
				var got struct {
					Tables []struct {
						Name string
						Rows jsontext.Value
					}
				}
				if err := json.Unmarshal(answer.Body.Bytes(), &got, json.MatchCaseInsensitiveNames(true)); err != nil || answer.Code != http.StatusOK || len(got.Tables) != 1 {
					t.Fatalf("%s: %d %s (%v)", method, answer.Code, answer.Body, err)
				}
				if string(got.Tables[0].Rows) != c.want || got.Tables[0].Name != "PrimaryResult" {
					t.Errorf("%s: %s, want %s", method, answer.Body, c.want)
				}
			}
		})
	}
}

func TestQueryRefuses(t *testing.T) {
	w := asked(t)
	for name, c := range map[string]struct{ body, want string }{
		"syntax":          {`{"query":"SailPointIDN_Events_CL | where ("}`, `"innererror":{"code":"SyntaxError","message":"A recognition error occurred in the query.","innererror":{"code":"SYN0002"`},
		"operator":        {`{"query":"SailPointIDN_Events_CL | render timechart"}`, `"token":"render"`},
		"table":           {`{"query":"Nothing_CL | take 1"}`, `"innererror":{"code":"SemanticError","message":"A semantic error occurred.","innererror":{"code":"SEM0100"`},
		"column":          {`{"query":"SailPointIDN_Events_CL | where nothing == 1"}`, `SEM0100`},
		"no_query":        {`{"timespan":"P1D"}`, `BadArgumentError`},
		"no_json":         {`{"query"`, `BadArgumentError`},
		"timespan":        {`{"query":"SailPointIDN_Events_CL | count","timespan":"yesterday"}`, `yesterday`},
		"empty_duration":  {`{"query":"SailPointIDN_Events_CL | count","timespan":"PT"}`, `BadArgumentError`},
		"two_durations":   {`{"query":"SailPointIDN_Events_CL | count","timespan":"P1D/P1D"}`, `BadArgumentError`},
		"backwards":       {`{"query":"SailPointIDN_Events_CL | count","timespan":"2026-09-02/2026-09-01"}`, `BadArgumentError`},
		"more_workspaces": {`{"query":"SailPointIDN_Events_CL | count","workspaces":["other"]}`, `BadArgumentError`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := query(w, http.MethodPost, c.body, "")
			if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), c.want) || !strings.Contains(answer.Body.String(), `"code":"BadArgumentError"`) {
				t.Errorf("got %d %s, want 400 with %s", answer.Code, answer.Body, c.want)
			}
		})
	}
}
