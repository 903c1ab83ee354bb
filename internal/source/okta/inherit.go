package okta

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// doubt is how much the old function may still have had to read when it stored its place. The stream begins
// as long before that moment, and an hour earlier, if the org refuses the place.
const doubt = 24 * time.Hour

// inherit begins at the link that Microsoft's function has stored last for this org. What follows the
// link is what the function has not read, so nothing comes twice.
func (l *Logs) inherit(ctx context.Context, old source.Legacy) (source.Beginning, error) {
	stored, err := old.Places(ctx)
	if err != nil {
		return source.Beginning{}, err
	}
	var others []string
	for _, one := range stored {
		u, err := url.Parse(one.Link)
		switch {
		case err != nil:
			others = append(others, "an unreadable address")
		case !strings.EqualFold(u.Host, l.c.host()):
			others = append(others, text.Line(u.Host, 100))
		default:
			return l.inheritPlace(one)
		}
	}
	if len(others) == 0 {
		return source.Beginning{}, nil
	}
	slices.Sort(others)
	others = slices.Compact(others)
	return source.Beginning{}, fmt.Errorf("table OKTA has places of %s, and none of %s: if the old function read the same org by another address, set OKTA_ORG_URL to that address; "+
		"if it read another org, set LEGACY_CHECKPOINT=off, and INITIAL_LOOKBACK to where this org shall begin", strings.Join(others[:min(len(others), 5)], ", "), l.c.host())
}

// inheritPlace is the beginning at a link of this org.
func (l *Logs) inheritPlace(one source.Place) (source.Beginning, error) {
	if now := time.Now(); one.Stored.IsZero() || one.Stored.After(now) {
		one.Stored = now
	}
	// Audits begin where the function stopped, or they would deliver once more what it has sent.
	at := place{Next: ascending(one.Link), Newest: one.Stored.Add(-doubt).Truncate(time.Millisecond), Since: one.Stored}
	if !at.leadsToLog() {
		return source.Beginning{}, fmt.Errorf("the place that the old function stored at %s does not lead to the System Log: set LEGACY_CHECKPOINT=off, and INITIAL_LOOKBACK so that it reaches back to that time",
			one.Stored.Format(time.RFC3339))
	}
	return source.Beginning{
		Cursor: at.encode(),
		Says:   "at the place in the log that the old function for Okta stored at " + one.Stored.Format(time.RFC3339),
	}, nil
}

// ascending is a link with the order of a polling request, which the old function left to the org.
func ascending(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.RawQuery == "" || u.Query().Has("sortOrder") {
		return link
	}
	u.RawQuery += "&sortOrder=ASCENDING"
	return u.String()
}
