package sailpoint_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// hiding is a service that counts more than it lists.
func hiding(listed string, total, count int) *script {
	return &script{answer: func(_ int, r request, _ http.Header) reply {
		if strings.HasSuffix(r.Path, "/count") {
			return reply{status: http.StatusNoContent, header: map[string]string{"X-Total-Count": strconv.Itoa(count)}}
		}
		return reply{body: listed, header: map[string]string{"X-Total-Count": strconv.Itoa(total)}}
	}}
}

// A service that counts more than it lists is not at its end: it is asked again, and then the
// page says so and covers nothing.
func TestContradictions(t *testing.T) {
	const created = "2000-01-01T00:30:00.000Z"
	stand := pipeline.Cursor(`{"created":"` + created + `","id":"a"}`)
	for name, c := range map[string]struct {
		triggers     bool
		after        pipeline.Cursor
		listed       string
		total, count int
		says         string // "" means that it is the end
		requests     int
	}{
		"events, none listed":        {after: stand, listed: `[]`, total: 50, count: 49, says: "counts 49 events from 2000-01-01T00:30:00.001Z", requests: 6},
		"events, more than a page":   {after: stand, listed: `[]`, total: 10000, count: 12345, says: "counts 12345 events", requests: 6},
		"events, first run":          {listed: `[]`, total: 50, count: 50, says: "counts 50 events from 2000-01-01T00:15:00.000Z", requests: 6},
		"events, ties of the cursor": {after: stand, listed: `[]`, total: 50, count: 0, requests: 4}, // counted once
		"events, the cursor's own":   {after: stand, listed: `[]`, total: 1, count: 0, requests: 3},
		"events, no total":           {after: stand, listed: `[]`, total: -1, count: 0, requests: 3},
		"invocations, none listed":   {triggers: true, listed: `[]`, total: 600, says: "counts 600 invocations, but lists only 0", requests: 3},
		"invocations, all listed":    {triggers: true, listed: `[]`, total: 0, requests: 3},
		"invocations, no total":      {triggers: true, listed: `[]`, total: -1, requests: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pass(time.Hour)
				s := hiding(c.listed, c.total, c.count)
				cfg := config(s)
				cfg.Lookback = 45 * time.Minute
				var src pipeline.Source = sailpoint.NewClient(cfg).Events()
				if c.triggers {
					src = sailpoint.NewClient(cfg).Triggers()
				}
				for try := 1; try <= 3; try++ {
					page, err := src.Fetch(t.Context(), c.after)
					switch {
					case c.says == "" && (err != nil || page.More || page.Incomplete != nil || page.Through.IsZero()):
						t.Fatalf("try %d: %+v, %v; want the end", try, page, err)
					case c.says == "":
					case try < 3 && (retryable(err) == nil || !strings.Contains(err.Error(), c.says)):
						t.Errorf("try %d: %v, want to be asked again", try, err)
					case try == 3 && (err != nil || page.More || !page.Through.IsZero() || !strings.Contains(fmt.Sprint(page.Incomplete), c.says)):
						t.Errorf("try %d: %+v, %v", try, page, err)
					}
				}
				if n := len(s.asked()); n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
			})
		})
	}
}

// A page of invocations that is empty once, in the middle of a list, is asked for again.
func TestEmptyOnce(t *testing.T) {
	s := &script{answer: func(n int, r request, _ http.Header) reply {
		var rows []string
		if n != 2 {
			offset := 0
			if strings.Contains(r.Query, "offset=240") {
				offset = 240
			}
			for i := offset; i < min(offset+250, 400); i++ {
				rows = append(rows, fmt.Sprintf(`{"id":"%d"}`, i))
			}
		}
		return reply{body: "[" + strings.Join(rows, ",") + "]", header: map[string]string{"X-Total-Count": "400"}}
	}}
	src := client(t, s).Triggers()
	page, err := src.Fetch(t.Context(), "")
	if err != nil || !page.More {
		t.Fatal(page.More, err)
	}
	if _, err := src.Fetch(t.Context(), page.Next); retryable(err) == nil {
		t.Errorf("an empty page of a list of 400: %v", err)
	}
	if page, err = src.Fetch(t.Context(), page.Next); err != nil || page.More || page.Incomplete != nil || len(page.Records) != 160 {
		t.Errorf("%d records, %v, %v", len(page.Records), page.Incomplete, err)
	}
}
