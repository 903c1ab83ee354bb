package ncrontab_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
)

func parse(t interface{ Fatalf(string, ...any) }, text string) ncrontab.Schedule {
	s, err := ncrontab.Parse(text, strconv.Quote)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s
}

func TestNext(t *testing.T) {
	for _, tc := range []struct {
		name, schedule, after string
		want                  []string
	}{
		{"every minute", "0 * * * * *", "2026-11-29T17:59:00Z", []string{"2026-11-29T18:00:00Z", "2026-11-29T18:01:00Z"}},
		{"fractions of a second", "0 * * * * *", "2026-11-29T17:59:59.999Z", []string{"2026-11-29T18:00:00Z"}},
		{"every 20 seconds", "*/20 * * * * *", "2026-12-31T23:59:30Z", []string{"2026-12-31T23:59:40Z", "2027-01-01T00:00:00Z", "2027-01-01T00:00:20Z"}},
		{"from a value on by steps", "0 5/20 * * * *", "2026-11-29T17:46:00Z", []string{"2026-11-29T18:05:00Z", "2026-11-29T18:25:00Z", "2026-11-29T18:45:00Z", "2026-11-29T19:05:00Z"}},
		{"a step larger than the field", "0 3/2000000000 * * * *", "2026-11-29T17:03:00Z", []string{"2026-11-29T18:03:00Z"}},
		{"a range backwards", "0 0 20-18 * * *", "2026-11-29T18:30:00Z", []string{"2026-11-29T19:00:00Z", "2026-11-29T20:00:00Z", "2026-11-30T18:00:00Z"}},
		{"a list", "30 15,45 1,13 * * *", "2026-11-29T13:45:30Z", []string{"2026-11-30T01:15:30Z", "2026-11-30T01:45:30Z", "2026-11-30T13:15:30Z"}},
		{"working days", "0 0 9 * * Mon-Fri", "2026-11-27T09:00:00Z", []string{"2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z"}},
		{"day and day of week both match", "0 0 0 13 * friday", "2026-11-29T00:00:00Z", []string{"2027-08-13T00:00:00Z"}},
		{"a leap day", "0 0 0 29 2 *", "2026-11-29T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		{"a leap day on a Tuesday", "0 0 0 29 feb tue", "2073-01-01T00:00:00Z", []string{"2084-02-29T00:00:00Z", "2124-02-29T00:00:00Z"}},
		{"the 31st", "0 0 0 31 * *", "2026-01-31T00:00:00Z", []string{"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"}},
		{"never", "0 0 0 30 2 *", "2026-01-31T00:00:00Z", []string{"never"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := parse(t, tc.schedule)
			at, err := time.Parse(time.RFC3339, tc.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range tc.want {
				next, ok := s.Next(at)
				if !ok {
					got = append(got, "never")
					break
				}
				at = next
				got = append(got, next.Format(time.RFC3339Nano))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestZeroScheduleNeverComes(t *testing.T) {
	if at, ok := (ncrontab.Schedule{}).Next(time.Now()); ok {
		t.Errorf("it comes at %v", at)
	}
}

// What comes next is after the given time, and nothing that matches lies between.
func TestNextIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := func(lo, hi int) string {
			a := strconv.Itoa(rapid.IntRange(lo, hi).Draw(t, "a"))
			return rapid.SampledFrom([]string{"*", "*", a, a + "/7", "*/" + strconv.Itoa(rapid.IntRange(1, 70).Draw(t, "step")), a + "-" + strconv.Itoa(rapid.IntRange(lo, hi).Draw(t, "b"))}).Draw(t, "item")
		}
		text := item(0, 59) + " " + item(0, 59) + " " + item(0, 23) + " * * " + item(0, 6)
		s := parse(t, text)
		from := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "from"), 0).UTC()
		next, ok := s.Next(from)
		if !ok || !next.After(from) {
			t.Fatalf("%q after %v: %v, %v", text, from, next, ok)
		}
		// From any moment in between the same comes next.
		between := from.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(from)-1)).Draw(t, "between")))
		if again, _ := s.Next(between); !again.Equal(next) {
			t.Fatalf("%q: after %v comes %v, but after %v comes %v", text, from, next, between, again)
		}
	})
}
