package tenant_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// drawTenant makes a tenant with ties, late events, and sometimes a backlog.
func drawTenant(rt *rapid.T, gaps bool) *tenant.Tenant {
	h := &tenant.Tenant{Now: fixed(noon()), RateLimit: tenant.RateLimit{Off: true}}
	times := []string{"2026-09-01T10:00:00.000Z", "2026-09-01T10:00:00.001Z", "2026-09-01T10:00:00.002Z", "2026-09-01T10:00:01.000Z"}
	for i := range rapid.IntRange(0, 40).Draw(rt, "rows") {
		id := fmt.Sprintf(`"id":"%02x-%d",`, rapid.IntRange(0, 255).Draw(rt, "id"), i)
		created := `"created":"` + rapid.SampledFrom(times).Draw(rt, "created") + `"`
		if gaps && rapid.IntRange(0, 7).Draw(rt, "no_id") == 0 {
			id = ""
		}
		if gaps && rapid.IntRange(0, 7).Draw(rt, "no_created") == 0 {
			created = `"created":null`
		}
		visible := noon()
		if rapid.IntRange(0, 7).Draw(rt, "late") == 0 {
			visible = noon().Add(time.Millisecond)
		}
		h.AddEvent([]byte("{"+id+created+"}"), visible)
	}
	if h.BacklogSize = rapid.SampledFrom([]int{0, 30}).Draw(rt, "backlog"); h.BacklogSize > 0 {
		start, err := time.Parse(time.RFC3339, times[0])
		if err != nil {
			rt.Fatal(err)
		}
		h.Backlog = synth.New(synth.Options{Seed: 5, Plain: true, Start: start, Rate: 1000, Ties: 7, TieEvery: 9})
	}
	return h
}

// key is what the model knows of an event.
type key struct{ created, id string }

// model returns the visible events of a tenant within [from, to), in order.
func model(h *tenant.Tenant, from, to time.Time) []key {
	var keys []key
	for e := range h.Events() {
		if e.VisibleAt.After(noon()) || e.Created.IsZero() || e.Created.Before(from) || !e.Created.Before(to) {
			continue
		}
		keys = append(keys, key{e.Created.Format("2006-01-02T15:04:05.000Z"), e.ID})
	}
	return keys
}

// compareKeys orders by the sort fields; a missing id is last either way.
func compareKeys(a, b key, fields []string) int {
	for _, f := range fields {
		order := strings.Compare(a.created, b.created)
		if strings.HasSuffix(f, "id") {
			order = strings.Compare(a.id, b.id)
			if order != 0 && (a.id == "" || b.id == "") {
				return -order
			}
		}
		if strings.HasPrefix(f, "-") {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// search asks for a window and returns the keys.
func search(t testing.TB, h http.Handler, token, params string, from, to time.Time, fields, after []string) []key {
	t.Helper()
	quoted := func(list []string) string {
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	body := fmt.Sprintf(`{"indices":["events"],"queryType":"DSL","queryDsl":{"range":{"created":{"gte":%q,"lt":%q}}},"sort":%s,"searchAfter":%s}`,
		from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano), quoted(fields), quoted(after))
	got := do(t, h, http.MethodPost, "/search/v1"+params, token, body)
	var list []struct {
		ID      string `json:"id"`
		Created string `json:"created"`
	}
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || got.Status != http.StatusOK {
		t.Fatalf("search %s: %d %.300s (%v)", body, got.Status, got.Body, err)
	}
	keys := make([]key, 0, len(list))
	for _, e := range list {
		keys = append(keys, key{e.Created, e.ID})
	}
	return keys
}

func drawWindow(rt *rapid.T) (from, to time.Time) {
	ends := rapid.SliceOfN(rapid.IntRange(-1, 40), 2, 2).Draw(rt, "window")
	slices.Sort(ends)
	start := time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	return start.Add(time.Duration(ends[0]) * time.Millisecond), start.Add(time.Duration(ends[1]) * time.Millisecond)
}

// Property: a page is what a plain sort of all events says it is, whatever the
// order, the window and the place. Between events that the order does not
// decide, only the order is compared.
func TestPageEqualsModel(t *testing.T) {
	orders := [][]string{{"created", "id"}, {"-created", "-id"}, {"created"}, {"-created"}, {"id"}, {"created", "-id"}, {"-id", "created"}}
	rapid.Check(t, func(rt *rapid.T) {
		h := drawTenant(rt, true)
		from, to := drawWindow(rt)
		fields := rapid.SampledFrom(orders).Draw(rt, "sort")
		want := model(h, from, to)
		slices.SortStableFunc(want, func(a, b key) int { return compareKeys(a, b, fields) })

		params := fmt.Sprintf("?limit=%d", rapid.IntRange(0, 50).Draw(rt, "limit"))
		var after []string
		if mark := rapid.IntRange(-1, len(want)-1).Draw(rt, "mark"); mark >= 0 && want[mark].id != "" {
			for _, f := range fields {
				after = append(after, map[bool]string{true: want[mark].id, false: want[mark].created}[strings.HasSuffix(f, "id")])
			}
			last := want[mark]
			want = slices.DeleteFunc(want, func(k key) bool { return compareKeys(k, last, fields) <= 0 })
		} else {
			offset := rapid.IntRange(0, 20).Draw(rt, "offset")
			params += fmt.Sprintf("&offset=%d", offset)
			want = want[min(offset, len(want)):]
		}
		var limit int
		if _, err := fmt.Sscanf(params, "?limit=%d", &limit); err != nil {
			rt.Fatal(err)
		}
		want = want[:min(limit, len(want))]

		got := search(t, h, login(t, h, "id"), params, from, to, fields, after)
		if len(fields) == 1 && fields[0] != "id" {
			for i := range want {
				want[i].id = ""
			}
			for i := range got {
				got[i].id = ""
			}
		}
		if diff := gocmp.Diff(append([]key{}, want...), got, gocmp.AllowUnexported(key{})); diff != "" {
			rt.Errorf("sort %v after %v %s (-want +got):\n%s", fields, after, params, diff)
		}
	})
}

// Property: walking with searchAfter by created and id gives every visible
// event of the window exactly once, whatever the size of the pages, and the count
// agrees.
func TestWalkGivesEachEventOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := drawTenant(rt, false)
		from, to := drawWindow(rt)
		limit := rapid.IntRange(1, 40).Draw(rt, "limit")
		token := login(t, h, "id")
		var got []key
		var after []string
		for {
			page := search(t, h, token, fmt.Sprintf("?limit=%d", limit), from, to, []string{"created", "id"}, after)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = []string{page[len(page)-1].created, page[len(page)-1].id}
		}
		want := model(h, from, to)
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(key{})); diff != "" {
			rt.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
		body := fmt.Sprintf(`{"indices":["events"],"filters":{"created":{"type":"RANGE","range":{"lower":{"value":%q,"inclusive":true},"upper":{"value":%q}}}}}`,
			from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
		if count := do(t, h, http.MethodPost, "/search/v1/count", token, body); count.Header.Get("X-Total-Count") != strconv.Itoa(len(want)) {
			rt.Errorf("count %s, want %d", count.Header.Get("X-Total-Count"), len(want))
		}
	})
}

// A backlog that is made on the fly must look like the same events, added one by one.
func TestBacklogEqualsAddedEvents(t *testing.T) {
	const n = 2500
	gen := synth.New(synth.Options{Seed: 9, Ties: 400, TieEvery: 1000, Bytes: 300})
	lazy := &tenant.Tenant{Backlog: gen, BacklogSize: n}
	added := &tenant.Tenant{}
	for i := range n {
		added.AddEvent(gen.Event((i*7919)%n), time.Time{}) // in no order
	}
	after := ""
	for page := range 9 {
		body := `{"indices":["events"],"sort":["created","id"]` + after + `}`
		a := do(t, lazy, http.MethodPost, "/search/v1?limit=300&count=true", login(t, lazy, "id"), body)
		b := do(t, added, http.MethodPost, "/search/v1?limit=300&count=true", login(t, added, "id"), body)
		if a.Status != http.StatusOK || a.Body != b.Body || a.Header.Get("X-Total-Count") != "2500" || b.Header.Get("X-Total-Count") != "2500" {
			t.Fatalf("page %d differs: %d and %d bytes, counts %v %v", page, len(a.Body), len(b.Body), a.Header, b.Header)
		}
		last := min((page+1)*300, n) - 1
		after = fmt.Sprintf(`,"searchAfter":[%q,%q]`, gen.Created(last).Format("2006-01-02T15:04:05.000Z"), gen.ID(last))
	}
	if diff := gocmp.Diff(lazy.IDs(), added.IDs()); diff != "" || len(added.IDs()) != n {
		t.Errorf("IDs differ:\n%s", diff)
	}
}
