package app_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

// TestCheckOfLockedState: another check holds the probe's lock.
func TestCheckOfLockedState(t *testing.T) {
	s := newScene()
	if _, _, err := s.store.Lock(t.Context(), "acme/locks/check"); err != nil {
		t.Fatal(err)
	}
	_, found := s.check(t)
	if f := found["state"]; f.State != check.Failed || !strings.Contains(f.Detail, "another check is running") || !strings.Contains(f.Detail, "try again") {
		t.Errorf("%+v", f)
	}
}

// nearlyFull is a store with room for that many bytes.
type nearlyFull struct {
	state.Store
	room int
}

func (s nearlyFull) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if len(data) > s.room {
		return "", errors.New("no space left on device")
	}
	return s.Store.Put(ctx, key, data, prev)
}

// TestCheckOfNearlyFullState: there is room for a small file, and not for what a run has to store.
func TestCheckOfNearlyFullState(t *testing.T) {
	s := newScene()
	o := app.Options{HTTP: &http.Client{Transport: s}, Store: nearlyFull{s.store, 100 << 10}}
	var found check.Finding
	app.Check(t.Context(), s.settings, o, func(f check.Finding) {
		if f.Item == "state" {
			found = f
		}
	})
	if found.State != check.Failed || !strings.Contains(found.Detail, "no space left") {
		t.Errorf("%+v", found)
	}
}

// TestCheckOfStores: the places where state is kept in earnest pass, twice, and
// nothing stays behind.
func TestCheckOfStores(t *testing.T) {
	emulator := azurite.Start(t)
	blobs, err := azblob.New(azblob.Config{
		ServiceURL: parse(t, emulator.ServiceURL), Container: "check", AccountName: emulator.AccountName, AccountKey: secret.New(emulator.AccountKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]state.Store{"azblob": blobs, "file": folder} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				s := newScene()
				o := app.Options{HTTP: &http.Client{Transport: s}, Store: store}
				app.Check(t.Context(), s.settings, o, func(f check.Finding) {
					if f.State != check.Passed {
						t.Errorf("%+v", f)
					}
				})
			}
			for info, err := range store.List(t.Context(), "") {
				t.Errorf("left behind: %q, %v", info.Key, err)
			}
		})
	}
}

// TestCheckAfterAnOldConnector: before the first run the check says where it
// will begin, or why that can't be told.
func TestCheckAfterAnOldConnector(t *testing.T) {
	emulator := azurite.StartTables(t)
	cred, err := aztables.NewSharedKeyCredential(emulator.AccountName, emulator.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	service, err := aztables.NewServiceClientWithSharedKey(emulator.TableURL, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := service.NewClient("checkpointTable")
	endpoint, err := url.Parse(emulator.TableURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		row     string
		verdict check.Verdict
		want    string
	}{
		{"named", check.Failed, "does not exist"}, // nothing is there yet
		{"", check.Passed, "the first run begins 24h back (INITIAL_LOOKBACK); no older connector left a checkpoint at 127.0.0.1"},
		{"2026-11-20T07:31:12.345678Z", check.Passed, "begins at 2026-11-20T07:25:00Z, since the old connector stopped at 2026-11-20T07:31:12Z (LEGACY_CHECKPOINT)"},
		{"soon", check.Failed, "LEGACY_CHECKPOINT=off"},
	} {
		named := step.row == "named"
		if step.row != "" && !named {
			_, _ = table.CreateTable(t.Context(), nil) // at the second step only
			row := `{"PartitionKey":"checkpointTime","RowKey":"001","createdTime":"` + step.row + `"}`
			if _, err := table.UpsertEntity(t.Context(), []byte(row), nil); err != nil {
				t.Fatal(err)
			}
		}
		s := newScene()
		s.connection().Legacy = config.Legacy{TableEndpoint: endpoint, Named: named, Auth: config.AccountKey, Name: emulator.AccountName, Key: secret.Plain(emulator.AccountKey)}
		found := map[string]check.Finding{}
		app.Check(t.Context(), s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store}, func(f check.Finding) { found[f.Item] = f })
		if f := found["checkpoint Events"]; f.State != step.verdict || !strings.Contains(f.Detail, step.want) {
			t.Errorf("%+v, want %s and %q", f, step.verdict, step.want)
		}
		if f := found["settings: run"]; !strings.Contains(f.Detail, "where an older connector stopped") || strings.Contains(f.Detail, "else 24h back") == named {
			t.Errorf("%+v", f)
		}
	}
}

// The function of IdentityNow says nothing about where other sources of the connection begin.
func TestCheckpointOfAnOldConnectorIsOfItsOwnSource(t *testing.T) {
	emulator := azurite.StartTables(t)
	endpoint, err := url.Parse(emulator.TableURL)
	if err != nil {
		t.Fatal(err)
	}
	g := newGoverned(newScene(), "audit")
	g.withOthers()
	g.connection().Legacy = config.Legacy{TableEndpoint: endpoint, Named: true, Auth: config.AccountKey, Name: emulator.AccountName, Key: secret.Plain(emulator.AccountKey)}
	o := app.Options{HTTP: &http.Client{Transport: g}, Store: g.store}
	app.Check(t.Context(), g.settings, o, func(f check.Finding) {
		inherits := f.Item == "checkpoint Events"
		if strings.HasPrefix(f.Item, "checkpoint ") && (f.State == check.Failed) != inherits {
			t.Errorf("%+v", f)
		}
	})
	a, err := app.Open(g.settings, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, rep := range a.Poll(t.Context()) {
		inherits := rep.Stream == events
		if (rep.State == pipeline.Failed) != inherits {
			t.Errorf("%+v", rep)
		}
	}
}

// TestCheckOfReadBack: whether the workspace may be asked is tried before the day on
// which it would be.
func TestCheckOfReadBack(t *testing.T) {
	for name, c := range map[string]struct {
		daily  config.DailyReadBack
		reader bool
		want   check.Verdict
		words  string
	}{
		"off":       {config.NoReadBack, false, "", ""},
		"report":    {config.ReportReadBack, true, check.Passed, "no table SailPointIDN_Events_CL yet"},
		"repair":    {config.RepairReadBack, true, check.Passed, "can be queried"},
		"no reader": {config.ReportReadBack, false, check.Failed, "Log Analytics Reader"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: c.daily}
			s.workspace.Queries.NoReader = !c.reader
			_, found := s.check(t)
			if f := found["read-back"]; f.State != c.want || !strings.Contains(f.Detail, c.words) {
				t.Errorf("%+v, want %q and %q", f, c.want, c.words)
			}
		})
	}
}

// TestCheckOfBackfills: jobs that a person has to see to are named, also a file of them that can't be read.
func TestCheckOfBackfills(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the clock of the check
	job := func(change func(*jobs.Job)) string {
		j := jobs.Job{ID: "events-1", From: now.Add(-48 * time.Hour), To: now.Add(-24 * time.Hour), Created: now.Add(-time.Hour), Updated: now.Add(-time.Minute), State: jobs.Delivering, Events: 100}
		change(&j)
		data, err := jobs.Encode(jobs.File{Tenant: "acme", Stream: events, Jobs: []jobs.Job{j}})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, tc := range map[string]struct {
		object string
		want   check.Verdict
		says   []string
	}{
		"none":      {"", "", nil},
		"damaged":   {`{"version":1,`, check.Failed, []string{"acme/jobs/" + events, "is damaged", "delete it"}},
		"newer":     {`{"version":99}`, check.Failed, []string{"newer"}},
		"under way": {job(func(*jobs.Job) {}), check.Passed, []string{"events-1", "0%"}},
		"rests":     {job(func(j *jobs.Job) { j.Updated = now.Add(-30 * time.Minute) }), check.Failed, []string{"events-1 has rested for 30m", "jobs resume events-1"}},
		"left alone": {
			job(func(j *jobs.Job) { j.Left, j.Updated = true, now.Add(-5*time.Hour) }), check.Failed,
			[]string{"events-1 was left to the function, and nothing has worked on it for 5h", "jobs resume"},
		},
		"failed": {job(func(j *jobs.Job) { j.Failure = jobs.Failure{At: now, Count: 3, Text: "search: status 403"} }), check.Failed, []string{"events-1 failed: search: status 403", "Do what the message says"}},
		"not complete": {job(func(j *jobs.Job) {
			j.State, j.Ended, j.Proof = jobs.Done, now, jobs.Proof{Verdict: "incomplete", Why: "7 records are missing"}
		}), check.Failed, []string{"ended as incomplete: 7 records are missing"}},
		"complete": {job(func(j *jobs.Job) { j.State, j.Ended, j.Proof = jobs.Done, now, jobs.Proof{Verdict: "complete"} }), "", nil},
		"ended long ago": {job(func(j *jobs.Job) {
			j.State, j.Ended, j.Proof = jobs.Done, now.Add(-48*time.Hour), jobs.Proof{Verdict: "incomplete"}
		}), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			if tc.object != "" {
				if _, err := s.store.Put(t.Context(), "acme/jobs/"+events+".json", []byte(tc.object), state.Any); err != nil {
					t.Fatal(err)
				}
			}
			_, found := s.check(t)
			f := found["backfills Events"]
			if f.State != tc.want {
				t.Errorf("%+v, want %q", f, tc.want)
			}
			for _, text := range tc.says {
				if !strings.Contains(f.Detail, text) {
					t.Errorf("%q is not in %q", text, f.Detail)
				}
			}
		})
	}
}
