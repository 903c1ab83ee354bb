package sailpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Whatever rows a page has, in whatever order, the cursor moves forward and within
// the time asked for, or stays; and a page that says that there is more leads on.
func FuzzPage(f *testing.F) {
	const later = `{"id":"z","created":"2026-09-01T00:20:00.000Z"}`
	for _, rows := range []string{
		``, later, `{"id":"a","created":"2026-09-01T00:10:00.000Z"},` + later, later + `,` + later,
		`{"id":"z","created":"9999-12-31T23:59:59.999Z"},` + later, later + `,{"id":"a","created":"2026-08-01T00:00:00.000Z"}`,
		`{"created":"2026-09-01T00:20:00.000Z"},{"id":7,"created":null},{"id":""}`,
		`{"id":"\u00e9","created":"2026-09-01T02:20:00.5+0200"}`, `{"id":"z","created":"2026-09-01T00:20:00Z","created":"2020-01-01T00:00:00Z"}`,
	} {
		for _, total := range []string{"", "0", "1", "2", "10000", "-1"} {
			f.Add(rows, total, false)
			f.Add(rows, total, true)
		}
	}
	f.Fuzz(func(t *testing.T, rows, total string, refuse bool) {
		s := &script{answer: func(_ int, r request, _ http.Header) reply {
			if refuse && strings.Contains(r.Body, `"sort":["created","id"]`) {
				return reply{status: 400}
			}
			return reply{body: "[" + rows + "]", header: map[string]string{"X-Total-Count": strings.Map(printable, total)}}
		}}
		src := client(t, s).Events()
		after := pipeline.Cursor(`{"created":"2026-09-01T00:10:00.000Z","id":"m"}`)
		at := moment(t, "00:10:00")
		for range 4 {
			page, err := window(t, src, after)
			if err != nil {
				return // the checkpoint stays where it is
			}
			next := createdOf(t, page.Next)
			if next.Before(at) || !next.Before(moment(t, "01:00:00")) {
				t.Fatalf("from %s to %s: back, or out of the time asked for", after, page.Next)
			}
			if page.More && page.Next == after && len(page.Records) == 0 {
				t.Fatalf("more is to come, and nothing moves: %s", after)
			}
			if page.Through.After(moment(t, "01:00:00")) {
				t.Fatalf("covered through %v", page.Through)
			}
			for _, rec := range page.Records {
				if rec.ID == "" || len(rec.Raw) == 0 {
					t.Fatalf("record %+v", rec)
				}
			}
			if !page.More {
				return
			}
			after, at = page.Next, next
		}
	})
}

// printable leaves out what no header can hold.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// createdOf is the time of a cursor, in whole milliseconds as the service compares it.
func createdOf(t *testing.T, cursor pipeline.Cursor) time.Time {
	t.Helper()
	var place struct {
		Created string `json:"created"`
	}
	if err := json.Unmarshal([]byte(cursor), &place); err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(layout, place.Created); err == nil {
			return at.Truncate(time.Millisecond)
		}
	}
	t.Fatalf("cursor %s has no time", cursor)
	return time.Time{}
}
