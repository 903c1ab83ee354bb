package sentinel_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// pushedRow is the row of a push that arrived at a moment.
func pushedRow(t *testing.T, body string, at time.Time, ingested string) kqltest.Doc {
	t.Helper()
	push, err := sailpoint.NewHook(sailpoint.HookConfig{}).Receive("", []byte(body), at)
	if err != nil {
		t.Fatal(err)
	}
	var row kqltest.Doc
	if err := json.Unmarshal(push.Records[0].Raw, &row); err != nil {
		t.Fatal(err)
	}
	row["$ingested"] = ingested
	return row
}

// An invocation that is pushed and polled counts once, in whatever order its rows come, and the
// rule alerts on it when it is completed and not before.
func TestPushedInvocationsCountOnce(t *testing.T) {
	const id = "bbbbbbbb-13a7-44ad-859c-36f31a84f6dd"
	at := time.Date(2026, 9, 2, 11, 30, 0, 0, time.UTC)
	body := func(id string) string {
		return fmt.Sprintf(`{"source":{"id":%q,"name":"AD","type":"AD"},"status":"Success","started":"2026-09-02T11:20:00Z","completed":"2026-09-02T11:30:00Z","stats":{"added":5},`+
			`"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:aggregation-accounts-collected","invocationId":%q}}`, hex32, id)
	}
	pushed := func(ingested string) kqltest.Doc { return pushedRow(t, body(id), at, ingested) }
	completed := func(ingested string) kqltest.Doc {
		d := pushedRow(t, body(id), at, ingested)
		d["created"], d["completed"], d["subscriptionName"], d["type"] = "2026-09-02T11:29:59.900Z", "2026-09-02T11:30:01.000Z", "Audit", "REAL_TIME"
		return d
	}
	for name, tc := range map[string]struct {
		docs   []kqltest.Doc
		state  string
		alerts int
	}{
		"pushed":                    {[]kqltest.Doc{pushed("2026-09-02T11:30:05Z")}, "pending", 0},
		"pushed, then polled":       {[]kqltest.Doc{pushed("2026-09-02T11:30:05Z"), completed("2026-09-02T11:31:00Z")}, "completed", 1},
		"polled, then pushed":       {[]kqltest.Doc{completed("2026-09-02T11:31:00Z"), pushed("2026-09-02T11:45:00Z")}, "completed", 1},
		"pushed twice, then polled": {[]kqltest.Doc{pushed("2026-09-02T11:30:05Z"), pushed("2026-09-02T11:30:06Z"), completed("2026-09-02T11:31:00Z")}, "completed", 1},
		"without an id, twice, which are two events": {[]kqltest.Doc{
			pushedRow(t, `{"a":1,"_metadata":{"triggerId":"idn:other"}}`, at, "2026-09-02T11:30:05Z"), pushedRow(t, `{"a":1,"_metadata":{"triggerId":"idn:other"}}`, at, "2026-09-02T11:50:05Z"),
		}, "", 0},
	} {
		for _, kind := range []string{"triggers-classic", "triggers-dcr"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := kqltest.NewScene(t, now, kind)
				if kind == "triggers-classic" {
					s.Classic(kqltest.TriggersTable, tc.docs...)
				} else {
					s.DCR(kqltest.TriggersTable, tc.docs...)
				}
				rows := s.Run(t, "SailPointIDNTriggers | project State, InvocationId").Rows
				if tc.state == "" {
					if len(rows) != 2 {
						t.Errorf("%d rows, want 2: %v", len(rows), rows)
					}
					return
				}
				if diff := cmp.Diff([]kqltest.Row{{"State": tc.state, "InvocationId": "bbbbbbbb13a744ad859c36f31a84f6dd"}}, rows); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				const rule = "SailPointIDNTriggers(starttime = ago(2d), triggerid_in = dynamic(['idn:aggregation-accounts-collected'])) | where IngestionTime > ago(1h) and State != 'pending' | count"
				if got := s.Run(t, rule).Rows[0]["Count"]; got != float64(tc.alerts) {
					t.Errorf("the rule alerts %v times, want %d", got, tc.alerts)
				}
			})
		}
	}
}

// polledRows are the rows that polling makes of invocations, by their ids.
func polledRows(t *testing.T, invocations []synth.Invocation) map[string]kqltest.Doc {
	t.Helper()
	service := &tenant.Tenant{ClientID: "id", ClientSecret: "canary-client-secret"}
	for _, inv := range invocations {
		service.AddInvocation(inv)
	}
	src := sailpoint.NewClient(sailpoint.Config{
		BaseURL: &url.URL{Scheme: "https", Host: "acme.api.identitynow.com"}, ClientID: "id", ClientSecret: secret.New("canary-client-secret"),
		HTTP: &http.Client{Transport: fault.Transport(service)},
	}).Triggers()
	rows := map[string]kqltest.Doc{}
	for after, more := pipeline.Cursor(""), true; more; {
		page, err := src.Fetch(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			var row kqltest.Doc
			if err := json.Unmarshal(rec.Raw, &row); err != nil {
				t.Fatal(err)
			}
			rows[row["id"].(string)] = row
		}
		after, more = page.Next, page.More
	}
	return rows
}

// withMetadata is an invocation whose payload is pushed as the n-th.
func withMetadata(n int, triggerID, payload string, begin time.Time) synth.Invocation {
	id := fmt.Sprintf("cccccccc-13a7-44ad-859c-%012d", n)
	body := payload[:len(payload)-1] + fmt.Sprintf(`,"_metadata":{"triggerId":%q,"invocationId":%q,"triggerType":"fireAndForget"}}`, triggerID, id)
	return synth.Invocation{ID: id, TriggerID: triggerID, SubscriptionID: uuid, SubscriptionName: "Audit", Created: begin, Completed: begin.Add(time.Second), Input: []byte(body)}
}

// Each payload of every trigger becomes a row whose columns are those of the table, and which agree,
// one by one, with those of the polled row of the same invocation, but for what a push can't know.
func TestPushedColumns(t *testing.T) {
	g, begin := synth.New(synth.Options{Seed: 9}), time.Now().Add(-time.Minute)
	var invocations []synth.Invocation
	for _, id := range g.TriggerIDs() {
		for i := range 2 { // shapes
			input, _ := g.Payload(id, i, begin)
			invocations = append(invocations, withMetadata(len(invocations), id, string(input), begin))
		}
	}
	checkPushedColumns(t, invocations, begin)
}

// The same for payloads with the members, the kinds of values and the enumerations of the examples
// that SailPoint publishes; all other values are made up. Together they fill each published column
// that a payload can fill.
func TestPublishedPayloads(t *testing.T) {
	text, err := os.ReadFile("testdata/payloads.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-time.Minute)
	var invocations []synth.Invocation
	for line := range strings.Lines(string(text)) {
		var example struct {
			Trigger string
			Payload json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &example); err != nil {
			t.Fatal(err)
		}
		invocations = append(invocations, withMetadata(len(invocations), example.Trigger, string(example.Payload), begin))
	}
	if len(invocations) != 37 {
		t.Errorf("%d payloads", len(invocations))
	}
	filled := checkPushedColumns(t, invocations, begin)
	for _, f := range schema.Triggers().Fields {
		if f.Published && strings.HasPrefix(f.Name, "Body_") && !filled[f.Name] {
			t.Errorf("no payload fills %s", f.Name)
		}
	}
}

// checkPushedColumns compares the rows of pushed invocations with the table, and with their polled rows.
func checkPushedColumns(t *testing.T, invocations []synth.Invocation, begin time.Time) (filled map[string]bool) {
	t.Helper()
	filled = map[string]bool{}
	polled := polledRows(t, invocations)
	unknown := map[string]bool{} // of the subscription, the completion, and the moment
	for _, name := range []string{
		"TimeGenerated", "$ingested", "created_t", "completed_t", "type_s", "subscriptionName_s", "subscriptionId_g", "subscriptionId_s", "startInvocationInput_contentJson_s",
		"completeInvocationInput_output_s", "completeInvocationInput_localizedError_s", "completeInvocationInput", "startInvocationInput",
	} {
		unknown[name] = true
	}
	declared := map[string]bool{}
	for _, f := range schema.Triggers().Fields {
		declared[f.Name] = true
	}
	for _, kind := range []string{"triggers-classic", "triggers-dcr"} {
		s := kqltest.NewScene(t, now, kind)
		add := s.DCR
		if kind == "triggers-classic" {
			add = s.Classic
		}
		for _, inv := range invocations {
			add(kqltest.TriggersTable, pushedRow(t, string(inv.Input), begin, "2026-09-02T11:00:05Z"), polled[inv.ID])
			rows := s.Data.Rows[kqltest.TriggersTable]
			columns := func(row kqltest.Row) map[string]any {
				known := map[string]any{}
				for name, value := range row {
					if !unknown[name] && value != nil {
						known[name] = value
					}
				}
				return known
			}
			a, b := columns(rows[len(rows)-2]), columns(rows[len(rows)-1])
			if diff := cmp.Diff(b, a); diff != "" || len(a) < 6 {
				t.Errorf("%s, %s: %d columns (-polled +pushed):\n%s", kind, inv.TriggerID, len(a), diff)
			}
			for name := range a {
				filled[name] = true
				// The classic table makes a column of whatever a payload holds.
				if !declared[name] && (kind == "triggers-dcr" || !strings.HasPrefix(name, "Body_")) && !strings.HasPrefix(name, "_") {
					t.Errorf("%s, %s: column %s is not one of the table", kind, inv.TriggerID, name)
				}
			}
			for _, name := range []string{"Metadata_triggerId_s", "Body__metadata_triggerId_s", "triggerId_s"} {
				if a[name] != inv.TriggerID {
					t.Errorf("%s, %s: column %s is %v", kind, inv.TriggerID, name, a[name])
				}
			}
			for _, name := range []string{"Metadata_invocationId_g", "Body__metadata_invocationId_g", "id_g"} {
				if kind == "triggers-classic" && a[name] != inv.ID {
					t.Errorf("%s, %s: column %s is %v", kind, inv.TriggerID, name, a[name])
				}
			}
		}
	}
	return filled
}
