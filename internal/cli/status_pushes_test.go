package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

// What waits of the pushes is in the table, in the list for narrow terminals, and in the JSON: answers that
// are owed, and reports that wait to be forwarded or are kept.
func TestStatusOfPushes(t *testing.T) {
	t.Setenv("NO_COLOR", "1") // so that lines can be measured
	settings := left(t, pipeline.Report{Stream: "SailPointIDN_Events", State: pipeline.Drained})
	data, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(data), `"TENANT_ID"`, `"WEBHOOK_TOKEN":"canary-token-of-the-hook","SAAS_WEBHOOK_SECRET":"canary-secret-of-reports",`+
		`"WORKFLOW_URL":"https://acme.api.identitynow.com/workflows/v1/execute/external/11111111-2222-4333-8444-555555555555","WORKFLOW_CLIENT_ID":"c","WORKFLOW_CLIENT_SECRET":"canary-flow","TENANT_ID"`, 1)
	if err := os.WriteFile(settings, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := file.Open(filepath.Join(filepath.Dir(settings), "state"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owed.New(store, "acme", "SailPointIDN_TriggersPushed").Put(t.Context(), owed.Answers{At: time.Now(), Sealed: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	for id, change := range map[string]func(*forward.Entry){
		"20261129T120000.000000005Z-0123456789abcdef": func(*forward.Entry) {},
		"20261129T120000.000000006Z-0123456789abcdef": func(e *forward.Entry) {
			e.Read, e.Refused = true, []forward.Span{{First: 1, Last: 2, Tries: 1, Why: "status 400"}}
		},
	} {
		e := forward.Entry{ID: id, Name: "users", Received: time.Now(), Since: time.Now(), Parts: 1}
		change(&e)
		object, err := reports.EncodeForwarding(e)
		if err == nil {
			_, err = store.Put(t.Context(), "acme/inbox/SailPointSaaS_Reports/forward/"+id, object, state.Any)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, width := range map[string]int{"a table": 0, "a list": 40, "a terminal that the table is too wide for": 100} {
		_, out, _ := statusOf(t, settings, width)
		for _, want := range []string{"1 for answers", "1 to forward", "1 kept from the workflow", "idnsentinel forwarding"} {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, out)
			}
		}
		if strings.Contains(out, "canary") {
			t.Errorf("it shows a secret:\n%s", out)
		}
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 0 && n > width && !unbroken(line) {
				t.Errorf("%s: %q takes %d columns", name, line, n)
			}
		}
	}
	_, out, _ := statusOf(t, settings, 0, "--json")
	var got struct {
		Streams []struct {
			Stream     string
			Owed       *struct{ N int }
			Forwarding *struct {
				Waiting, Kept struct{ N int }
				Refused       int
				Why           string
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Streams {
		switch s.Stream {
		case "SailPointIDN_TriggersPushed":
			if s.Owed == nil || s.Owed.N != 1 {
				t.Errorf("%+v", s)
			}
		case "SailPointSaaS_Reports":
			if f := s.Forwarding; f == nil || f.Waiting.N != 1 || f.Kept.N != 1 || f.Refused != 1 || !strings.Contains(f.Why, "status 400") {
				t.Errorf("%+v", f)
			}
		default:
			if s.Owed != nil || s.Forwarding != nil {
				t.Errorf("%s: %+v", s.Stream, s)
			}
		}
	}
}
