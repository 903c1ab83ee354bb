package e2e_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Whatever is wrong: the process listens, the invocation fails with a message
// that names the cause and what to do, and nothing is lost.
func TestWrongSettings(t *testing.T) {
	tests := map[string]struct {
		set     map[string]string
		arrange func(w *world)
		stream  string   // whose report fails; "" if the whole run does
		want    []string // in the error
	}{
		"LIMIT is 0":             {set: map[string]string{"LIMIT": "0"}, want: []string{"LIMIT", "1", "10000"}},
		"grant type":             {set: map[string]string{"GRANT_TYPE": "password"}, want: []string{"GRANT_TYPE", "client_credentials"}},
		"http to a remote host":  {set: map[string]string{"SAILPOINT_BASE_URL": "http://acme.api.identitynow.com"}, want: []string{"SAILPOINT_BASE_URL", "https"}},
		"several at once":        {set: map[string]string{"LIMIT": "x", "RUN_BUDGET": "1h", "CLIENT_SECRET": "", "CUSTOMER_ID": "7"}, want: []string{"LIMIT", "RUN_BUDGET", "CLIENT_SECRET"}},
		"reference to nothing":   {set: map[string]string{"CLIENT_SECRET": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"}, want: []string{"CLIENT_SECRET", "VaultName"}},
		"vault is unreachable":   {set: map[string]string{"CLIENT_SECRET": "http://127.0.0.1:9/secrets/s", "IDENTITY_ENDPOINT": "http://127.0.0.1:9/msi/token", "IDENTITY_HEADER": "x", "RUN_BUDGET": "40s"}, stream: events, want: []string{"CLIENT_SECRET can't be read", "the sign-in service could not be reached"}},
		"wrong client secret":    {set: map[string]string{"CLIENT_SECRET": "canary-client-secret-wrong"}, stream: events, want: []string{"CLIENT_SECRET"}},
		"no such tenant":         {set: map[string]string{"SAILPOINT_BASE_URL": "https://no-such-tenant.invalid"}, stream: events, want: []string{"SAILPOINT_BASE_URL"}},
		"missing search scope":   {arrange: func(w *world) { w.tenant.Scopes = []string{"idn:nothing"} }, stream: events, want: []string{"sp:search:read"}},
		"wrong workspace key":    {set: map[string]string{"SHARED_KEY": "d3Jvbmcga2V5"}, stream: events, want: []string{"SHARED_KEY"}},
		"clock off by an hour":   {arrange: func(w *world) { w.workspace.Now = func() time.Time { return time.Now().Add(time.Hour) } }, stream: events, want: []string{"clock"}},
		"storage is unreachable": {set: map[string]string{"STATE_URL": "azblob://box", "AZURE_STORAGE_ACCOUNT_NAME": "acct", "AZURE_STORAGE_ACCESS_KEY": "a2V5", "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:9/acct"}, stream: events, want: []string{"AZURE_STORAGE_BLOB_ENDPOINT"}},
		"state can't be written": {set: map[string]string{"STATE_URL": "file:///proc/idn"}, stream: events, want: []string{"STATE_URL"}},
		"list is an object":      {arrange: func(w *world) { w.tenant.Faults = wrongShape() }, stream: events, want: []string{"object"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 50, time.Hour, synth.Options{Seed: 31, Rate: 1})
			w.env["RUN_BUDGET"] = "2s"
			if tt.arrange != nil {
				tt.arrange(w)
			}
			w.serve()
			good := maps.Clone(w.env)
			maps.Copy(w.env, tt.set)
			h := w.start()
			inv := w.fire(h)
			if inv.Status != http.StatusInternalServerError {
				t.Fatalf("status %d, want 500: %+v", inv.Status, inv)
			}
			text := inv.Error
			if tt.stream != "" {
				text = report(t, inv, tt.stream).Error
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("the error does not say %q: %s", want, text)
				}
			}
			// The host throws the answer of a failed run away: it must be in the log.
			h.Close() // the log is whole once the process has ended
			if log := strings.Join(h.Stderr(), "\n"); !strings.Contains(log, `"level":"ERROR"`) {
				t.Errorf("nothing of it is in the log:\n%s", log)
			}
			if n := w.workspace.Table(events).Count(); n != 0 {
				t.Errorf("%d rows arrived", n)
			}
			if len(tt.set) == 0 || tt.set["STATE_URL"] != "" {
				return
			}
			// Put right, everything comes.
			w.env = good
			if rep := report(t, w.fire(w.start()), events); rep.State != pipeline.Drained {
				t.Errorf("with the right settings: %+v", rep)
			}
			w.complete(0)
		})
	}
}

func wrongShape() *fault.Plan {
	return &fault.Plan{Rules: []fault.Rule{{Kind: fault.WrongShape, Path: "/search"}}}
}
