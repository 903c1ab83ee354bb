package status_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

const stream = "SailPointIDN_Events"

// snapshot is that of one audited stream with this checkpoint.
func snapshot(t interface {
	Context() context.Context
	Fatal(args ...any)
}, cp pipeline.Checkpoint,
) status.Status {
	store := &mem.Store{}
	if _, err := checkpoint.New(store, "acme").Save(t.Context(), stream, cp); err != nil {
		t.Fatal(err)
	}
	s := status.Take(t.Context(), status.Config{Store: store, Connections: []status.Connection{{Tenant: "acme", Streams: []status.Stream{
		{ID: stream, Short: "Events", Window: 5 * time.Minute, AuditAge: 5 * time.Minute},
	}}}})
	return s.Streams[0]
}

// The completeness of seven days: proven, delivered, open, and holes.
func TestCompleteness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(30*24*time.Hour + 90*time.Second)
		now := time.Now().UTC()
		hour := now.Truncate(time.Hour)
		cp := pipeline.Checkpoint{Since: hour.Add(-10 * time.Hour), Through: hour.Add(-2 * time.Hour)}
		cp.Audit.Through = []time.Time{hour.Add(-4 * time.Hour)}
		cp.Audit.Unexplained = []pipeline.Difference{
			{From: hour.Add(-6 * time.Hour), Source: 2, Ledger: 1},
			{From: hour.Add(-20 * 24 * time.Hour), To: hour.Add(-19 * 24 * time.Hour), Windows: 3}, // older than what is shown
		}
		s := snapshot(t, cp)
		want := []status.Span{
			{From: hour.Add(-167 * time.Hour), To: hour.Add(-10 * time.Hour), Cover: status.Before},
			{From: hour.Add(-10 * time.Hour), To: hour.Add(-6 * time.Hour), Cover: status.Proven},
			{From: hour.Add(-6 * time.Hour), To: hour.Add(-6*time.Hour + 5*time.Minute), Cover: status.Unexplained},
			{From: hour.Add(-6*time.Hour + 5*time.Minute), To: hour.Add(-4 * time.Hour), Cover: status.Proven},
			{From: hour.Add(-4 * time.Hour), To: hour.Add(-2 * time.Hour), Cover: status.Delivered},
			{From: hour.Add(-2 * time.Hour), To: now, Cover: status.Open},
		}
		if diff := cmp.Diff(want, s.Completeness); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		hours := s.Hours(now)
		if len(hours) != 168 || hours[167].From != hour || hours[167].Cover != status.Open || hours[161].Cover != status.Unexplained || hours[160].Cover != status.Proven || hours[0].Cover != status.Before {
			t.Errorf("%d hours: %+v", len(hours), hours)
		}
		if s.Unexplained != 4 {
			t.Errorf("%d windows are unexplained, want 4", s.Unexplained)
		}
	})
}

// The bar and the verdict agree on what is late: both go by the schedule.
func TestHoursOfALag(t *testing.T) {
	for name, c := range map[string]struct {
		every, lag time.Duration
		cover      status.Cover
	}{
		"each minute, in time":       {time.Minute, 4 * time.Minute, status.Delivered},
		"each minute, late":          {time.Minute, 7 * time.Minute, status.Open},
		"each half hour, in time":    {30 * time.Minute, 40 * time.Minute, status.Delivered},
		"each half hour, late":       {30 * time.Minute, 70 * time.Minute, status.Open},
		"twice a day, just due":      {12 * time.Hour, 20 * time.Hour, status.Delivered},
		"twice a day, missed it":     {12 * time.Hour, 30 * time.Hour, status.Open},
		"no known schedule, in time": {0, 4 * time.Minute, status.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				<-time.After(30*24*time.Hour + 31*time.Minute)
				now := time.Now().UTC()
				store := &mem.Store{}
				cp := pipeline.Checkpoint{Since: now.Add(-100 * time.Hour), Through: now.Add(-c.lag)}
				if _, err := checkpoint.New(store, "acme").Save(t.Context(), stream, cp); err != nil {
					t.Fatal(err)
				}
				s := status.Take(t.Context(), status.Config{Store: store, Every: c.every, Connections: []status.Connection{{Tenant: "acme", Streams: []status.Stream{
					{ID: stream, Short: "Events", Window: 5 * time.Minute, AuditAge: 5 * time.Minute},
				}}}}).Streams[0]
				hours := s.Hours(now)
				if got := hours[len(hours)-1].Cover; got != c.cover {
					t.Errorf("the newest hour is %s, want %s (lag %v, late after %v s)", got, c.cover, c.lag, s.LateAfterSeconds)
				}
			})
		})
	}
}

// Whatever a checkpoint holds, the spans follow each other without gaps and overlaps, up to now, and
// nothing counts as proven that is not delivered.
func TestSpansFollowEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now().UTC()
		at := func(name string) time.Time {
			return now.Add(-time.Duration(rapid.Int64Range(-1000, 12*86400).Draw(t, name)) * time.Second).Truncate(time.Second)
		}
		cp := pipeline.Checkpoint{Since: at("since"), Through: at("through")}
		cp.Audit.Through = []time.Time{at("proven")}
		for range rapid.IntRange(0, 4).Draw(t, "holes") {
			cp.Audit.Unexplained = append(cp.Audit.Unexplained, pipeline.Difference{From: at("from"), To: at("to")})
		}
		spans := snapshot(t, cp).Completeness
		for i, s := range spans {
			if !s.To.After(s.From) || i > 0 && !s.From.Equal(spans[i-1].To) {
				t.Fatalf("spans: %+v", spans)
			}
			if s.Cover == status.Proven && (s.To.After(cp.Through) || s.To.After(cp.Audit.Through[0]) && s.From.After(cp.Since)) {
				t.Fatalf("proven although not delivered or not audited: %+v of %+v", s, cp)
			}
		}
		if n := len(spans); n == 0 || now.Sub(spans[n-1].To).Abs() > 5*time.Second || spans[n-1].To.Sub(spans[0].From) < 166*time.Hour {
			t.Fatalf("spans: %+v", spans)
		}
	})
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 61 * time.Second: "61s", 5 * time.Minute: "5m", 200 * time.Minute: "3h20m", 100 * time.Hour: "4d4h", 48 * time.Hour: "2d",
	} {
		if got := status.Age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
