package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// An object of a GB where one of the state belongs fails whoever needs it, with its name and what to
// do, and takes no memory.
func TestHugeState(t *testing.T) {
	for key, use := range map[string]func(*app.App, state.Store) string{
		"acme/checkpoints/SailPointIDN_Events.json": func(a *app.App, _ state.Store) string {
			reports := a.Poll(t.Context())
			return reports[0].Error
		},
		"acme/spool/SailPointIDN_Triggers/0000000000000000001": func(a *app.App, _ state.Store) string {
			reports := a.Poll(t.Context())
			return reports[1].Error
		},
		"acme/ledger/SailPointIDN_Events/2026-09-24/120000": func(_ *app.App, store state.Store) string {
			l := ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: events})
			for _, err := range l.Windows(t.Context()) {
				return text(err)
			}
			return ""
		},
		"acme/ledger/SailPointIDN_Events/undated": func(_ *app.App, store state.Store) string {
			_, err := ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: events}).Claim(t.Context(), []pipeline.Record{{ID: "x"}})
			return text(err)
		},
		"acme/quarantine/SailPointIDN_Events/undelivered/2026-09-24/x": func(a *app.App, _ state.Store) string {
			_, err := a.Connections()[0].Quarantine().Get(t.Context(), "acme/quarantine/SailPointIDN_Events/undelivered/2026-09-24/x")
			return text(err)
		},
	} {
		t.Run(key, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, filepath.FromSlash(key))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 1<<30+16); err != nil { // takes no room
				t.Fatal(err)
			}
			store, err := file.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			s := newScene()
			a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: store})
			if err != nil {
				t.Fatal(err)
			}
			before := allocated()
			said := use(a, store)
			if took := allocated() - before; took > 32<<20 {
				t.Errorf("took %d bytes of memory", took)
			}
			for _, want := range []string{key, "1073741840 bytes", "restore an earlier copy"} {
				if !strings.Contains(said, want) {
					t.Errorf("%q lacks %q", said, want)
				}
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// allocated is how many bytes were ever allocated.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}
