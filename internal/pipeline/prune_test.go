package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// tidied is a quarantine that lets go of what is old.
type tidied struct {
	quarantine
	calls  []time.Time // of what was warned
	expire func(context.Context) ([]string, error)
}

func (q *tidied) Expire(ctx context.Context, name string, warned time.Time) (time.Time, []string, error) {
	if name != stream {
		q.t.Errorf("Expire of %q", name)
	}
	q.calls = append(q.calls, warned)
	warnings, err := q.expire(ctx)
	return time.Now(), warnings, err
}

// each runs the connector n times, with a pause between.
func (q *tidied) each(n int, pause time.Duration) (reports []pipeline.Report) {
	for range n {
		r := q.runner()
		r.Quarantine = q
		ctx, cancel := context.WithTimeout(q.t.Context(), 4*time.Minute)
		reports = append(reports, r.Run(ctx))
		cancel()
		<-time.After(pause)
	}
	return reports
}

// Once a day quarantine is tidied, and what was warned about is remembered.
func TestQuarantineIsTidiedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		q := &tidied{quarantine: quarantine{newWorld(t, 3)}}
		q.expire = func(context.Context) ([]string, error) { return []string{"1 record will be dropped"}, nil }
		reports := q.each(5, 6*time.Hour)
		if diff := cmp.Diff([]time.Time{{}, begin}, q.calls); diff != "" {
			t.Errorf("Expire was told of warnings (-want +got):\n%s", diff)
		}
		for i, rep := range reports {
			var want []string
			if i%4 == 0 {
				want = []string{"1 record will be dropped"}
			}
			if rep.State != pipeline.Drained || !slices.Equal(want, rep.Warnings) {
				t.Errorf("run %d: %s %s, warnings %v, want %v", i, rep.State, rep.Error, rep.Warnings, want)
			}
		}
	})
}

// A quarantine that can't be tidied is told, once a day, and stops nothing.
func TestQuarantineCannotBeTidied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tidied{quarantine: quarantine{newWorld(t, 3)}}
		q.expire = func(context.Context) ([]string, error) { return nil, errors.New("403 no right to delete") }
		for i, rep := range q.each(5, 6*time.Hour) {
			if rep.State != pipeline.Drained || (i%4 == 0) != slices.Equal(rep.Warnings, []string{"quarantine could not be tidied: 403 no right to delete"}) {
				t.Errorf("run %d: %+v", i, rep)
			}
		}
		if diff := cmp.Diff([]time.Time{{}, {}}, q.calls); diff != "" {
			t.Errorf("Expire was told of warnings (-want +got):\n%s", diff)
		}
	})
}

// What takes too long goes on in the next run, and leaves time in this one.
func TestQuarantineTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tidied{quarantine: quarantine{newWorld(t, 3)}}
		q.expire = func(ctx context.Context) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for i, rep := range q.each(3, time.Minute) {
			if rep.State != pipeline.Drained || len(rep.Warnings) != 0 || rep.Seconds > 125 {
				t.Errorf("run %d: %+v", i, rep)
			}
		}
		if len(q.calls) != 3 {
			t.Errorf("%d calls, want one in each run", len(q.calls))
		}
	})
}

// The ledger of a time that the tail has yet to pass stays: a backlog is older than
// LEDGER_KEEP.
func TestPruneStaysBehindTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Keep = 24 * time.Hour
		a.add(a.begin, 0)
		a.run(time.Minute)
		through := a.checkpoint.Through
		<-time.After(10 * 24 * time.Hour)
		a.pruned, a.src = nil, stuck{a, through}
		a.run(time.Minute)
		if len(a.pruned) != 1 || a.pruned[0].After(through.Add(-24*time.Hour)) {
			t.Errorf("pruned before %v, delivered through %v", a.pruned, through)
		}
	})
}

// stuck is a source that is not read any further than to some moment.
type stuck struct {
	*archive
	through time.Time
}

func (s stuck) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return pipeline.Page{Next: after, From: s.begin, Through: s.through}, nil
}

// The ledger is not pruned of what a backfill needs, nor while it is unknown what that is.
func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		from   time.Duration // before now; 0: nothing is needed
		err    error
		before time.Duration // 0: not at all
	}{
		"nothing":                 {0, nil, 24 * time.Hour},
		"what is older":           {50 * time.Hour, nil, 50 * time.Hour},
		"what would be kept":      {time.Hour, nil, 24 * time.Hour},
		"it is unknown what else": {0, errors.New("store is away"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.auditing.Keep = 24 * time.Hour
				a.run(time.Minute)
				<-time.After(10 * 24 * time.Hour)
				a.run(time.Minute) // which takes the tail on
				<-time.After(25 * time.Hour)
				a.pruned, a.src = nil, passed{a}
				r := a.runner()
				r.Needed = func(context.Context) (time.Time, error) {
					if test.from == 0 {
						return time.Time{}, test.err
					}
					return time.Now().Add(-test.from), nil
				}
				if rep := r.Run(t.Context()); rep.State != pipeline.Drained {
					t.Errorf("%+v", rep)
				}
				switch {
				case test.before == 0 && len(a.pruned) == 0:
				case test.before == 0 || len(a.pruned) != 1 || !a.pruned[0].Equal(time.Now().Add(-test.before)):
					t.Errorf("pruned before %v, want %v before %v", a.pruned, test.before, time.Now())
				}
			})
		})
	}
}

// passed is a source that is read to the present, and further back than any ledger is kept.
type passed struct{ *archive }

func (p passed) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return pipeline.Page{Next: after, From: p.begin, Through: time.Now()}, nil
}
