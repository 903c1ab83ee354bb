package jobs_test

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write golden files")

const stream = "SailPointIDN_Events"

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

var codec = statetest.Codec[jobs.File]{
	Encode: jobs.Encode, Decode: jobs.Decode,
	Golden: map[string]jobs.File{
		"v1.jobs.json": {
			Tenant: "acme", Stream: stream, Jobs: []jobs.Job{
				{
					ID: "k7f3qa", Connection: "acme", From: noon.Add(-48 * time.Hour), To: noon.Add(-24 * time.Hour), Workspace: true, Left: true,
					Created: noon, Version: "v1.2.0", Events: 1_000_000, State: jobs.Delivering,
					Place: `{"leg":"2026-09-21T12:00:00Z","after":"{}"}`, Through: noon.Add(-47 * time.Hour),
					Counts: jobs.Counts{Fetched: 21, Sent: 15, Known: 4, Conformed: 3, Quarantined: 2, Unproven: 1},
					Begun:  noon.Add(time.Minute), Updated: noon.Add(2 * time.Minute), Seconds: 1.5,
					Failure: jobs.Failure{At: noon.Add(time.Minute), Count: 2, Text: "search: status 429"}, Warnings: []string{"slow"},
				},
				{ID: "aaaaaa", From: noon.Add(-96 * time.Hour), To: noon.Add(-72 * time.Hour), Created: noon, Events: -1, State: jobs.Proving},
				{
					ID: "bbbbbb", From: noon.Add(-96 * time.Hour), To: noon.Add(-72 * time.Hour), Created: noon, State: jobs.Done, Ended: noon.Add(time.Hour),
					Proof: jobs.Proof{At: noon.Add(time.Hour), Verdict: "complete", Why: "all 7 records were delivered", By: "own count", Source: 7, Delivered: 7},
				},
				{ID: "cccccc", From: noon.Add(-96 * time.Hour), To: noon.Add(-72 * time.Hour), Created: noon, State: jobs.Cancelled, Ended: noon},
			},
		},
	},
	Newer: []string{`{"version":2}`, `{"version":2,"jobs":{"Events":[1]}}`},
	Draw: func(t *rapid.T) jobs.File {
		at := func() time.Time {
			return time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "at"), 0).UTC()
		}
		f := jobs.File{Tenant: rapid.String().Draw(t, "tenant"), Stream: "s" + rapid.String().Draw(t, "stream")}
		for i := range rapid.IntRange(0, 3).Draw(t, "jobs") {
			from := at()
			f.Jobs = append(f.Jobs, jobs.Job{
				ID: fmt.Sprint("j", i), From: from, To: from.Add(time.Hour), Events: rapid.Int64().Draw(t, "events"), Place: rapid.String().Draw(t, "place"),
				State: rapid.SampledFrom([]jobs.State{jobs.Delivering, jobs.Proving, jobs.Done, jobs.Cancelled}).Draw(t, "state"), Updated: at(),
				Failure: jobs.Failure{Text: rapid.String().Draw(t, "text")},
			})
		}
		return f
	},
}

func TestCodec(t *testing.T) {
	codec.Update = *update
	statetest.TestCodec(t, codec)
}

func FuzzDecode(f *testing.F) {
	statetest.FuzzCodec(f, codec, `{"version":1,"stream":"s","jobs":[{"id":"a","from":"9999-12-31T23:59:59-01:00","to":"9999-12-31T23:59:59Z","state":"done"}]}`)
}

func job(id string) jobs.Job {
	return jobs.Job{ID: id, From: noon.Add(-time.Hour), To: noon, Created: noon, State: jobs.Delivering}
}

func added(t *testing.T, s *jobs.Store, ids ...string) {
	t.Helper()
	err := s.Change(t.Context(), stream, func(f *jobs.File) error {
		for _, id := range ids {
			f.Jobs = append(f.Jobs, job(id))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, s *jobs.Store, id string, do func(*jobs.Job)) {
	t.Helper()
	if err := s.Change(t.Context(), stream, func(f *jobs.File) error { do(f.Find(id)); return nil }); err != nil {
		t.Fatal(err)
	}
}

// Whoever works on a job and a person who changes the object never undo what the other did.
func TestSave(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*jobs.Store)
		want      error
		check     func(jobs.File) error
	}{
		"nothing happens": {meanwhile: func(*jobs.Store) {}},
		"it is cancelled": {
			meanwhile: func(s *jobs.Store) { change(t, s, "a", func(j *jobs.Job) { j.State = jobs.Cancelled }) },
			want:      jobs.ErrGone,
			check: func(f jobs.File) error {
				if f.Find("a").State != jobs.Cancelled {
					return errors.New("the job came back")
				}
				return nil
			},
		},
		"another is cancelled": {
			meanwhile: func(s *jobs.Store) { change(t, s, "b", func(j *jobs.Job) { j.State = jobs.Cancelled }) },
			check: func(f jobs.File) error {
				if f.Find("b").State != jobs.Cancelled || f.Find("a").Place != "p2" {
					return fmt.Errorf("%+v", f.Jobs)
				}
				return nil
			},
		},
		"another is added": {
			meanwhile: func(s *jobs.Store) { added(t, s, "c") },
			check: func(f jobs.File) error {
				if f.Find("c") == nil || f.Find("a").Place != "p2" {
					return fmt.Errorf("%+v", f.Jobs)
				}
				return nil
			},
		},
		"it is left to the function": {
			meanwhile: func(s *jobs.Store) { change(t, s, "a", func(j *jobs.Job) { j.Left = true }) },
			check: func(f jobs.File) error {
				if j := f.Find("a"); !j.Left || j.Place != "p2" {
					return fmt.Errorf("%+v", j)
				}
				return nil
			},
		},
		"another process moves it": {
			meanwhile: func(s *jobs.Store) { change(t, s, "a", func(j *jobs.Job) { j.Place = "elsewhere" }) },
			want:      jobs.ErrMoved,
			check: func(f jobs.File) error {
				if f.Find("a").Place != "elsewhere" {
					return errors.New("the place was overwritten")
				}
				return nil
			},
		},
		"the answer of the write is lost": {
			meanwhile: func(s *jobs.Store) { change(t, s, "a", func(j *jobs.Job) { j.Place = "p2" }) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := jobs.New(&mem.Store{}, "acme")
			added(t, s, "a", "b")
			w, err := s.Begin(t.Context(), stream, "a")
			if err != nil {
				t.Fatal(err)
			}
			w.Place = "p1"
			if err := w.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.meanwhile(s)
			w.Place = "p2"
			if err := w.Save(t.Context()); !errors.Is(err, c.want) {
				t.Fatalf("Save: %v, want %v", err, c.want)
			}
			f, _, err := s.Load(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			if c.check != nil {
				if err := c.check(f); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What can't be read is neither worked on nor overwritten.
func TestUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"newer":          {`{"version":9}`, format.ErrNewer},
		"damaged":        {`{"version":1,"str`, jobs.ErrDamaged},
		"another tenant": {`{"version":1,"tenant":"globex","stream":"SailPointIDN_Events","jobs":[]}`, jobs.ErrDamaged},
		"no range":       {`{"version":1,"tenant":"acme","stream":"SailPointIDN_Events","jobs":[{"id":"a","state":"delivering"}]}`, jobs.ErrDamaged},
		"unknown state":  {`{"version":1,"tenant":"acme","stream":"SailPointIDN_Events","jobs":[{"id":"a","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","state":"odd"}]}`, jobs.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			store := &mem.Store{}
			s := jobs.New(store, "acme")
			if _, err := store.Put(t.Context(), s.Key(stream), []byte(c.data), state.Absent); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Begin(t.Context(), stream, "a"); !errors.Is(err, c.want) {
				t.Errorf("Begin: %v, want %v", err, c.want)
			}
			if err := s.Change(t.Context(), stream, func(*jobs.File) error { return nil }); !errors.Is(err, c.want) {
				t.Errorf("Change: %v, want %v", err, c.want)
			}
			if o, err := store.Get(t.Context(), s.Key(stream)); err != nil || string(o.Data) != c.data {
				t.Errorf("it is now %q, %v", o.Data, err)
			}
		})
	}
}

// Only the last finished jobs are kept, and all that are not finished, in their order.
func TestTidy(t *testing.T) {
	s := jobs.New(&mem.Store{}, "acme")
	for i := range 30 {
		id := fmt.Sprintf("j%02d", i)
		added(t, s, id)
		if i%10 != 0 {
			change(t, s, id, func(j *jobs.Job) { j.State, j.Ended = jobs.Done, noon.Add(time.Duration(i)*time.Minute) })
		}
	}
	f, _, err := s.Load(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, j := range f.Jobs {
		ids = append(ids, j.ID)
	}
	want := []string{"j00", "j10", "j20", "j29", "j28", "j27"}
	if diff := cmp.Diff(want, ids[:6]); diff != "" || len(ids) != 23 {
		t.Errorf("%d jobs (-want +got):\n%s", len(ids), diff)
	}
	if !f.Needed().Equal(noon.Add(-time.Hour)) || len(f.Open()) != 3 {
		t.Errorf("needed from %v, %d open", f.Needed(), len(f.Open()))
	}
}
