package tenant

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dates reads times as the index takes them in a query: absolute ones, also
// incomplete, and date math, "now-7d/d" or "2026-09-01||+1M/M".
type dates struct {
	now  time.Time
	zone *time.Location // of times that name none and of rounding
}

// edge is a point in time that a range begins or ends with, in milliseconds. up
// asks for the last millisecond of what the text leaves out or rounds to, as an
// upper bound that is inclusive and a lower one that is not want it.
func (d dates) edge(text string, up bool) (int64, error) {
	anchor, math, found := strings.Cut(text, "||")
	if strings.HasPrefix(text, "now") {
		at, err := d.math(d.now, text[len("now"):], up)
		return at.UnixMilli(), err
	}
	at, size, err := d.absolute(anchor)
	if err != nil {
		return 0, err
	}
	if found {
		at, err = d.math(at, math, up)
		return at.UnixMilli(), err
	}
	if up {
		at = at.Add(size - time.Millisecond)
	}
	return at.UnixMilli(), nil
}

// layout is a form of a time, and how long what it leaves out is: of a month or a
// year only the day, as the index has it.
type layout struct {
	form string
	size time.Duration
}

func layouts() []layout {
	return []layout{
		{"2006-01-02T15:04:05.999999999", time.Millisecond},
		{"2006-01-02T15:04", time.Minute},
		{"2006-01-02T15", time.Hour},
		{"2006-01-02", 24 * time.Hour},
		{"2006-01", 24 * time.Hour},
		{"2006", 24 * time.Hour},
	}
}

func (d dates) absolute(text string) (at time.Time, size time.Duration, err error) {
	zone := d.zone
	if zone == nil {
		zone = time.UTC
	}
	for _, l := range layouts() {
		size := l.size
		if l.size == time.Millisecond && !strings.Contains(text, ".") {
			size = time.Second
		}
		if at, err := time.ParseInLocation(l.form, text, zone); err == nil {
			return at, size, nil
		}
		for _, suffix := range []string{"Z07:00", "Z0700"} {
			if at, err := time.Parse(l.form+suffix, text); err == nil {
				return at, size, nil
			}
		}
	}
	if milli, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(milli), time.Millisecond, nil
	}
	return time.Time{}, 0, fmt.Errorf("failed to parse date field [%s]: it is not a time", text)
}

// math applies terms such as +1d, -2h and /M.
func (d dates) math(at time.Time, text string, up bool) (time.Time, error) {
	wrong := fmt.Errorf("failed to parse date field: %q is not a time with date math", text)
	for text != "" {
		op, rest := text[0], text[1:]
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n := 1
		if digits > 0 {
			var err error
			if n, err = strconv.Atoi(rest[:digits]); err != nil {
				return at, wrong
			}
		}
		if rest = rest[digits:]; rest == "" || (op == '/' && digits > 0) {
			return at, wrong
		}
		var ok bool
		switch op {
		case '+':
			at, ok = add(at, n, rest[0])
		case '-':
			at, ok = add(at, -n, rest[0])
		case '/':
			at, ok = d.round(at, rest[0], up)
		}
		if !ok {
			return at, wrong
		}
		text = rest[1:]
	}
	return at, nil
}

func add(at time.Time, n int, unit byte) (time.Time, bool) {
	switch unit {
	case 'y':
		return at.AddDate(n, 0, 0), true
	case 'M':
		return at.AddDate(0, n, 0), true
	case 'w':
		return at.AddDate(0, 0, 7*n), true
	case 'd':
		return at.AddDate(0, 0, n), true
	case 'h', 'H':
		return at.Add(time.Duration(n) * time.Hour), true
	case 'm':
		return at.Add(time.Duration(n) * time.Minute), true
	case 's':
		return at.Add(time.Duration(n) * time.Second), true
	}
	return at, false
}

// round goes to the beginning of the unit or, up, to its last millisecond.
func (d dates) round(at time.Time, unit byte, up bool) (time.Time, bool) {
	if d.zone != nil {
		at = at.In(d.zone)
	} else {
		at = at.UTC()
	}
	y, m, day := at.Date()
	hour, minute, second := at.Hour(), at.Minute(), at.Second()
	switch unit {
	case 'y':
		m, day, hour, minute, second = 1, 1, 0, 0, 0
	case 'M':
		day, hour, minute, second = 1, 0, 0, 0
	case 'w': // weeks begin on Monday
		day, hour, minute, second = day-(int(at.Weekday())+6)%7, 0, 0, 0
	case 'd':
		hour, minute, second = 0, 0, 0
	case 'h', 'H':
		minute, second = 0, 0
	case 'm':
		second = 0
	}
	at = time.Date(y, m, day, hour, minute, second, 0, at.Location())
	next, ok := add(at, 1, unit)
	if up {
		at = next.Add(-time.Millisecond)
	}
	return at, ok
}
