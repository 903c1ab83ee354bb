package sentinel_test

import (
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// What the transforms of the rule may use, from Microsoft's page "Supported KQL
// features in Azure Monitor transformations"; iff is not on that page but in
// rules that Microsoft ships.
const (
	ruleOperators   = "ExtendOperator ProjectOperator"
	ruleFunctions   = "tostring toguid todatetime toreal tobool iff isnull isempty isnotempty now ago strlen"
	ruleExpressions = "< > + or in"
)

// transformProblems compares a transform with what a rule may have and with the table it fills.
func transformProblems(t *testing.T, stream string, text string, want []kqltest.Column) []string {
	t.Helper()
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, stream), Bare: true}
	checked := ws.Check(t, text)
	problems := checked.Errors
	parts := ws.Parts(t, text)
	for _, list := range []struct {
		used    []string
		allowed string
	}{{parts.Operators, ruleOperators}, {parts.Functions, ruleFunctions}, {parts.Expressions, ruleExpressions}} {
		for _, used := range list.used {
			if !slices.Contains(strings.Fields(list.allowed), used) {
				problems = append(problems, "not expected in a transform: "+used)
			}
		}
	}
	if diff := cmp.Diff(want, checked.Columns); diff != "" {
		problems = append(problems, "columns (-table +transform)\n"+diff)
	}
	return problems
}

func everyTable() []schema.Table { return append(app.Tables(), schema.ISC()) }

// streamFile is the schema of a stream in sentinel/schemas.
func streamFile(s schema.Stream) string {
	return "stream-" + strings.NewReplacer("sailpointidn_", "", "sailpointsaas_", "saas-", "sailpointiiq_", "iiq-").Replace(strings.ToLower(s.Name))
}

func columnsOf(tab schema.Table) []kqltest.Column {
	var columns []kqltest.Column
	for _, c := range tab.Columns() {
		columns = append(columns, kqltest.Column{Name: c.Name, Type: string(c.Type)})
	}
	return columns
}

// TestRuleTransforms: Microsoft's parser takes each transform, and what comes out is
// the table, by name and type.
func TestRuleTransforms(t *testing.T) {
	for _, tab := range everyTable() {
		text, err := os.ReadFile(kqltest.Root(t, "deploy", "transforms", tab.Name+".kql"))
		if err != nil {
			t.Fatal(err)
		}
		if p := transformProblems(t, streamFile(tab.Stream), string(text), columnsOf(tab)); len(p) > 0 {
			t.Errorf("%s: %s", tab.Name, strings.Join(p, "\n"))
		}
	}
	// The check can fail.
	few := []kqltest.Column{{Name: "TimeGenerated", Type: "datetime"}, {Name: "x", Type: "string"}}
	for text, want := range map[string]string{
		"source | project TimeGenerated = created, x = actor.name":                                        `"dynamic"`,
		"source | project TimeGenerated = created":                                                        `"x"`,
		"source | project TimeGenerated = created, x = actorr":                                            "actorr",
		"source | summarize x = take_any(name) by TimeGenerated = created | project TimeGenerated, x":     "SummarizeOperator",
		"source | project TimeGenerated = created, x = coalesce(name, action)":                            "coalesce",
		"source | project TimeGenerated = created, x = iff(name has_any ('a', 'b'), name, action), y = 1": "has_any",
	} {
		if p := strings.Join(transformProblems(t, "stream-events", text, few), "\n"); !strings.Contains(p, want) {
			t.Errorf("%s: problems %q, want one with %q", text, p, want)
		}
	}
}

// through sends records through the sink into a stand-in with the whole rule.
func through(t *testing.T, at time.Time, stream string, raws []jsontext.Value) *workspace.Workspace {
	t.Helper()
	clock := func() time.Time { return at }
	ws := &workspace.Workspace{Now: clock, Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule(schema.ISC())}}
	sink, err := logsingestion.New(logsingestion.Config{
		Endpoint: &url.URL{Scheme: "https", Host: "127.0.0.1"}, RuleID: workspace.DefaultRule, Streams: schema.Streams(app.Tables()),
		// The token must be good in the time of the service and in ours.
		Credential: workspace.Credential{Now: clock, Life: max(time.Until(at), 0) + time.Hour},
		HTTP:       &http.Client{Transport: fault.Transport(ws)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var batch []pipeline.Record
	for i, raw := range raws {
		row, _, err := sink.Fit(stream, raw)
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		batch = append(batch, pipeline.Record{ID: strconv.Itoa(i), Raw: row})
	}
	if err := sink.Write(t.Context(), stream, batch); err != nil {
		t.Fatal(err)
	}
	return ws
}

// TestRuleOnEveryShape executes the transforms on what the sink sends for events
// and invocations of every shape. The rows are those that the stand-in workspace
// makes, which knows the fields as data.
func TestRuleOnEveryShape(t *testing.T) {
	at := time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC)
	g := synth.New(synth.Options{Seed: 5, Start: at.Add(-50 * time.Hour), Rate: 1. / 600})
	var events, invocations []jsontext.Value
	for i := range 300 { // 50 hours: the first are too old for their own time
		events = append(events, g.Event(i))
	}
	for shape := synth.Shape(1); shape <= synth.Poison; shape <<= 1 {
		if shape != synth.Huge {
			events = append(events, g.EventWith(10, shape))
		}
	}
	events = append(events, jsontext.Value(`{"id":"next week","created":"2026-09-09T12:00:00Z","attributes":{"disabled":{"after":"true","before":"false"},"duration":12,"info":"8145d822-13a7-44ad-859c-36f31a84f6dd"}}`),
		jsontext.Value(`{}`), jsontext.Value(`{"id":5,"created":"then","attributes":"text","target":"text","new":[{}]}`))
	for _, name := range []string{"full", "empty"} {
		body := `{"identity":{"id":"8145d82213a744ad859c36f31a84f6dd","name":"Ann","type":"IDENTITY"},"attributes":{"created":"2026-09-01T00:00:00Z","isManager":true,"manager":{"id":"x","name":"Bo"},"department":"IT"},
			"changes":[{"attribute":"a","oldValue":null}],"stats":{"added":5,"scanned":7.5},"searchResults":{"Account":{"count":"3","preview":[["a"]]}},"started":"2026-09-01T00:00:00.5Z","_metadata":{"triggerId":"idn:identity-created","invocationId":"8145d822-13a7-44ad-859c-36f31a84f6dd"}}`
		if name == "empty" {
			body = `{}`
		}
		invocations = append(invocations, jsontext.Value(`{"id":"8145d822-13a7-44ad-859c-36f31a84f6dd","triggerId":"idn:identity-created","created":"2026-09-02T11:00:00.000Z","completed":"2026-09-02T11:00:07Z",
			"startInvocationInput":{"triggerId":"t","contentJson":"{}"},"completeInvocationInput":{"localizedError":"{}","output":"x"},"Body":`+body+`,"Metadata":{"triggerId":"idn:identity-created","triggerType":"x"}}`))
	}
	health := []jsontext.Value{jsontext.Value(`{"ended":"2026-09-02T11:59:00Z","stream":"SailPointIDN_Events","state":"drained","fetched":10,"lag_seconds":61.5,"deprecated":false,"run_id":"8145d822-13a7-44ad-859c-36f31a84f6dd"}`)}
	for stream, raws := range map[string][]jsontext.Value{"SailPointIDN_Events": events, "SailPointIDN_Triggers": invocations, "SailPointIDN_Health": health} {
		ws := through(t, at, stream, raws)
		for _, tab := range everyTable() {
			if tab.Stream.Name == stream {
				sameRows(t, at, tab, ws.Table(tab.Name))
			}
		}
	}
}

// sameRows executes the table's transform on the bytes that came.
func sameRows(t *testing.T, at time.Time, tab schema.Table, stored *workspace.Table) {
	t.Helper()
	var rows []kqltest.Row
	for _, raw := range stored.Raw() {
		var row kqltest.Row
		if err := json.Unmarshal(raw, &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, streamFile(tab.Stream)), Bare: true}
	out := ws.Run(t, tab.Transform(), kqltest.Data{Now: at.Format(time.RFC3339), Rows: map[string][]kqltest.Row{"source": rows}})
	want := stored.Rows()
	if len(out.Rows) != len(want) || len(want) == 0 {
		t.Fatalf("%s: %d rows, want %d", tab.Name, len(out.Rows), len(want))
	}
	for i, row := range out.Rows {
		for _, c := range tab.Columns() {
			if got := cell(t, c.Type, row[c.Name]); got != normal(c.Type, want[i][c.Name]) {
				t.Errorf("%s row %d: %s is %q, the stand-in has %q\n%.300s", tab.Name, i, c.Name, got, want[i][c.Name], stored.Raw()[i])
			}
		}
	}
}

// cell is a value of the interpreter as the stand-in writes it.
func cell(t *testing.T, kind schema.Type, v any) string {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if kind != schema.Dynamic {
			return normal(kind, v)
		}
	case float64:
		if kind == schema.Real {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	case bool:
		if kind == schema.Bool {
			return strconv.FormatBool(v)
		}
	}
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return normal(kind, string(text))
}

// normal makes texts of the same meaning equal.
func normal(kind schema.Type, text string) string {
	switch kind {
	case schema.DateTime:
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at.UTC().Format("2006-01-02T15:04:05.9999999Z")
		}
	case schema.Dynamic, schema.String:
		value := jsontext.Value(text)
		if (value.Kind() == '{' || value.Kind() == '[' || kind == schema.Dynamic) && value.Canonicalize() == nil {
			return string(value)
		}
	}
	return text
}
