package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
)

// moment is a point in time as typed: "now", "-24h", "-30d", "today", "yesterday", a date or RFC 3339.
type moment struct {
	text string
	at   time.Time
	now  bool // typed as "now"
}

// day is how long a day is: times are in UTC.
const day = 24 * time.Hour

// parseMoment reads a point in time. A day is its beginning in UTC.
func parseMoment(text string, now time.Time) (moment, error) {
	m := moment{text: text, at: now}
	today := now.UTC().Truncate(day)
	switch {
	case strings.EqualFold(text, "now"):
		m.now = true
		return m, nil
	case strings.EqualFold(text, "today"):
		m.at = today
		return m, nil
	case strings.EqualFold(text, "yesterday"):
		m.at = today.Add(-day)
		return m, nil
	case strings.HasPrefix(text, "-"):
		d, err := ago(text)
		if err != nil {
			return m, fmt.Errorf("is %q: write a duration such as -90m, -24h or -30d", text)
		}
		m.at = now.Add(d)
	default:
		var err error
		if m.at, err = time.Parse(time.DateOnly, text); err != nil {
			m.at, err = time.Parse(time.RFC3339, text)
		}
		if err != nil {
			return m, fmt.Errorf("is %q: write it as 2026-09-24T13:00:00Z, 2026-09-24 (which begins at midnight, UTC), yesterday, today, -24h, -30d or now", text)
		}
	}
	if m.at.After(now) {
		return m, fmt.Errorf("is %s, which is in the future: it is %s now", text, stamp(now))
	}
	return m, nil
}

// ago reads a negative duration, of which the first part may be in days.
func ago(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	const most = 100 * 365
	n, err := strconv.Atoi(days)
	if err != nil || n < -most {
		return 0, fmt.Errorf("%q is not a number of days", days)
	}
	d := time.Duration(n) * day
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration("-" + rest)
	return d + more, err
}

// stamp formats a time so that it can be typed.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// between turns two moments into a range of whole, settled windows. It rounds outwards to
// window boundaries. forgotten is set if the ledger no longer remembers the beginning of
// the range.
func between(from, to string, span app.AuditRange, now time.Time) (begin, end time.Time, forgotten bool, err error) {
	f, err := parseMoment(from, now)
	if err != nil {
		return begin, end, false, fmt.Errorf("--from %w", err)
	}
	t, err := parseMoment(to, now)
	if err != nil {
		return begin, end, false, fmt.Errorf("--to %w", err)
	}
	begin, end = f.at.UTC().Truncate(span.Window), t.at.UTC().Truncate(span.Window)
	if end.Before(t.at) {
		end = end.Add(span.Window)
	}
	if t.now {
		end = span.To
	}
	switch {
	case f.at.Equal(t.at):
		return begin, end, false, fmt.Errorf("--from %s is not before --to %s, which is not included: a day ends where the next one begins", from, to)
	case !f.at.Before(t.at):
		return begin, end, false, fmt.Errorf("--from %s is not before --to %s: swap them", from, to)
	case !begin.Before(span.To):
		return begin, end, false, fmt.Errorf("--from %s is too recent: the newest window that has settled ends at %s", from, stamp(span.To))
	case end.After(span.To):
		return begin, end, false, fmt.Errorf("--to %s is too recent: the newest window that has settled ends at %s; --to now means that window", to, stamp(span.To))
	}
	return begin, end, begin.Before(span.From), nil
}
