package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// host.json starts the handler of the package, and gives it more time than a
// run may take.
func TestHostJSON(t *testing.T) {
	var host struct {
		Version       string `json:"version"`
		CustomHandler struct {
			Description struct {
				DefaultExecutablePath string   `json:"defaultExecutablePath"`
				WorkingDirectory      string   `json:"workingDirectory"`
				Arguments             []string `json:"arguments"`
			} `json:"description"`
			EnableForwardingHTTPRequest bool   `json:"enableForwardingHttpRequest"`
			EnableProxyingHTTPRequest   bool   `json:"enableProxyingHttpRequest"`
			InitializationTimeout       string `json:"initializationTimeout"`
		} `json:"customHandler"`
		FunctionTimeout string         `json:"functionTimeout"`
		Singleton       jsontext.Value `json:"singleton"` // tested in dev/sandbox/host
		Logging         jsontext.Value `json:"logging"`
	}
	readJSON(t, "host.json", &host)
	// The tools give the executable bit to the entry of exactly this name; "./handler" would miss it.
	if got := host.CustomHandler.Description.DefaultExecutablePath; got != "handler" {
		t.Errorf("defaultExecutablePath is %q, want handler", got)
	}
	if host.Version != "2.0" || host.CustomHandler.Description.WorkingDirectory != "" || len(host.CustomHandler.Description.Arguments) != 0 {
		t.Errorf("host.json is %+v", host)
	}
	// Hosts that do not know how to proxy forward: either way the handler sees the path and the
	// credentials of a push, not an envelope.
	if !host.CustomHandler.EnableProxyingHTTPRequest || !host.CustomHandler.EnableForwardingHTTPRequest {
		t.Errorf("host.json passes requests for HTTP functions on in an envelope: %+v", host.CustomHandler)
	}
	timeout, err := time.Parse("15:04:05", host.FunctionTimeout)
	if err != nil {
		t.Fatal(err)
	}
	const most = 10 * time.Minute // more is refused on the classic Consumption plan
	const longest = 9 * time.Minute
	if d := timeout.Sub(timeout.Truncate(24 * time.Hour)); d > most || d < longest+time.Minute {
		t.Errorf("functionTimeout is %v: want no more than %v, and a minute more than the longest RUN_BUDGET", d, most)
	}
}

// Every folder with a function.json is a function that the handler answers, and
// its schedule is a setting of the template.
func TestFunctions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "*", "function.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]map[string]any{
		functions.FunctionPath[1:]: {{
			"type": "timerTrigger", "direction": "in", "name": "timer", "schedule": "%POLL_SCHEDULE%", "useMonitor": true, "runOnStartup": false,
		}},
		// SailPoint can't send a function key in a header: the handler checks who sends.
		"hooks": {
			{"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "anonymous", "methods": []any{"post"}, "route": strings.TrimPrefix(functions.HooksPath, "/api/") + "{*path}"},
			{"type": "http", "direction": "out", "name": "res"},
		},
		// The page says what a monitor or a person may know who has a key of the function.
		"status": {
			{"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "function", "methods": []any{"get", "post"}, "route": strings.TrimPrefix(functions.StatusPath, "/api/") + "/{*view}"},
			{"type": "http", "direction": "out", "name": "res"},
		},
	}
	got := map[string][]map[string]any{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if !regexp.MustCompile(`^[a-z][a-z0-9_-]{0,127}$`).MatchString(name) || name == "host" {
			t.Errorf("%q can't be the name of a function", name)
		}
		entries, err := os.ReadDir(filepath.Join(root, name))
		if err != nil || len(entries) != 1 {
			t.Errorf("the folder of function %s has %d entries: %v", name, len(entries), err)
		}
		var function struct {
			Bindings []map[string]any `json:"bindings"`
		}
		readJSON(t, name+"/function.json", &function)
		got[name] = function.Bindings
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions and their bindings (-want +got):\n%s", diff)
	}
	// Without it the host disables the function and says so in a log line only.
	if appSettings(t, deployed(t, "", nil))["POLL_SCHEDULE"] == "" {
		t.Error("the template does not set POLL_SCHEDULE")
	}
}
