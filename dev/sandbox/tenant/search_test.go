package tenant_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

func TestSearch(t *testing.T) {
	const window = `"2026-09-01T10:00:00.000Z"`
	for name, c := range map[string]struct {
		params, body string
		want         []string
	}{
		"dsl_range": {
			"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":` + window + `,"lt":"2026-09-01T10:00:01.000Z"}}}]}},"sort":["created","id"]}`,
			[]string{"a"},
		},
		"dsl_gt_lte": {
			"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"filter":{"range":{"created":{"gt":` + window + `,"lte":"2026-09-01T10:00:01.000Z"}}}}},"sort":["created","id"]}`,
			[]string{"b", "c", ""},
		},
		"dsl_milliseconds": {
			"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"range":{"created":{"lt":1788256801000}}},"sort":["created"]}`,
			[]string{"a"},
		},
		"dsl_missing": {
			"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must_not":{"exists":{"field":"created"}}}},"sort":["id"]}`,
			[]string{"n"},
		},
		"dsl_terms": {
			"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"must":[{"exists":{"field":"created"}},{"terms":{"type":["SSO","X"]}}]}},"sort":["created","id"]}`,
			[]string{"b"},
		},
		"filter_range": {
			"", `{"indices":["events"],"query":{"query":"*"},"filters":{"created":{"type":"RANGE","range":{"lower":{"value":` + window + `,"inclusive":true},"upper":{"value":"2026-09-01T10:00:01.000Z"}}}},"sort":["created","id"]}`,
			[]string{"a"},
		},
		"filter_exclusive_by_default": {
			"", `{"indices":["events"],"filters":{"created":{"type":"RANGE","range":{"lower":{"value":` + window + `}}}},"sort":["created","id"]}`,
			[]string{"b", "c", ""},
		},
		"filter_missing": {
			"", `{"indices":["events"],"filters":{"created":{"type":"EXISTS","exclude":true}},"sort":["created","id"]}`,
			[]string{"n"},
		},
		"filter_terms": {
			"", `{"indices":["events"],"filters":{"created":{"type":"EXISTS"},"type":{"type":"TERMS","terms":["SSO"],"exclude":true}},"sort":["created","id"]}`,
			[]string{"a", "c", ""},
		},
		"text_range": {
			"", `{"indices":["events"],"query":{"query":"created:[2026\\-09\\-01T10\\:00\\:00\\.000Z TO 2026\\-09\\-01T10\\:00\\:01\\.000Z]"},"sort":["created","id"]}`,
			[]string{"a", "b", "c", ""},
		},
		"text_exclusive_and_term": {
			"", `{"indices":["events"],"query":{"query":"type:SSO AND created:{2026\\-09\\-01T10\\:00\\:00\\.000Z TO *]"},"sort":["created","id"]}`,
			[]string{"b"},
		},
		"everything_missing_last": {
			"", `{"indices":["events"],"query":{"query":"*"},"sort":["+created","+id"]}`,
			[]string{"a", "b", "c", "", "n"},
		},
		"no_sort": {"", `{"indices":["events"]}`, []string{"a", "b", "c", "", "n"}},
		"down": {
			"", `{"indices":["events"],"query":{"query":"*"},"sort":["-created","-id"]}`,
			[]string{"c", "b", "", "a", "n"},
		},
		"by_id":   {"", `{"indices":["events"],"sort":["-id"]}`, []string{"n", "c", "b", "a", ""}},
		"opposed": {"", `{"indices":["events"],"sort":["created","-id"]}`, []string{"a", "c", "b", "", "n"}},
		"after": {
			"", `{"indices":["events"],"sort":["created","id"],"searchAfter":["2026-09-01T10:00:01.000Z","b"]}`,
			[]string{"c", "", "n"},
		},
		"after_the_empty_text": {
			"", `{"indices":["events"],"sort":["created","id"],"searchAfter":["2026-09-01T10:00:01.000Z",""]}`,
			[]string{"b", "c", "", "n"},
		},
		"after_in_milliseconds": {
			"", `{"indices":["events"],"sort":["created"],"searchAfter":["1788256800000"]}`,
			[]string{"b", "c", "", "n"},
		},
		"after_a_tie_loses_the_rest": {
			"", `{"indices":["events"],"sort":["created"],"searchAfter":["2026-09-01T10:00:01.000Z"]}`,
			[]string{"n"},
		},
		"after_down": {
			"", `{"indices":["events"],"sort":["-created","-id"],"searchAfter":["2026-09-01T10:00:01.000Z","c"]}`,
			[]string{"b", "", "a", "n"},
		},
		"page":          {"?offset=1&limit=2", `{"indices":["events"],"sort":["created","id"]}`, []string{"b", "c"}},
		"limit_0":       {"?limit=0", `{"indices":["events"]}`, []string{}},
		"beyond":        {"?offset=9&limit=9991", `{"indices":["events"]}`, []string{}},
		"unknown_field": {"", `{"indices":["events"],"limit":1,"aggregationType":"DSL"}`, []string{"a", "b", "c", "", "n"}},
	} {
		for _, path := range []string{"/search/v1", "/v3/search", "/v2024/search", "/v2025/search", "/v2026/search"} {
			t.Run(name+path, func(t *testing.T) {
				h := small()
				got := do(t, h, http.MethodPost, path+c.params, login(t, h, "id"), c.body)
				if diff := cmp.Diff(c.want, ids(t, got)); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
				if strings.Contains(c.params, "limit") {
					return
				}
				count := do(t, h, http.MethodPost, path+"/count", login(t, h, "id"), c.body)
				total := strconv.Itoa(len(c.want))
				if strings.Contains(c.body, "searchAfter") {
					total = "5" // a count is of the whole result
				}
				if count.Status != http.StatusNoContent || count.Body != "" || count.Header.Get("X-Total-Count") != total {
					t.Errorf("count: %d %q %v; want 204 and %s", count.Status, count.Body, count.Header, total)
				}
			})
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	for name, c := range map[string]struct{ params, body, text string }{
		"unknown_index":      {"", `{"indices":["accounts"]}`, "indices"},
		"no_json":            {"", `{"indices":`, "body"},
		"window":             {"?offset=9990&limit=11", `{"indices":["events"]}`, "searchAfter"},
		"limit":              {"?limit=10001", `{"indices":["events"]}`, "limit"},
		"negative_offset":    {"?offset=-1", `{"indices":["events"]}`, "offset"},
		"limit_no_number":    {"?limit=all", `{"indices":["events"]}`, "limit"},
		"count_no_boolean":   {"?count=yes", `{"indices":["events"]}`, "count"},
		"after_with_offset":  {"?offset=1&limit=1", `{"indices":["events"],"sort":["id"],"searchAfter":["a"]}`, "combined"},
		"after_too_few":      {"", `{"indices":["events"],"sort":["created","id"],"searchAfter":["2026-09-01T10:00:01.000Z"]}`, "1 values for 2"},
		"after_without_sort": {"", `{"indices":["events"],"searchAfter":["a"]}`, "1 values for 0"},
		"after_number":       {"", `{"indices":["events"],"sort":["created"],"searchAfter":[1788256800000]}`, "body"},
		"after_no_time":      {"", `{"indices":["events"],"sort":["created"],"searchAfter":["yesterday"]}`, "not a time"},
		"sort_field":         {"", `{"indices":["events"],"sort":["datetime"]}`, "datetime"},
		"sort_nothing":       {"", `{"indices":["events"],"sort":["-"]}`, "names no field"},
		"query_type":         {"", `{"indices":["events"],"queryType":"SQL"}`, "SQL"},
		"text_without_terms": {"", `{"indices":["events"],"queryType":"TEXT"}`, "textQuery"},
		"typeahead_without":  {"", `{"indices":["events"],"queryType":"TYPEAHEAD"}`, "typeAheadQuery"},
		"dsl_without_dsl":    {"", `{"indices":["events"],"queryType":"DSL"}`, "queryDsl"},
		"dsl_unknown_clause": {"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"like":{"id":"a"}}}`, "like"},
		"dsl_two_clauses":    {"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"match_all":{},"term":{"id":"a"}}}`, "one member"},
		"dsl_range_op":       {"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"range":{"created":{"after":"2026-09-01"}}}}`, "after"},
		"dsl_bool_member":    {"", `{"indices":["events"],"queryType":"DSL","queryDsl":{"bool":{"musst":[]}}}`, "musst"},
		"range_no_time":      {"", `{"indices":["events"],"filters":{"created":{"type":"RANGE","range":{"lower":{"value":"yesterday"}}}}}`, "not a time"},
		"range_bad_math":     {"", `{"indices":["events"],"filters":{"created":{"type":"RANGE","range":{"lower":{"value":"now-1q"}}}}}`, "date math"},
		"filter_type":        {"", `{"indices":["events"],"filters":{"synced":{"type":"LIKE"}}}`, "LIKE"},
		"time_zone":          {"", `{"indices":["events"],"query":{"query":"*","timeZone":"Mars/Base"}}`, "time zone"},
		"text_colon":         {"", `{"indices":["events"],"query":{"query":"created:2026-09-01T10:00:00Z"}}`, "escaped"},
		"text_half_a_range":  {"", `{"indices":["events"],"query":{"query":"created:[now-1d TO now"}}`, "half a range"},
		"text_no_range":      {"", `{"indices":["events"],"query":{"query":"created:[now]"}}`, "not a range"},
		"text_open_quote":    {"", `{"indices":["events"],"query":{"query":"type:\"AUTH"}}`, "quote"},
		"text_open_group":    {"", `{"indices":["events"],"query":{"query":"(type:AUTH OR id:a"}}`, "parenthesis"},
		"text_closed_group":  {"", `{"indices":["events"],"query":{"query":"type:AUTH) id:a"}}`, "parse"},
		"text_no_term":       {"", `{"indices":["events"],"query":{"query":"type:AUTH AND"}}`, "missing"},
		"text_too_deep":      {"", `{"indices":["events"],"query":{"query":"` + strings.Repeat("(", 200) + `"}}`, "deep"},
		"text_no_comparison": {"", `{"indices":["events"],"query":{"query":"created:>="}}`, "no value"},
	} {
		t.Run(name, func(t *testing.T) {
			h := small()
			got := do(t, h, http.MethodPost, "/search/v1"+c.params, login(t, h, "id"), c.body)
			wantError(t, got, http.StatusBadRequest, "400.1 Bad request content", c.text)
			if u := h.Unknown(); len(u) != 0 {
				t.Errorf("unknown: %q", u)
			}
		})
	}
}

// What the service may know and the stand-in does not is not refused as wrong.
func TestUnknown(t *testing.T) {
	for name, c := range map[string]struct{ method, path, body, text string }{
		"regexp":    {"POST", "/search/v1", `{"query":{"query":"name:/Jo.*/"}}`, "regular"},
		"fuzzy":     {"POST", "/search/v1", `{"query":{"query":"name:Jo~2"}}`, "fuzzy"},
		"nested":    {"POST", "/search/v1", `{"query":{"query":"@access(name:x)"}}`, "nested"},
		"inner_hit": {"POST", "/v3/search", `{"query":{"query":"*","innerHit":{"type":"access","query":"*"}}}`, "innerHit"},
		"dsl_fuzzy": {"POST", "/search/v1", `{"queryType":"DSL","queryDsl":{"fuzzy":{"id":"a"}}}`, "fuzzy"},
		"aggregate": {"POST", "/search/v1/aggregate", `{}`, "aggregate"},
		"workflow":  {"POST", "/trigger-subscriptions/v1", `{"triggerId":"idn:identity-created","name":"a","type":"WORKFLOW"}`, "WORKFLOW"},
		"filter":    {"POST", "/beta/trigger-subscriptions/validate-filter", `{"input":{},"filter":"$.a.length()"}`, "length"},
	} {
		t.Run(name, func(t *testing.T) {
			h := small()
			h.Scopes = []string{"sp:scopes:all"}
			got := do(t, h, c.method, c.path, login(t, h, "id"), c.body)
			wantError(t, got, http.StatusNotImplemented, "501 Not implemented", c.text)
			if u := h.Unknown(); len(u) != 1 || !strings.Contains(u[0], c.text) {
				t.Errorf("unknown: %q", u)
			}
		})
	}
}

func TestRefuseIDSort(t *testing.T) {
	h := small()
	h.RefuseIDSort = true
	token := login(t, h, "id")
	got := do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"],"sort":["created","id"]}`)
	wantError(t, got, http.StatusBadRequest, "400.1 Bad request content", "id")
	got = do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"],"sort":["created"]}`)
	if n := len(ids(t, got)); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
}

func TestLateIndexing(t *testing.T) {
	now := noon()
	h := small()
	h.Now = func() time.Time { return now }
	token := login(t, h, "id")
	const body = `{"indices":["events"],"query":{"query":"created:[2026\\-09\\-01T10\\:00\\:02\\.000Z TO *]"}}`
	for _, c := range []struct {
		at    time.Time
		want  []string
		total string
	}{
		{noon().Add(time.Minute - time.Millisecond), []string{}, "0"},
		{noon().Add(time.Minute), []string{"late"}, "1"},
	} {
		now = c.at
		got := do(t, h, http.MethodPost, "/search/v1?count=true", token, body)
		if diff := cmp.Diff(c.want, ids(t, got)); diff != "" || got.Header.Get("X-Total-Count") != c.total {
			t.Errorf("at %v, total %s (-want +got):\n%s", c.at, got.Header.Get("X-Total-Count"), diff)
		}
	}
}

func TestIndexDelay(t *testing.T) {
	now := noon()
	h := &tenant.Tenant{Now: func() time.Time { return now }, IndexDelay: time.Minute}
	h.AddEvent([]byte(`{"id":"a","created":"2026-09-01T12:00:00.000Z"}`), time.Time{})
	token := login(t, h, "id")
	ask := func() int {
		return len(ids(t, do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"]}`)))
	}
	before := ask()
	now = noon().Add(time.Minute)
	if after := ask(); before != 0 || after != 1 {
		t.Errorf("%d events before and %d after the delay, want 0 and 1", before, after)
	}
}

func TestUnstableTies(t *testing.T) {
	h := &tenant.Tenant{UnstableTies: true}
	for _, id := range []string{"a", "b", "c", "d"} {
		h.AddEvent([]byte(`{"id":"`+id+`","created":"2026-09-01T10:00:00Z"}`), time.Time{})
	}
	token := login(t, h, "id")
	seen := make(map[string]bool)
	for range 4 {
		page := ids(t, do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"],"sort":["created"]}`))
		seen[strings.Join(page, "")] = true
		slices.Sort(page)
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, page); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		sorted := ids(t, do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"],"sort":["created","id"]}`))
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, sorted); diff != "" {
			t.Errorf("with id (-want +got):\n%s", diff)
		}
	}
	if len(seen) < 2 {
		t.Errorf("ties never changed places: %v", seen)
	}
}

func TestEventsAndIDs(t *testing.T) {
	h := small()
	want := []string{"a", "b", "c", "", "late", "n"}
	if diff := cmp.Diff(want, h.IDs()); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
	var got []tenant.Event
	for e := range h.Events() {
		got = append(got, e)
		h.AddEvent([]byte(`{"id":"more","created":"2026-01-01T00:00:00Z"}`), time.Time{})
	}
	if len(got) != len(want) || got[4].ID != "late" || !got[4].VisibleAt.Equal(noon().Add(time.Minute)) || !got[5].Created.IsZero() {
		t.Errorf("events %+v", got)
	}
}

// Events that come late, between searches, must find their places.
func TestAddingBetweenSearches(t *testing.T) {
	h := &tenant.Tenant{}
	token := login(t, h, "id")
	var want []string
	for _, batch := range []string{"m", "zb", "ka", "c", "yly"} {
		for _, id := range strings.Split(batch, "") {
			h.AddEvent([]byte(`{"id":"`+id+`","created":"2026-09-01T10:00:00Z"}`), time.Time{})
			want = append(want, id)
		}
		slices.Sort(want)
		got := ids(t, do(t, h, http.MethodPost, "/search/v1", token, `{"indices":["events"],"sort":["created","id"]}`))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", batch, diff)
		}
	}
}

func TestAddEventPanicsOnJunk(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	new(tenant.Tenant).AddEvent([]byte(`["id"]`), time.Time{})
}
