package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// A window that is too long for the rest of a run is continued by the next one: that is no failure to
// ask the source, and nobody is warned of one.
func TestWindowThatDoesNotFitTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Ages, a.pageSize = a.auditing.Ages[:1], 1
		a.add(a.begin.Add(4*time.Minute), 0)
		for i := range 12 {
			a.add(a.begin.Add(time.Duration(i)*time.Second), 10*time.Minute) // the tail has passed
		}
		<-time.After(6 * time.Minute)
		a.run(time.Minute)
		<-time.After(15 * time.Minute)
		if rep := a.slowly(time.Minute, 17*time.Second); rep.State != pipeline.Drained || len(rep.Warnings) != 0 || rep.Repaired == 0 {
			t.Errorf("%+v", rep)
		}
	})
}

// A page with a row that can't be read takes many times as long as the others. The rest of its window
// is read all the same while there is time: given up for fear of another such page, it would be given
// up in every run, and whatever came late would never be delivered.
func TestWindowWithASlowPage(t *testing.T) {
	for name, test := range map[string]struct {
		takes    []time.Duration
		through  bool
		warnings int
	}{
		"one is slow":              {[]time.Duration{7 * time.Second, 5 * time.Second, time.Second}, true, 0},
		"all together fit just so": {[]time.Duration{4900 * time.Millisecond}, true, 0},
		"the last does not fit":    {[]time.Duration{7 * time.Second}, false, 0},
		"the first has no end":     {[]time.Duration{time.Hour}, false, 1},
		"the second has no end":    {[]time.Duration{time.Second, time.Hour}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.auditing.Ages, a.pageSize = a.auditing.Ages[:1], 1
				a.add(a.begin.Add(4*time.Minute), 0)
				for i := range 2 {
					a.add(a.begin.Add(time.Duration(i)*time.Second), 10*time.Minute) // the tail has passed
				}
				<-time.After(6 * time.Minute)
				a.run(time.Minute)
				<-time.After(15 * time.Minute)
				rep := a.slowly(20*time.Second, test.takes...)
				if rep.State != pipeline.Drained || len(rep.Warnings) != test.warnings || rep.AuditedThrough.IsZero() == test.through {
					t.Errorf("%+v", rep)
				}
			})
		})
	}
}

// A window that never fits a run would keep all others from being compared, in runs that say drained:
// after an hour they say what is wrong, until one has the time.
func TestWindowThatNeverFitsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Ages, a.pageSize = a.auditing.Ages[:1], 1
		a.add(a.begin.Add(4*time.Minute), 0)
		<-time.After(6 * time.Minute)
		a.run(time.Minute)
		a.add(a.begin, 0) // the tail has passed
		a.add(a.begin.Add(time.Second), 0)
		run := func(budget time.Duration) pipeline.Report {
			rep := a.slowly(budget, 40*time.Second)
			if rep.State != pipeline.Drained {
				t.Fatalf("%+v", rep)
			}
			<-time.After(time.Until(time.Now().Truncate(10 * time.Minute).Add(10 * time.Minute)))
			return rep
		}
		for since := time.Now(); time.Since(since) < 3*time.Hour; {
			after := time.Since(since)
			rep := run(time.Minute)
			switch warned := len(rep.Warnings) == 1 && strings.Contains(rep.Warnings[0], "RUN_BUDGET"); {
			case !rep.AuditedThrough.IsZero():
				t.Fatalf("after %v: %+v", after, rep)
			case after < time.Hour && len(rep.Warnings) != 0, after > 2*time.Hour && !warned:
				t.Errorf("after %v: warnings %q", after, rep.Warnings)
			}
		}
		if rep := run(time.Hour); rep.AuditedThrough.IsZero() || len(rep.Warnings) != 0 {
			t.Errorf("with enough time: %+v", rep)
		}
	})
}

// slowly is a run that has that much time, on a source whose windows take long.
func (a *archive) slowly(budget time.Duration, takes ...time.Duration) pipeline.Report {
	r := a.runner()
	r.Source = &slowWindows{archive: a, takes: takes}
	ctx, cancel := context.WithTimeout(a.t.Context(), budget)
	defer cancel()
	return r.Run(ctx)
}

// slowWindows takes that long for the pages of windows, and for all further ones as long as for the
// last that is named.
type slowWindows struct {
	*archive
	takes []time.Duration
}

func (s *slowWindows) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	if err := pause(ctx, s.takes[0]); err != nil {
		return pipeline.Page{}, err
	}
	s.takes = s.takes[min(1, len(s.takes)-1):]
	return s.archive.FetchWindow(ctx, from, to, after)
}
