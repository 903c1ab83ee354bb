package quarantine_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

const day = 24 * time.Hour

// shelf is a quarantine that is tidied once a day under the clock of synctest.
type shelf struct {
	*quarantine.Store
	t      *testing.T
	warned time.Time
}

func newShelf(t *testing.T, keep time.Duration) *shelf {
	q := quarantine.New(new(mem.Store), "acme")
	q.Keep = keep
	return &shelf{Store: q, t: t}
}

// wait lets days pass and returns the warnings by day, beginning with 1.
func (s *shelf) wait(days int) map[int]string {
	s.t.Helper()
	told := map[int]string{}
	for d := range days {
		<-time.After(day)
		warned, warnings, err := s.Expire(s.t.Context(), events, s.warned)
		if err != nil {
			s.t.Fatal(err)
		}
		s.warned = warned
		if len(warnings) > 0 {
			told[d+1] = strings.Join(warnings, "\n")
		}
	}
	return told
}

// put stores a record whose event happened that long ago; a negative age is for none.
func (s *shelf) put(id string, age time.Duration, reason pipeline.Reason) {
	s.t.Helper()
	r := rec(id, `{}`)
	if r.Time = time.Now().Add(-age); age < 0 {
		r.Time = time.Time{}
	}
	put(s.t, s.Store, events, r, reason, "why")
}

func (s *shelf) ids() (ids []string) {
	s.t.Helper()
	for _, e := range list(s.t, s.Store, events) {
		item, err := s.Get(s.t.Context(), e.Key)
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, item.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, 30*day)
		for kind, reason := range map[string]pipeline.Reason{"conformed": pipeline.Conformed, "refused": pipeline.RejectedBySink} {
			s.put(kind, time.Hour, reason)
			s.put(kind+" of an old event", 400*day, reason)
			s.put(kind+" undated", -1, reason)
		}
		if told := s.wait(22); len(told) != 0 {
			t.Errorf("warnings in the first 22 days: %v", told)
		}
		s.put("late", 0, pipeline.RejectedBySink)
		s.put("late, conformed", 0, pipeline.Conformed)
		told := s.wait(9) // up to day 31
		if diff := cmp.Diff([]string{"late", "late, conformed"}, s.ids()); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		for d := 2; d <= 8; d++ {
			date := "2000-01-31"
			if d == 8 { // it is that day, and tomorrow is the next look
				date = "2000-02-01"
			}
			if !strings.HasPrefix(told[d], "3 records that were not delivered will be dropped from quarantine, the first of them on "+date) ||
				!strings.Contains(told[d], "idnsentinel quarantine list --reason undelivered") {
				t.Errorf("day %d: %q, want a warning with the date", 22+d, told[d])
			}
		}
		if len(told) != 8 || !strings.Contains(told[9], "3 records that had not been delivered were dropped") {
			t.Errorf("warnings %v, want 7 before and one after", told)
		}
	})
}

// Nothing is dropped that nobody was warned about: neither after a pause of the
// connector nor when originals are to be kept for a shorter time than before.
func TestExpireWarnsFirst(t *testing.T) {
	for name, arrange := range map[string]func(*shelf){
		"after a pause":     func(*shelf) { <-time.After(60 * day) },
		"made shorter":      func(s *shelf) { s.Keep = 400 * day; s.wait(60); s.Keep = 30 * day },
		"kept for ever":     func(s *shelf) { s.Keep = 0; s.wait(60); s.Keep = 30 * day },
		"warned of another": func(s *shelf) { s.wait(1); <-time.After(60 * day) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(t, 30*day)
				s.put("a", time.Hour, pipeline.Unfit)
				arrange(s)
				if told := s.wait(1); !strings.Contains(told[1], "1 records that were not delivered will be dropped") || len(s.ids()) != 1 {
					t.Errorf("first call: %v, %v left; want a warning and no loss", told, s.ids())
				}
				if told := s.wait(1); !strings.Contains(told[1], "were dropped") || len(s.ids()) != 0 {
					t.Errorf("a day later: %v, %v left; want it dropped", told, s.ids())
				}
			})
		})
	}
}

// The cost of a day depends on what is old, not on what is there.
func TestExpireCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := map[mem.Op]int{}
		q := quarantine.New(&mem.Store{Before: func(op mem.Op, _ string) error { ops[op]++; return nil }}, "acme")
		q.Keep = 30 * day
		s := &shelf{Store: q, t: t}
		for i := range 50 {
			s.put(strconv.Itoa(i), time.Duration(i)*day, pipeline.Conformed)
		}
		clear(ops)
		s.wait(1)
		if ops[mem.List] != 6 || len(ops) != 1 {
			t.Errorf("operations %v, want 6 listings and nothing else", ops)
		}
	})
}
