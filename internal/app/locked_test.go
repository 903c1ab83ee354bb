package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
)

// poll is a run of a new process, in virtual time if that is on.
func (s *scene) poll(t *testing.T) (ofEvents, ofTriggers pipeline.Report) {
	t.Helper()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), s.settings.RunBudget)
	defer cancel()
	reports := a.Poll(ctx)
	return reports[0], reports[1]
}

// checkLock is what a check says of the lock of the events.
func (s *scene) checkLock(t *testing.T) (f check.Finding) {
	t.Helper()
	app.Check(t.Context(), s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store}, func(found check.Finding) {
		if found.Item == "lock Events" {
			f = found
		}
	})
	return f
}

// A lock that is held for longer than any run can take is a failure, of runs and of checks, also
// when each run is a process of its own. The lag is told all the while. One that is held while
// something is saved is another run's.
func TestLockedForTooLong(t *testing.T) {
	const longest = 4*time.Minute + pipeline.Overtime + 30*time.Second
	for name, test := range map[string]struct {
		before time.Duration // since the last run
		saves  bool          // the holder saves now and then
		fails  bool
	}{
		"a stranger, at once":             {time.Minute, false, true},
		"a stranger, behind a long pause": {72 * time.Hour, false, true},
		"a run that gets on":              {time.Minute, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			synctest.Test(t, func(t *testing.T) {
				if rep, _ := s.poll(t); rep.State != pipeline.Drained {
					t.Fatalf("%+v", rep)
				}
				<-time.After(test.before)
				_, release, err := s.store.Lock(t.Context(), "acme/locks/SailPointIDN_Events")
				if err != nil {
					t.Fatal(err)
				}
				for begin := time.Now(); time.Since(begin) < 20*time.Minute; <-time.After(time.Minute) {
					rep, other := s.poll(t)
					late := time.Since(begin) > longest && test.fails
					if want := map[bool]pipeline.State{false: pipeline.Locked, true: pipeline.Failed}[late]; rep.State != want || other.State != pipeline.Drained {
						t.Errorf("behind %v: %+v, %+v", time.Since(begin), rep, other)
					}
					if rep.LagSeconds < test.before.Seconds() && !test.saves {
						t.Errorf("behind %v: lag %v", time.Since(begin), rep.LagSeconds)
					}
					if late && (!strings.Contains(rep.Error, "acme/locks/SailPointIDN_Events") || !strings.Contains(rep.Error, "release the lock") || !strings.Contains(rep.Error, "4m0s") && !strings.Contains(rep.Error, longest.String())) {
						t.Errorf("error %q", rep.Error)
					}
					unsaved := test.before + time.Since(begin)
					if f := s.checkLock(t); late && f.State != check.Failed || (test.saves || unsaved < longest) && f.State != check.Passed {
						t.Errorf("behind %v: %+v", time.Since(begin), f)
					}
					if test.saves {
						s.save(t)
					}
				}
				if err := release(t.Context()); err != nil {
					t.Fatal(err)
				}
				if rep, _ := s.poll(t); rep.State != pipeline.Drained || rep.Error != "" {
					t.Errorf("the lock is free: %+v", rep)
				}
				for info := range s.store.List(t.Context(), "acme/locks/") { //nolint:errcheck // of memory
					t.Errorf("left behind: %q", info.Key)
				}
			})
		})
	}
}

// save saves the checkpoint of the events, as the holder of the lock does.
func (s *scene) save(t *testing.T) {
	t.Helper()
	const key = "acme/checkpoints/SailPointIDN_Events.json"
	o, err := s.store.Get(t.Context(), key)
	if err == nil {
		_, err = s.store.Put(t.Context(), key, o.Data, o.ETag)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// waiting is the note of runs that found the lock held for ten minutes.
func (s *scene) waiting(t *testing.T) {
	t.Helper()
	now := time.Now().UTC()
	data := `{"version":1,"since":"` + now.Add(-10*time.Minute).Format(time.RFC3339) + `","seen":"` + now.Add(-time.Minute).Format(time.RFC3339) + `"}`
	if _, err := s.store.Put(t.Context(), "acme/locks/SailPointIDN_Events.waiting", []byte(data), state.Any); err != nil {
		t.Fatal(err)
	}
}

// The words name the blob and the command that breaks its lease.
func TestLeaseOfAStranger(t *testing.T) {
	emulator := azurite.Start(t)
	blobs, err := azblob.New(azblob.Config{
		ServiceURL: parse(t, emulator.ServiceURL), Container: "state", AccountName: emulator.AccountName, AccountKey: secret.New(emulator.AccountKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newScene()
	s.store = blobs
	if _, err := blobs.Put(t.Context(), "acme/locks/SailPointIDN_Events", nil, state.Absent); err != nil {
		t.Fatal(err)
	}
	admin, err := sdk.NewClientFromConnectionString(emulator.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := lease.NewBlobClient(admin.ServiceClient().NewContainerClient("state").NewBlobClient("acme/locks/SailPointIDN_Events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.AcquireLease(t.Context(), -1, nil); err != nil { // without an end
		t.Fatal(err)
	}
	if rep, other := s.poll(t); rep.State != pipeline.Locked || other.State != pipeline.Drained {
		t.Errorf("the first that finds it: %+v, %+v", rep, other)
	}
	s.waiting(t)
	rep, _ := s.poll(t)
	f := s.checkLock(t)
	for _, text := range []string{
		`blob "acme/locks/SailPointIDN_Events"`, `container "state"`, "10m",
		"az storage blob lease break --account-name " + emulator.AccountName + " --container-name state --blob-name acme/locks/SailPointIDN_Events",
	} {
		if rep.State != pipeline.Failed || !strings.Contains(rep.Error, text) {
			t.Errorf("the run lacks %q: %+v", text, rep)
		}
		if f.State != check.Failed || !strings.Contains(f.Detail, text) {
			t.Errorf("the check lacks %q: %+v", text, f)
		}
	}
	if _, err := stranger.BreakLease(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if rep, _ := s.poll(t); rep.State != pipeline.Drained {
		t.Errorf("the lease is broken: %+v", rep)
	}
}

// The same for a folder: the words name the file.
func TestFileLockOfAStranger(t *testing.T) {
	dir := t.TempDir()
	folder, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := newScene()
	s.store = folder
	_, release, err := folder.Lock(t.Context(), "acme/locks/SailPointIDN_Events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release(t.Context()) }() // held until then: what nothing refers to may be closed
	s.waiting(t)
	if rep, _ := s.poll(t); rep.State != pipeline.Failed || !strings.Contains(rep.Error, dir) || !strings.Contains(rep.Error, "SailPointIDN_Events~lock") {
		t.Errorf("%+v", rep)
	}
}
