package sailpoint_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// window is what FetchWindow is asked for where the range does not matter.
func window(t *testing.T, src *sailpoint.Events, after pipeline.Cursor) (pipeline.Page, error) {
	t.Helper()
	return src.FetchWindow(t.Context(), moment(t, "00:00:00"), moment(t, "01:00:00"), after)
}

// The request as it goes over the wire.
func TestSearchRequest(t *testing.T) {
	for name, c := range map[string]struct {
		after  pipeline.Cursor
		refuse bool // sorting by id
		want   string
	}{
		"first": {
			"", false,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:00:00.000Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created","id"]}`,
		},
		"behind_a_row": {
			`{"created":"2026-09-01T00:10:00.123Z","id":"a\"b"}`, false,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.123Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created","id"],"searchAfter":["2026-09-01T00:10:00.123Z","a\"b"]}`,
		},
		"behind_microseconds": {
			`{"created":"2026-09-01T00:10:00.123999Z","id":"a"}`, false,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.123Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created","id"],"searchAfter":["2026-09-01T00:10:00.123999Z","a"]}`,
		},
		"behind_an_offset": {
			`{"created":"2026-09-01T02:10:00+0200","id":"a"}`, false,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.000Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created","id"],"searchAfter":["2026-09-01T02:10:00+0200","a"]}`,
		},
		"from_a_time": {
			`{"created":"2026-09-01T00:10:00.000Z","id":""}`, false,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.000Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created","id"]}`,
		},
		"created_only": {
			`{"created":"2026-09-01T00:10:00.123Z","id":"a"}`, true,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.123Z","lt":"2026-09-01T01:00:00.000Z"}}}]}},"sort":["created"]}`,
		},
		"one_type": {
			`{"created":"2026-09-01T00:10:00.123Z","id":"","split":{"types":["A","B"],"done":1}}`, true,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.123Z","lt":"2026-09-01T00:10:00.124Z"}}}]}},"filters":{"type":{"type":"TERMS","terms":["B"],"exclude":false}},"sort":["created"]}`,
		},
		"all_other_types": {
			`{"created":"2026-09-01T00:10:00.123Z","id":"","split":{"types":["A","B"],"done":2}}`, true,
			`{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"2026-09-01T00:10:00.123Z","lt":"2026-09-01T00:10:00.124Z"}}}]}},"filters":{"type":{"type":"TERMS","terms":["A","B"],"exclude":true}},"sort":["created"]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answer: func(_ int, r request, _ http.Header) reply {
				if c.refuse && strings.Contains(r.Body, `"sort":["created","id"]`) {
					return reply{status: 400}
				}
				return reply{body: `[]`}
			}}
			if _, err := window(t, client(t, s).Events(), c.after); err != nil {
				t.Fatal(err)
			}
			asked := s.asked()
			last := asked[len(asked)-1]
			limit := "count=true&limit=2"
			if strings.Contains(string(c.after), "split") {
				limit = "limit=10000"
			}
			if diff := cmp.Diff(request{"POST", "/search/v1", limit, c.want}, last); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the cursor stands behind a page.
func TestNextCursor(t *testing.T) {
	const after = `{"created":"2026-09-01T00:10:00.000Z","id":"m"}`
	for name, c := range map[string]struct {
		rows string // a page of size 2, or shorter
		want string
		more bool
		// total is how many rows the service says that there are. Without it a short
		// page is not the last: it may serve fewer rows than it is asked for.
		total string
	}{
		"empty":               {`[]`, after, false, ""},
		"short":               {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"largest_and_all":     {`[{"id":"n","created":"2026-09-01T00:10:00.001Z"}]`, `{"created":"2026-09-01T00:10:00.001Z","id":"n"}`, true, "2"},
		"short_of_three":      {`[{"id":"n","created":"2026-09-01T00:10:00.001Z"}]`, `{"created":"2026-09-01T00:10:00.001Z","id":"n"}`, true, "3"},
		"short_of_none":       {`[{"id":"n","created":"2026-09-01T00:10:00.001Z"}]`, `{"created":"2026-09-01T00:10:00.001Z","id":"n"}`, true, "0"},
		"full":                {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"a","created":"2026-09-01T00:10:00.001Z"}]`, `{"created":"2026-09-01T00:10:00.001Z","id":"a"}`, true, ""},
		"texts_are_kept":      {`[{"id":"\u00e9\"","created":"2026-09-01T02:10:00.5+0200"}]`, `{"created":"2026-09-01T02:10:00.5+0200","id":"é\""}`, true, ""},
		"same_id_later":       {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"m","created":"2026-09-01T00:11:00.000Z"}]`, `{"created":"2026-09-01T00:11:00.000Z","id":"m"}`, true, ""},
		"future_last":         {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"z","created":"9999-12-31T23:59:59.999Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"future_alone":        {`[{"id":"z","created":"9999-12-31T23:59:59.999Z"}]`, after, false, ""},
		"past_last":           {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"z","created":"2026-09-01T00:09:59.999Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_has_no_id":      {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"created":"2026-09-01T00:11:00.000Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_has_empty_id":   {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"","created":"2026-09-01T00:11:00.000Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_has_number":     {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":7,"created":"2026-09-01T00:11:00.000Z"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_has_bad_text":   {"[{\"id\":\"n\",\"created\":\"2026-09-01T00:10:00.000Z\"},{\"id\":\"\xff\",\"created\":\"2026-09-01T00:11:00.000Z\"}]", `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_is_null":        {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"o","created":null}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"last_is_no_time":     {`[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"o","created":"yesterday"}]`, `{"created":"2026-09-01T00:10:00.000Z","id":"n"}`, true, ""},
		"no_ids_later":        {`[{"created":"2026-09-01T00:11:00.000Z"},{"created":"2026-09-01T00:12:00.000Z"}]`, `{"created":"2026-09-01T00:12:00.000Z","id":""}`, true, ""},
		"no_ids_same_instant": {`[{"created":"2026-09-01T00:10:00.000Z"}]`, after, false, ""},
		"nothing_usable":      {`[{"a":1}]`, after, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := window(t, client(t, says(reply{body: c.rows, header: map[string]string{"X-Total-Count": c.total}})).Events(), after)
			if err != nil {
				t.Fatal(err)
			}
			type outcome struct {
				Next string
				More bool
			}
			if diff := cmp.Diff(outcome{c.want, c.more}, outcome{string(page.Next), page.More}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Covered to the end of the range, or to the last time that was seen.
			through := moment(t, "01:00:00")
			if c.more {
				through = page.Records[len(page.Records)-1].Time
				if through.IsZero() || through.Before(page.From) || through.Year() == 9999 {
					through = page.Records[0].Time
				}
			}
			if !page.From.Equal(moment(t, "00:10:00")) || !page.Through.Equal(through) {
				t.Errorf("covered from %v through %v, want %v", page.From, page.Through, through)
			}
		})
	}
}

// Where the tenant can't sort by id, the cursor must not hold one: another
// process might use it with an order that has no relation to this one's.
func TestNextCursorWithoutIDSort(t *testing.T) {
	s := &script{answer: func(_ int, r request, _ http.Header) reply {
		if strings.Contains(r.Body, `"sort":["created","id"]`) {
			return reply{status: 400}
		}
		return reply{body: `[{"id":"z","created":"2026-09-01T00:10:00.000Z"},{"id":"a","created":"2026-09-01T00:10:00.001Z"}]`}
	}}
	page, err := window(t, client(t, s).Events(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pipeline.Cursor(`{"created":"2026-09-01T00:10:00.001Z","id":""}`), page.Next); diff != "" {
		t.Errorf("next (-want +got):\n%s", diff)
	}
}

// Times as SailPoint writes them.
func TestEventTime(t *testing.T) {
	for name, c := range map[string]struct{ created, want string }{
		"millis":        {`"2026-09-01T00:10:00.123Z"`, "2026-09-01T00:10:00.123Z"},
		"seconds":       {`"2026-09-01T00:10:00Z"`, "2026-09-01T00:10:00Z"},
		"micros":        {`"2026-09-01T00:10:00.123456Z"`, "2026-09-01T00:10:00.123456Z"},
		"offset":        {`"2026-09-01T02:10:00.123+02:00"`, "2026-09-01T00:10:00.123Z"},
		"bare_offset":   {`"2026-09-01T00:10:00.123+0000"`, "2026-09-01T00:10:00.123Z"},
		"space":         {`"2026-09-01 00:10:00"`, "2026-09-01T00:10:00Z"},
		"space_zone":    {`"2026-09-01 00:10:00.5Z"`, "2026-09-01T00:10:00.5Z"},
		"no_zone":       {`"2026-09-01T00:10:00.123"`, "2026-09-01T00:10:00.123Z"},
		"null":          {`null`, "0001-01-01T00:00:00Z"},
		"number":        {`1788221400000`, "0001-01-01T00:00:00Z"},
		"words":         {`"yesterday"`, "0001-01-01T00:00:00Z"},
		"empty":         {`""`, "0001-01-01T00:00:00Z"},
		"long":          {`"` + strings.Repeat("2026-09-01 ", 100) + `"`, "0001-01-01T00:00:00Z"},
		"escaped":       {`"2026-09-01T00:10:00.123\u005a"`, "2026-09-01T00:10:00.123Z"},
		"no_such_month": {`"2026-13-01T00:10:00.123Z"`, "0001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := window(t, client(t, says(reply{body: `[{"id":"a","created":` + c.created + `}]`})).Events(), "")
			if err != nil {
				t.Fatal(err)
			}
			got := page.Records[0].Time
			if diff := cmp.Diff(c.want, got.Format(time.RFC3339Nano)); diff != "" || got.Location() != time.UTC {
				t.Errorf("in %v (-want +got):\n%s", got.Location(), diff)
			}
		})
	}
}

// A first run fixes where it began, and the range ends Settle before now.
func TestRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(1500 * time.Microsecond) // so that milliseconds have to be cut off
		s := says(reply{body: `[]`})
		cfg := config(s)
		cfg.Settle, cfg.Lookback = time.Minute, time.Hour
		src := sailpoint.NewClient(cfg).Events()
		page, err := src.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		want := pipeline.Page{
			Next:    `{"created":"1999-12-31T23:00:00.001Z","id":""}`,
			From:    time.Date(1999, 12, 31, 23, 0, 0, 1e6, time.UTC),
			Through: time.Date(1999, 12, 31, 23, 59, 0, 1e6, time.UTC),
		}
		page.Release = nil
		if diff := cmp.Diff(want, page, cmp.Transformer("records", func(r []pipeline.Record) int { return len(r) })); diff != "" {
			t.Errorf("page (-want +got):\n%s", diff)
		}
		pass(time.Hour) // the begin must not slide with it
		if page, err = src.Fetch(t.Context(), page.Next); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Next, page.Next); diff != "" {
			t.Errorf("next (-want +got):\n%s", diff)
		}
		asked := s.asked()
		wantRange := `{"gte":"1999-12-31T23:00:00.001Z","lt":"2000-01-01T00:59:00.001Z"}`
		if last := asked[len(asked)-1].Body; !strings.Contains(last, wantRange) {
			t.Errorf("request %s, want the range %s", last, wantRange)
		}
	})
}

// With nothing between cursor and horizon there is nothing to ask.
func TestNothingToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := says(reply{body: `[]`})
		cfg := config(s)
		cfg.Settle = time.Minute
		src := sailpoint.NewClient(cfg).Events()
		after := pipeline.Cursor(fmt.Sprintf(`{"created":%q,"id":"a"}`, time.Now().Add(-30*time.Second).UTC().Format(time.RFC3339)))
		page, err := src.Fetch(t.Context(), after)
		if err != nil || page.Next != after || page.More || len(s.asked()) != 0 {
			t.Errorf("got %+v, %v after %d requests", page, err, len(s.asked()))
		}
	})
}

// An event may come again later under the same id. That moves the cursor, without another
// look at what is before it.
func TestSameIDLaterMoves(t *testing.T) {
	s := says(reply{body: `[{"id":"n","created":"2026-09-01T00:10:00.000Z"},{"id":"m","created":"2026-09-01T00:11:00.000Z"}]`})
	page, err := window(t, client(t, s).Events(), `{"created":"2026-09-01T00:10:00.000Z","id":"m"}`)
	if err != nil || page.Next != `{"created":"2026-09-01T00:11:00.000Z","id":"m"}` || len(s.asked()) != 1 {
		t.Errorf("%s after %d requests, %v", page.Next, len(s.asked()), err)
	}
}

// A cursor in the future is not a quiet stream. One that is a little ahead is the clock's.
func TestCursorAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ahead, fails := range map[time.Duration]bool{4 * time.Minute: false, 6 * time.Minute: true, 24 * time.Hour: true} {
			s := says(reply{body: `[]`})
			at := time.Now().UTC().Add(ahead)
			if fails && ahead > time.Hour {
				at = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
			}
			after := pipeline.Cursor(fmt.Sprintf(`{"created":%q,"id":"a"}`, at.Format(time.RFC3339)))
			page, err := sailpoint.NewClient(config(s)).Events().Fetch(t.Context(), after)
			switch {
			case !fails && (err != nil || page.Next != after):
				t.Errorf("%v ahead: %+v, %v", ahead, page, err)
			case fails && (err == nil || retryable(err) != nil || !strings.Contains(err.Error(), "ahead of this machine's clock") || !strings.Contains(err.Error(), "idnsentinel checkpoint set")):
				t.Errorf("%v ahead: %v", ahead, err)
			}
		}
	})
}

func TestJumbledPageWarnsOnce(t *testing.T) {
	src := client(t, says(reply{body: `[{"id":"a","created":"2026-09-01T00:10:00.001Z"},{"id":"b","created":"2026-09-01T00:10:00.000Z"}]`})).Events()
	var warnings []string
	for range 2 {
		page, err := window(t, src, "")
		if err != nil {
			t.Fatal(err)
		}
		warnings = append(warnings, page.Warnings...)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "not in the order") {
		t.Errorf("warnings %q, want one", warnings)
	}
}

// A service that gives the same page whatever it is asked ends in an error, not in a loop.
func TestServiceThatStandsStill(t *testing.T) {
	for name, kind := range map[string]string{"type": `"T"`, "no_type": `null`} {
		t.Run(name, func(t *testing.T) {
			row := `{"id":"a","created":"2026-09-01T00:10:00.000Z","type":` + kind + `},`
			s := &script{answer: func(_ int, r request, _ http.Header) reply {
				return reply{body: `[` + strings.TrimSuffix(strings.Repeat(row, limitOf(r)), ",") + `]`}
			}}
			src := sailpoint.NewClient(config(s)).Events()
			var after pipeline.Cursor
			for range 10 {
				page, err := window(t, src, after)
				if err != nil {
					if retryable(err) != nil || !strings.Contains(err.Error(), "can't page") {
						t.Errorf("got %v, want an error that says so", err)
					}
					return
				}
				after = page.Next
			}
			t.Errorf("no error after %d requests, at %s", len(s.asked()), after)
		})
	}
}

// A page that is full of one millisecond is asked for again, twice as large, and
// only that one.
func TestTieEnlargesThePage(t *testing.T) {
	serial := 0
	s := &script{answer: func(_ int, r request, _ http.Header) reply {
		switch {
		case strings.Contains(r.Body, `"sort":["created","id"]`):
			return reply{status: 400}
		case strings.Contains(r.Body, `"gte":"2026-09-01T00:10:00.001Z"`):
			return reply{body: `[]`}
		}
		page := rowsAt("2026-09-01T00:10:00.000Z", &serial, min(700, limitOf(r)))
		if limitOf(r) > 700 {
			page = strings.TrimSuffix(page, "]") + `,{"id":"z","created":"2026-09-01T00:10:00.001Z"}]`
		}
		return reply{body: page}
	}}
	src := sailpoint.NewClient(config(s)).Events()
	page, err := window(t, src, `{"created":"2026-09-01T00:10:00.000Z","id":""}`)
	if err != nil || len(page.Records) != 701 {
		t.Fatalf("%d events, %v", len(page.Records), err)
	}
	if _, err := window(t, src, page.Next); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{250, 500, 1000, 250}, limits(s)); diff != "" {
		t.Errorf("page sizes (-want +got):\n%s", diff)
	}
}

// A cursor that promises more than it holds is refused.
func TestDamagedSplit(t *testing.T) {
	for _, done := range []int{-1, 3} {
		after := pipeline.Cursor(fmt.Sprintf(`{"created":"2026-09-01T00:10:00.000Z","id":"","split":{"types":["A","B"],"done":%d}}`, done))
		if _, err := window(t, client(t, says(reply{body: `[]`})).Events(), after); err == nil || retryable(err) != nil {
			t.Errorf("done %d: got %v", done, err)
		}
	}
}
