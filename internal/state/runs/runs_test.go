package runs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write golden files")

const stream = "SailPointIDN_Events"

var (
	noon     = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)
	function = runs.Program{By: "function", Version: "v1.2.0"}
	command  = runs.Program{By: "command", Version: "v1.3.0"}
)

var codec = statetest.Codec[runs.File]{
	Encode: runs.Encode, Decode: runs.Decode,
	Golden: map[string]runs.File{
		"v1.runs.json": {
			Tenant: "acme", Stream: stream, Success: noon.Add(-time.Hour), Drained: noon.Add(-2 * time.Hour),
			Failure:  runs.Failure{At: noon, Since: noon.Add(-time.Minute), Count: 2, Text: "search: status 429: rate limit", Passing: true},
			Warnings: []string{"audit was not possible: timeout"}, Begun: noon.Add(time.Minute), Unended: 3,
			Seen: []runs.Seen{{By: "function", At: noon, Version: "v1.2.0", State: pipeline.Failed}, {By: "command", At: noon.Add(-time.Hour), Version: "v1.3.0", State: pipeline.Budget}},
			Recent: []runs.Run{
				{At: noon, By: "function", State: pipeline.Failed, Seconds: 1.5, Fetched: 7, Sent: 6, Duplicates: 5, Quarantined: 4, Spooled: 3, Repaired: 2, LagSeconds: 3601.25},
				{At: noon.Add(-time.Hour), By: "command", State: pipeline.Budget, Seconds: 240},
			},
		},
		"v1.first.runs.json": {Tenant: "acme", Stream: stream, Begun: noon, Unended: 1},
	},
	Newer: []string{`{"version":2}`, `{"version":2,"recent":{"Events":[1]}}`},
	Draw: func(t *rapid.T) runs.File {
		at := func() time.Time {
			return time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "at"), 0).UTC()
		}
		f := runs.File{Tenant: rapid.String().Draw(t, "tenant"), Stream: "s" + rapid.String().Draw(t, "stream"), Success: at(), Unended: rapid.Int64().Draw(t, "unended")}
		for range rapid.IntRange(0, 3).Draw(t, "recent") {
			f.Recent = append(f.Recent, runs.Run{At: at(), By: "b", State: pipeline.Drained, Seconds: rapid.Float64Range(0, 1e9).Draw(t, "seconds")})
		}
		f.Failure.Text, f.Failure.At = rapid.String().Draw(t, "text"), at()
		return f
	},
}

func TestCodec(t *testing.T) {
	codec.Update = *update
	statetest.TestCodec(t, codec)
}

func FuzzDecode(f *testing.F) {
	statetest.FuzzCodec(f, codec, `{"version":1,"stream":"s","begun":"9999-12-31T23:59:59-01:00"}`)
}

func end(t *testing.T, s *runs.Store, by runs.Program, at time.Time, rep pipeline.Report) {
	t.Helper()
	rep.Stream = stream
	if err := s.End(t.Context(), rep, by, at); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *runs.Store) runs.File {
	t.Helper()
	f, err := s.Load(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A row of failures has a beginning, and ends with a run that does not fail; the text of the last
// one stays.
func TestFailures(t *testing.T) {
	s := runs.New(&mem.Store{}, "acme")
	if f := load(t, s); f.Stream != "" || !f.Last().IsZero() {
		t.Fatalf("%+v before anything ran", f)
	}
	failed := func(text string) pipeline.Report {
		return pipeline.Report{State: pipeline.Failed, Error: text, Err: errors.New(text)}
	}
	end(t, s, function, noon, pipeline.Report{State: pipeline.Drained})
	end(t, s, function, noon.Add(1*time.Minute), failed("first"))
	end(t, s, function, noon.Add(2*time.Minute), pipeline.Report{State: pipeline.Locked})
	end(t, s, function, noon.Add(3*time.Minute), pipeline.Report{State: pipeline.Failed, Error: "second", Err: fmt.Errorf("search: %w", &pipeline.Retryable{Err: errors.New("429")})})
	f := load(t, s)
	want := runs.Failure{At: noon.Add(3 * time.Minute), Since: noon.Add(time.Minute), Count: 2, Text: "second", Passing: true}
	if diff := cmp.Diff(want, f.Failure); diff != "" || !f.Failing() || !f.Success.Equal(noon) {
		t.Errorf("%+v (-want +got):\n%s", f, diff)
	}
	end(t, s, command, noon.Add(4*time.Minute), pipeline.Report{State: pipeline.Budget})
	f = load(t, s)
	if f.Failing() || f.Failure.Text != "second" || !f.Success.Equal(noon.Add(4*time.Minute)) || !f.Drained.Equal(noon) {
		t.Errorf("after a run that did not fail: %+v", f)
	}
	end(t, s, function, noon.Add(5*time.Minute), failed("third"))
	if f = load(t, s); f.Failure.Count != 1 || !f.Failure.Since.Equal(noon.Add(5*time.Minute)) {
		t.Errorf("a new row of failures: %+v", f.Failure)
	}
	seen := []runs.Seen{{By: "function", At: noon.Add(5 * time.Minute), Version: "v1.2.0", State: pipeline.Failed}, {By: "command", At: noon.Add(4 * time.Minute), Version: "v1.3.0", State: pipeline.Budget}}
	if diff := cmp.Diff(seen, f.Seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}

// Runs that are killed leave no outcome, and are counted until one does.
func TestUnended(t *testing.T) {
	s := runs.New(&mem.Store{}, "acme")
	end(t, s, function, noon, pipeline.Report{State: pipeline.Drained})
	for n := range 3 {
		if err := s.Begin(t.Context(), stream, noon.Add(time.Duration(n+1)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	f := load(t, s)
	if f.Unended != 3 || !f.Begun.Equal(noon.Add(3*time.Minute)) || !f.Success.Equal(noon) || !f.Last().Equal(noon) {
		t.Errorf("%+v", f)
	}
	end(t, s, function, noon.Add(time.Hour), pipeline.Report{State: pipeline.Drained})
	if f = load(t, s); f.Unended != 0 || !f.Begun.IsZero() {
		t.Errorf("after an outcome: %+v", f)
	}
}

// However long texts are and however many runs there were, the object stays small.
func TestBounded(t *testing.T) {
	store := &mem.Store{}
	s := runs.New(store, "acme")
	long := strings.Repeat("a\nb\x00\xff", 100_000)
	rep := pipeline.Report{State: pipeline.Failed, Error: long, Err: errors.New(long)}
	for range 100 {
		rep.Warnings = append(rep.Warnings, long)
	}
	for n := range 200 {
		end(t, s, runs.Program{By: fmt.Sprint("program ", n), Version: "v1"}, noon.Add(time.Duration(n)*time.Minute), rep)
	}
	o, err := store.Get(t.Context(), s.Key(stream))
	if err != nil {
		t.Fatal(err)
	}
	if most := 12 << 10; len(o.Data) > most {
		t.Errorf("%d bytes, want at most %d", len(o.Data), most)
	}
	if f := load(t, s); len(f.Recent) != 20 || f.Failure.Count != 200 {
		t.Errorf("%d runs, failure %d", len(f.Recent), f.Failure.Count)
	}
}

// What is damaged or another tenant's is replaced; what a newer version has written is not.
func TestNotOurs(t *testing.T) {
	for name, c := range map[string]struct {
		data     string
		want     error
		replaced bool
	}{
		"damaged":        {`{"version":1,"str`, runs.ErrDamaged, true},
		"empty":          {"", runs.ErrDamaged, true},
		"another tenant": {`{"version":1,"tenant":"globex","stream":"` + stream + `"}`, runs.ErrForeign, true},
		"another stream": {`{"version":1,"tenant":"acme","stream":"other"}`, runs.ErrForeign, true},
		"newer":          {`{"version":2}`, format.ErrNewer, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := &mem.Store{}
			s := runs.New(store, "acme")
			if _, err := store.Put(t.Context(), s.Key(stream), []byte(c.data), state.Any); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load(t.Context(), stream); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "acme/runs/") {
				t.Errorf("Load: %v, want %v", err, c.want)
			}
			err := s.End(t.Context(), pipeline.Report{Stream: stream, State: pipeline.Drained}, function, noon)
			if (err == nil) != c.replaced {
				t.Errorf("End: %v", err)
			}
			o, _ := store.Get(t.Context(), s.Key(stream))
			if kept := string(o.Data) == c.data; kept == c.replaced {
				t.Errorf("now %s", o.Data)
			}
		})
	}
}

// Several programs that end at the same time lose nothing of each other.
func TestAtOnce(t *testing.T) {
	s := runs.New(&mem.Store{}, "acme")
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() {
			_ = s.End(context.Background(), pipeline.Report{Stream: stream, State: pipeline.Drained}, runs.Program{By: strconv.Itoa(n)}, noon)
		})
	}
	all.Wait()
	if f := load(t, s); len(f.Recent) != 3 || len(f.Seen) != 3 {
		t.Errorf("%+v", f)
	}
}
