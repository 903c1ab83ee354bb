package okta

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// place is a cursor.
type place struct {
	// Next is the link to the next page, as the org gave it. "" means that the stream begins at
	// Newest.
	Next string `json:"next,omitzero"`
	// Newest is the time of the newest event so far: where to begin if the org refuses Next.
	Newest time.Time `json:"newest"`
	// Since is where the events begin that this connector vouches for; zero means Newest. It is set
	// where the stream begins at a link of another connector.
	Since time.Time `json:"since,omitzero"`
}

// from is the event time from which on the page at the place, and those that follow, are complete.
func (p place) from() time.Time {
	if p.Since.IsZero() {
		return p.Newest
	}
	return p.Since
}

// encode is the place as a cursor.
func (p place) encode() pipeline.Cursor {
	p.Newest = p.Newest.UTC()
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // of a type of this package
	}
	return pipeline.Cursor(text)
}

// parsePlace reads a cursor.
func parsePlace(c pipeline.Cursor) (p place, err error) {
	if err = json.Unmarshal([]byte(c), &p, json.RejectUnknownMembers(true)); err == nil && (p.Newest.IsZero() || !p.leadsToLog()) {
		err = errors.New("it has no place in the log")
	}
	if err != nil {
		return place{}, fmt.Errorf("the checkpoint's cursor is not one of the System Log: %w", err)
	}
	return p, nil
}

// clockSlack is how far a place may be ahead of this machine's clock before one of the two is wrong.
const clockSlack = 5 * time.Minute

// leadsToLog reports whether Next is empty or a link to the log.
func (p place) leadsToLog() bool {
	if p.Next == "" {
		return true
	}
	u, err := url.Parse(p.Next)
	return err == nil && u.Path == logsPath && u.RawQuery != ""
}

// maxLink is the length of the longest query of a link that is followed. Those of an org have a few
// hundred bytes, and many servers refuse a request with more than 8 KiB.
const maxLink = 4 << 10

// otherThan says how a link differs from the next page of a request: in what it selects, or how. It
// is "" for the rest of what was asked for. A place there would hide events for ever, since each link
// repeats the parameters of its request.
func otherThan(target string, link *url.URL) string {
	if n := len(link.RawQuery); n > maxLink {
		return fmt.Sprintf("has %d bytes, which no place in the log has", n)
	}
	bounded := strings.Contains(target, "until=")
	for part := range strings.SplitSeq(link.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, _ = url.QueryUnescape(name) // no name that matters, if it is damaged
		switch {
		case value == "":
		case name == "until" && !bounded, name == "filter", name == "q",
			name == "sortOrder" && !strings.EqualFold(value, "ASCENDING"):
			return "has a parameter " + name + " that was not asked for"
		}
	}
	return ""
}

// strays says how Next differs from the next page of a request, as otherThan does.
func (p place) strays(target string) string {
	u, err := url.Parse(p.Next)
	if err != nil {
		return "" // was checked
	}
	return otherThan(target, u)
}

// target is the path and query to ask for, with that many events a page.
func (p place) target(limit int) string {
	if p.Next == "" {
		return logsPath + "?" + url.Values{"since": {formatTime(p.Newest)}, "sortOrder": {"ASCENDING"}, "limit": {strconv.Itoa(limit)}}.Encode()
	}
	u, err := url.Parse(p.Next)
	if err != nil {
		return logsPath // was checked
	}
	return withLimit(u, limit)
}

// withLimit is a link with another page size. What else it says stays as it is.
func withLimit(u *url.URL, limit int) string {
	parts := strings.Split(u.RawQuery, "&")
	found := false
	for i, part := range parts {
		if strings.HasPrefix(part, "limit=") {
			parts[i], found = fmt.Sprint("limit=", limit), true
		}
	}
	if !found {
		parts = append(parts, fmt.Sprint("limit=", limit))
	}
	return u.Path + "?" + strings.Join(parts, "&")
}

// timeLayout is how Okta writes times.
const timeLayout = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// timeOf is the moment of a cursor.
func timeOf(c pipeline.Cursor) (time.Time, error) {
	p, err := parsePlace(c)
	return p.from(), err
}
