package cli_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

// oldFunction is the account in which the Python function kept its checkpoint.
type oldFunction struct {
	createdTime atomic.Pointer[string] // nil for none
	requests    atomic.Int64
}

func (f *oldFunction) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodGet {
		http.Error(w, "{}", http.StatusMethodNotAllowed)
		return
	}
	at := f.createdTime.Load()
	if at == nil {
		w.Header().Set("X-Ms-Error-Code", "ResourceNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"PartitionKey": "checkpointTime", "RowKey": "001", "createdTime": *at})
}

// run runs a command and returns its exit status and what it said.
func run(t *testing.T, width int, args ...string) (code int, out, complaint string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := cli.Process{Args: args, Out: &stdout, Err: &stderr}
	if width > 0 {
		p.OutWidth = func() int { return width }
		p.Width = p.OutWidth
	}
	code = cli.Run(t.Context(), p)
	if strings.Contains(stdout.String()+stderr.String(), "canary") {
		t.Errorf("shows a secret: %s%s", &stdout, &stderr)
	}
	return code, stdout.String(), stderr.String()
}

// Where the function stopped becomes the checkpoint once, and neither is changed afterwards.
func TestImportLegacy(t *testing.T) {
	old := new(oldFunction)
	server := httptest.NewServer(old)
	defer server.Close()
	dir := t.TempDir()
	write := func(more map[string]string) string {
		values := map[string]string{
			"TENANT_ID": "acme", "CLIENT_ID": "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "CLIENT_SECRET": "canary-secret-1111",
			"CUSTOMER_ID": "11111111-2222-4333-8444-555555555555", "SHARED_KEY": "Y2FuYXJ5LWtleS0yMjIy", "STATE_URL": "file://" + filepath.ToSlash(filepath.Join(dir, "state")),
			"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_ACCESS_KEY": base64.StdEncoding.EncodeToString([]byte("canary-key")),
			"LEGACY_CHECKPOINT": server.URL + "/devstoreaccount1",
		}
		for name, value := range more {
			values[name] = value
		}
		text, err := json.Marshal(map[string]any{"Values": values})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "settings.json")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	settings := write(nil)
	expect := func(code int, text string, args ...string) {
		t.Helper()
		got, out, complaint := run(t, 0, append(args, "--settings", settings)...)
		if got != code || !strings.Contains(out+complaint, text) {
			t.Errorf("%v: status %d, want %d and %q:\n%s%s", args, got, code, text, out, complaint)
		}
	}
	expect(1, "name the account in which the Python function kept its checkpoint", "checkpoint", "import-legacy")
	at := "soon"
	old.createdTime.Store(&at)
	expect(1, "is not a time", "checkpoint", "import-legacy")
	good := "2026-11-20T07:31:12.345678Z"
	old.createdTime.Store(&good)
	expect(0, "stored, the first run begins at 2026-11-20T07:25:00Z", "checkpoint", "import-legacy")
	expect(0, "2026-11-20T07:25:00Z", "checkpoint", "show")
	file := filepath.Join(dir, "state", "acme", "checkpoints", "SailPointIDN_Events.json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	later := "2026-11-21T07:31:12Z" // the function went on
	old.createdTime.Store(&later)
	requests := old.requests.Load()
	expect(0, "has a checkpoint already, at 2026-11-20T07:25:00Z: nothing was changed", "checkpoint", "import-legacy")
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) || old.requests.Load() != requests {
		t.Errorf("changed, or asked again: %s, %v", after, err)
	}
	if err := os.WriteFile(file, []byte(`{"version":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(1, "newer version", "checkpoint", "import-legacy")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	settings = write(map[string]string{"LEGACY_CHECKPOINT": "off"})
	expect(2, "set LEGACY_CHECKPOINT to https://NAME.table.core.windows.net", "checkpoint", "import-legacy")
}
