// Package ncrontab reads NCRONTAB texts as the Functions host does: six fields, second,
// minute, hour, day, month and day of week.
//
// The host uses the .NET library NCrontab (https://github.com/atifaziz/NCrontab). What
// differs from the cron of Unix:
//
//   - a day must match both its fields, day and day of week, also if neither is *
//   - a single value with a step, 5/10, means from there to the end of the field
//   - a range may be written backwards: 5-1 is 1-5
//   - 7 is not a Sunday
package ncrontab

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var interval = regexp.MustCompile(`^(\d+\.)?\d{1,2}:\d{2}:\d{2}$`)

// field is the range of a field; names stand for lo, lo+1, and so on.
type field struct {
	title  string
	lo, hi int
	names  []string
}

const (
	second = iota
	minute
	hour
	day
	month
	weekday
	fieldCount
)

func fields() [fieldCount]field {
	return [fieldCount]field{
		{"second", 0, 59, nil},
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// set has a bit for each value of a field; none is above 59.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

// Schedule is an NCRONTAB text that was read. The zero value never comes.
type Schedule struct{ of [fieldCount]set }

// Parse reads an NCRONTAB text. Errors follow the name of the setting: "has five fields:
// add …". They quote an item of the text in the form that quote gives it.
func Parse(text string, quote func(item string) string) (Schedule, error) {
	var s Schedule
	parts := strings.Fields(text)
	switch {
	case interval.MatchString(text):
		return s, errors.New(`is an interval: write six fields instead, for instance "0 * * * * *" for every minute`)
	case len(parts) == fieldCount-1:
		return s, errors.New(`has five fields: add the seconds at the beginning, for instance "0 * * * * *" for every minute`)
	case len(parts) != fieldCount:
		return s, fmt.Errorf(`has %d fields: it needs six, for instance "0 * * * * *" for every minute`, len(parts))
	}
	for i, f := range fields() {
		for item := range strings.SplitSeq(parts[i], ",") {
			values, ok := f.read(item)
			if !ok {
				return Schedule{}, fmt.Errorf("has %s as %s: use *, numbers from %d to %d, ranges (1-5), lists (1,3) or steps (*/5)",
					quote(item), f.title, f.lo, f.hi)
			}
			s.of[i] |= values
		}
	}
	return s, nil
}

// read reads one item of a field: *, a or a-b, each with an optional /step.
func (f field) read(item string) (values set, ok bool) {
	span, text, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		n, err := strconv.ParseUint(text, 10, 31) // the host reads an int
		if err != nil || n < 1 {
			return 0, false
		}
		step = int(min(n, 60)) // larger than any field
	}
	from, to := f.lo, f.hi
	if span != "*" {
		first, last, ranged := strings.Cut(span, "-")
		if from, ok = f.value(first); !ok {
			return 0, false
		}
		switch {
		case ranged:
			if to, ok = f.value(last); !ok {
				return 0, false
			}
		case !stepped:
			to = from
		}
	}
	for n := min(from, to); n <= max(from, to); n += step {
		values |= 1 << n
	}
	return values, true
}

// value reads a number in range, or a name of at least three letters.
func (f field) value(text string) (n int, ok bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= f.lo && n <= f.hi && text[0] != '+' && text[0] != '-'
	}
	for i, name := range f.names {
		if len(text) >= 3 && strings.EqualFold(text[:3], name) {
			return f.lo + i, true
		}
	}
	return 0, false
}

// Equal reports whether both come at the same times.
func (s Schedule) Equal(other Schedule) bool { return s == other }

// cycle is when the calendar repeats, days of the week included.
const cycle = 400 * 366

// Next returns the first time after t, in whole seconds and in the location of t. It is
// false if none comes, as of 30 February.
func (s Schedule) Next(t time.Time) (next time.Time, ok bool) {
	t = t.Truncate(time.Second).Add(time.Second)
	if s.onDay(t) {
		if at, ok := s.inDay(t.Hour()*3600 + t.Minute()*60 + t.Second()); ok {
			return onDay(t, 0, at), true
		}
	}
	first, ok := s.inDay(0)
	for n := 1; ok && n <= cycle; n++ {
		if at := onDay(t, n, first); s.onDay(at) {
			return at, true
		}
	}
	return time.Time{}, false
}

// onDay returns a second of the nth day after that of t.
func onDay(t time.Time, n, at int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+n, at/3600, at/60%60, at%60, 0, t.Location())
}

// onDay reports whether the schedule has anything on the day of t.
func (s Schedule) onDay(t time.Time) bool {
	return s.of[month].has(int(t.Month())) && s.of[day].has(t.Day()) && s.of[weekday].has(int(t.Weekday()))
}

// inDay returns the first second of a day that is not before another.
func (s Schedule) inDay(from int) (at int, ok bool) {
	for at := from; at < 24*3600; {
		switch {
		case !s.of[hour].has(at / 3600):
			at = (at/3600 + 1) * 3600
		case !s.of[minute].has(at / 60 % 60):
			at = (at/60 + 1) * 60
		case !s.of[second].has(at % 60):
			at++
		default:
			return at, true
		}
	}
	return 0, false
}
