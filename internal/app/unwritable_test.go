package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
)

// tenRuns lets ten processes run against a state that something was done to, between two runs with
// events of one window, and demands that they send nothing and say what is wrong.
func (s *scene) tenRuns(t *testing.T, spoil func() (restore func()), says ...string) {
	t.Helper()
	s.connection().SettleDelay, s.connection().Health, s.connection().AuditAges = time.Second, false, nil
	at := time.Now().Add(-10 * time.Minute).Truncate(5 * time.Minute)
	add := func(from, to int) {
		for i := from; i < to; i++ {
			s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"e%d","created":%q}`, i, at.Add(time.Duration(i)*time.Second).UTC().Format(time.RFC3339)), time.Time{})
		}
	}
	add(0, 10)
	if rep, _ := s.poll(t); rep.State != pipeline.Drained || rep.Sent != 10 {
		t.Fatalf("before: %+v", rep)
	}
	add(10, 20)
	restore := spoil()
	for range 10 {
		rep, _ := s.poll(t)
		if rep.State != pipeline.Failed || rep.Sent != 0 {
			t.Fatalf("%+v", rep)
		}
		for _, text := range says {
			if !strings.Contains(rep.Error, text) {
				t.Fatalf("%q lacks %q", rep.Error, text)
			}
		}
	}
	restore()
	if rep, _ := s.poll(t); rep.State != pipeline.Drained || rep.Sent != 10 {
		t.Errorf("behind: %+v", rep)
	}
	for id, n := range s.workspace.Table(events).IDs() {
		if n != 1 {
			t.Errorf("%s has arrived %d times", id, n)
		}
	}
}

// Leases that a stranger holds on what a run must write.
func TestLeasedState(t *testing.T) {
	emulator := azurite.Start(t)
	admin, err := sdk.NewClientFromConnectionString(emulator.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ledger", "checkpoints"} {
		t.Run(kind, func(t *testing.T) {
			s := newScene()
			s.store, err = azblob.New(azblob.Config{ServiceURL: parse(t, emulator.ServiceURL), Container: kind, AccountName: emulator.AccountName, AccountKey: secret.New(emulator.AccountKey)})
			if err != nil {
				t.Fatal(err)
			}
			s.tenRuns(t, func() func() {
				var key string
				for info, err := range s.store.List(t.Context(), "acme/"+kind+"/SailPointIDN_Events") {
					if err != nil {
						t.Fatal(err)
					}
					key = info.Key
				}
				stranger, err := lease.NewBlobClient(admin.ServiceClient().NewContainerClient(kind).NewBlobClient(key), nil)
				if err == nil {
					_, err = stranger.AcquireLease(t.Context(), -1, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					if _, err := stranger.BreakLease(t.Context(), nil); err != nil {
						t.Fatal(err)
					}
				}
			}, "nothing was sent", "another process holds a lease", "az storage blob lease break", "acme/"+kind+"/")
		})
	}
}

// Something else is where a run looks up what was delivered: the run does not take that for nothing.
func TestStateInTheWay(t *testing.T) {
	asFolder := func(path string) error { return os.Mkdir(path, 0o700) }
	unmounted := func(path string) error { return os.Symlink(path+"-elsewhere", path) }
	for name, test := range map[string]struct {
		pattern string
		put     func(path string) error
		says    string
	}{
		"a folder for a window":     {"acme/ledger/SailPointIDN_Events/*/*", asFolder, "is a folder, but a file belongs there"},
		"a folder for a checkpoint": {"acme/checkpoints/SailPointIDN_Events*", asFolder, "is a folder, but a file belongs there"},
		"a ledger's disk is gone":   {"acme/ledger", unmounted, "which does not exist: mount"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			store, err := file.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			s := newScene()
			s.store = store
			s.tenRuns(t, func() func() {
				found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(test.pattern)))
				if err != nil || len(found) != 1 {
					t.Fatalf("%q, %v", found, err)
				}
				path, kept := found[0], filepath.Join(t.TempDir(), "kept")
				if err := os.Rename(path, kept); err != nil {
					t.Fatal(err)
				}
				if err := test.put(path); err != nil {
					t.Skip("no links here:", err)
				}
				return func() {
					if err := errors.Join(os.Remove(path), os.Rename(kept, path)); err != nil {
						t.Fatal(err)
					}
				}
			}, test.says, dir)
		})
	}
}

// A folder whose files may be read only.
func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	store, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := newScene()
	s.store = store
	s.tenRuns(t, func() func() {
		chmod := func(mode os.FileMode) {
			if err := os.Chmod(filepath.Join(dir, "~tmp"), mode); err != nil {
				t.Fatal(err)
			}
		}
		chmod(0o500)
		return func() { chmod(0o700) }
	}, "nothing was sent", "STATE_URL")
}
