package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
)

// moment is a point in time as typed: "now", "-24h" or RFC 3339.
type moment struct {
	text string
	at   time.Time
	now  bool // typed as "now"
}

// parseMoment reads a point in time.
func parseMoment(text string, now time.Time) (moment, error) {
	m := moment{text: text, at: now}
	switch {
	case strings.EqualFold(text, "now"):
		m.now = true
		return m, nil
	case strings.HasPrefix(text, "-"):
		d, err := time.ParseDuration(text)
		if err != nil {
			return m, fmt.Errorf("is %q: write a duration such as -90m or -24h (a day is 24h)", text)
		}
		m.at = now.Add(d)
	default:
		var err error
		if m.at, err = time.Parse(time.RFC3339, text); err != nil {
			return m, fmt.Errorf("is %q: write it as 2026-09-24T13:00:00Z, -24h or now", text)
		}
	}
	if m.at.After(now) {
		return m, fmt.Errorf("is %s, which is in the future: it is %s now", text, stamp(now))
	}
	return m, nil
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
	case !f.at.Before(t.at):
		return begin, end, false, fmt.Errorf("--from %s is not before --to %s: swap them", from, to)
	case !begin.Before(span.To):
		return begin, end, false, fmt.Errorf("--from %s is too recent: the newest window that has settled ends at %s", from, stamp(span.To))
	case end.After(span.To):
		return begin, end, false, fmt.Errorf("--to %s is too recent: the newest window that has settled ends at %s; --to now means that window", to, stamp(span.To))
	}
	return begin, end, begin.Before(span.From), nil
}
