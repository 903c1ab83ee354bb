package page_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
	"github.com/idn-sentinel/idn-sentinel/internal/status/page"
)

// ask sends a request to a handler.
func ask(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("policy %q", got)
	}
	if w.Body.Len() == 0 || w.Code >= 300 && w.Code < 400 {
		t.Errorf("%s %s: status %d with %d bytes: the host would wait, or follow", method, target, w.Code, w.Body.Len())
	}
	return w
}

func fixed(s status.Snapshot) func(context.Context) status.Snapshot {
	return func(context.Context) status.Snapshot { return s }
}

const browser = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestViews(t *testing.T) {
	ok := page.New(page.Config{Snapshot: fixed(status.Snapshot{State: status.OK, Summary: "Data flows."})})
	for _, c := range []struct {
		method, target, accept string
		code                   int
		kind, says             string
	}{
		{"GET", "/api/status", browser, 200, "text/html; charset=utf-8", "<title>OK"},
		{"GET", "/API/Status/", browser, 200, "text/html; charset=utf-8", "<title>OK"},
		{"GET", "/api/status", "*/*", 200, "application/json", `"state": "ok"`},
		{"GET", "/api/status", "", 200, "application/json", `"state": "ok"`},
		{"GET", "/api/status?format=json", browser, 200, "application/json", `"state": "ok"`},
		{"GET", "/api/status?format=html", "*/*", 200, "text/html; charset=utf-8", "<title>OK"},
		{"GET", "/api/status/health", browser, 200, "application/json", `"state": "ok"`},
		{"HEAD", "/api/status/health", "", 200, "application/json", ""},
		{"POST", "/api/status/run", "", 404, "application/json", "not offered"},
		{"GET", "/api/status/run", "", 405, "application/json", "not allowed"},
		{"PUT", "/api/status", "", 405, "application/json", "not allowed"},
		{"GET", "/api/status/other", "", 404, "application/json", "no view"},
		{"GET", "/api/statusx", "", 404, "application/json", "nothing"},
		{"GET", "/api/status/../hooks", "", 404, "application/json", "no view"},
	} {
		t.Run(c.method+" "+c.target+" "+c.accept, func(t *testing.T) {
			w := ask(t, ok, c.method, c.target, "Accept", c.accept)
			if w.Code != c.code || w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s: %.300s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		})
	}
}

// The page shows what waits of the pushes.
func TestPushesThatWait(t *testing.T) {
	now := time.Now()
	s := status.Snapshot{At: now, State: status.Attention, Streams: []status.Status{
		{Name: "Pushed triggers", State: status.OK, Owed: &status.Count{N: 3, Oldest: now.Add(-time.Minute)}},
		{Name: "Reports", State: status.OK, Forwarding: &status.Forwarding{
			Waiting: status.Count{N: 2, Oldest: now.Add(-time.Hour)}, Kept: status.Count{N: 1, Oldest: now.Add(-time.Hour)}, Doubts: 4, Refused: 5,
		}},
	}}
	text := ask(t, page.New(page.Config{Snapshot: fixed(s)}), "GET", "/api/status", "Accept", browser).Body.String()
	for _, want := range []string{
		"3 for answers", "2 to forward, 1 kept from the workflow", "<dt>Answers to be posted</dt><dd>3, the oldest 60s old</dd>",
		"<dt>Reports to forward</dt><dd>2, the oldest 1h old</dd>", "<dt>Reports kept from the workflow</dt>", "<dt>Starts in doubt</dt><dd>4</dd>", "<dt>Starts refused</dt><dd>5</dd>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// The status of /health follows the verdict.
func TestHealth(t *testing.T) {
	for v, want := range map[status.Verdict]int{status.OK: 200, status.Attention: 200, status.Late: 503, status.Unknown: 503, status.Failing: 503, "": 503} {
		h := page.New(page.Config{Snapshot: fixed(status.Snapshot{State: v})})
		if w := ask(t, h, "GET", "/api/status/health"); w.Code != want {
			t.Errorf("%q: %d, want %d", v, w.Code, want)
		}
	}
}

// Whatever is in the state is text on the page, the key in the address is not on it, and JSON can be
// read again.
func TestHostileTexts(t *testing.T) {
	evil := `<script>alert(1)</script>" onload="x" javascript:alert(2)`
	lag := 1.0
	s := status.Snapshot{
		State: status.Failing, Summary: evil, Version: evil, At: time.Now(),
		Problems: []status.Problem{{State: status.Failing, Streams: []string{evil}, What: evil, Remedy: evil}},
		Streams: []status.Status{{
			Connection: evil, Tenant: evil, Stream: evil, Name: evil, LagSeconds: &lag, Warnings: []string{evil}, State: status.Verdict(`"><script>`),
			LastError: &status.LastError{Text: evil, Count: 2},
		}},
	}
	h := page.New(page.Config{Snapshot: fixed(s), Run: func(context.Context) ([]pipeline.Report, error) { return nil, errors.New(evil) }})
	for name, w := range map[string]*httptest.ResponseRecorder{
		"page": ask(t, h, "GET", "/api/status?code=canary-key&connection="+`%3Cscript%3E`, "Accept", browser),
		"run":  ask(t, h, "POST", "/api/status?code=canary-key", "Accept", browser, "Sec-Fetch-Site", "same-origin"),
		"all":  ask(t, h, "GET", "/api/status?code=canary-key", "Accept", browser),
	} {
		body := w.Body.String()
		if strings.Contains(body, "<script") || strings.Contains(body, `" onload=`) || strings.Contains(body, "canary") {
			t.Errorf("%s: %s", name, body)
		}
	}
	var got status.Snapshot
	if err := json.Unmarshal(ask(t, h, "GET", "/api/status").Body.Bytes(), &got); err != nil || got.Summary != evil {
		t.Errorf("%+v, %v", got, err)
	}
}

// A run is begun once, its outcome is the answer, and if it takes long the answer says that it runs.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		takes, result := time.Second, []pipeline.Report{{Stream: "Events", State: pipeline.Drained, Sent: 7}}
		var failed error
		h := page.New(page.Config{Snapshot: fixed(status.Snapshot{}), Run: func(ctx context.Context) ([]pipeline.Report, error) {
			begun.Add(1)
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				t.Error("the run ended with the request")
			}
			return result, failed
		}})
		if w := ask(t, h, "POST", "/api/status/run"); w.Code != 200 || !strings.Contains(w.Body.String(), `"sent": 7`) {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		if w := ask(t, h, "POST", "/api/status", "Accept", browser); w.Code != 200 || !strings.Contains(w.Body.String(), "7 sent") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		result[0].State = pipeline.Failed
		if w := ask(t, h, "POST", "/api/status/run"); w.Code != 500 {
			t.Errorf("a failed stream: %d", w.Code)
		}
		failed = errors.New("settings")
		if w := ask(t, h, "POST", "/api/status/run"); w.Code != 500 || !strings.Contains(w.Body.String(), "settings") {
			t.Errorf("a failed run: %d", w.Code)
		}
		failed, takes = nil, time.Minute
		for range 2 { // the second does not begin another
			if w := ask(t, h, "POST", "/api/status/run"); w.Code != 202 || !strings.Contains(w.Body.String(), `"running": true`) {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		}
		if n := begun.Load(); n != 5 {
			t.Errorf("%d runs", n)
		}
		<-time.After(time.Minute)
	})
}

// A page elsewhere can't start a run.
func TestRunFromElsewhere(t *testing.T) {
	h := page.New(page.Config{Snapshot: fixed(status.Snapshot{}), Run: func(context.Context) ([]pipeline.Report, error) {
		t.Error("it ran")
		return nil, nil
	}})
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}} {
		if w := ask(t, h, "POST", "/api/status/run", header...); w.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
}

// Reloading takes no new snapshot every time.
func TestSnapshotsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		h := page.New(page.Config{Snapshot: func(context.Context) status.Snapshot {
			taken++
			<-time.After(time.Second)
			return status.Snapshot{}
		}})
		for range 10 {
			go ask(t, h, "GET", "/api/status/health")
		}
		<-time.After(2 * time.Second)
		ask(t, h, "GET", "/api/status")
		if taken != 1 {
			t.Errorf("%d snapshots for 11 requests", taken)
		}
		<-time.After(5 * time.Second)
		if ask(t, h, "GET", "/api/status"); taken != 2 {
			t.Errorf("%d snapshots later", taken)
		}
	})
}

// Hundreds of connections make a page of a size that a phone can show.
func TestManyStreams(t *testing.T) {
	s := status.Snapshot{State: status.Failing, At: time.Now()}
	for n := range 900 {
		one := status.Status{Connection: fmt.Sprint("tenant", n), Name: "Events", State: status.OK}
		if n == 700 {
			one.State = status.Failing
		}
		at := s.At.Truncate(time.Hour)
		one.Completeness = []status.Span{{From: at.Add(-167 * time.Hour), To: at, Cover: status.Proven}}
		s.Streams = append(s.Streams, one)
	}
	h := page.New(page.Config{Snapshot: fixed(s)})
	body := ask(t, h, "GET", "/api/status", "Accept", browser).Body.String()
	if len(body) > 1<<20 || !strings.Contains(body, "<h2>tenant700/Events") || !strings.Contains(body, "880 more streams") {
		t.Errorf("%d bytes", len(body))
	}
	body = ask(t, h, "GET", "/api/status?connection=TENANT5", "Accept", browser).Body.String()
	if strings.Contains(body, "tenant700/Events") || !strings.Contains(body, "<h2>tenant5/Events") {
		t.Errorf("only one connection: %.2000s", body)
	}
}

// fleet is a snapshot of many connections; those whose number ends in 7 fail.
func fleet(connections int) status.Snapshot {
	s := status.Snapshot{State: status.Failing, At: time.Now()}
	for n := range connections {
		one := status.Status{Connection: fmt.Sprintf("acme%03d", n), Tenant: fmt.Sprintf("org-%03d", n), Name: "Events", State: status.OK}
		if n%10 == 7 {
			one.State = status.Failing
			s.Problems = append(s.Problems, status.Problem{State: one.State, Streams: []string{one.Label()}, What: fmt.Sprintf("trouble of number %d", n), Remedy: "none"})
		}
		s.Streams = append(s.Streams, one)
	}
	return s
}

// A person finds a connection among hundreds, as a script does; the key stays in the address alone.
func TestSearch(t *testing.T) {
	h := page.New(page.Config{Snapshot: fixed(fleet(300)), Run: func(context.Context) ([]pipeline.Report, error) {
		t.Error("the search polls")
		return nil, nil
	}})
	search := func(form string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/status?code=canary-key", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", browser)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != http.StatusOK || strings.Contains(body, "canary") || strings.Contains(body, "http-equiv") {
			t.Errorf("%d: %.500s", w.Code, body)
		}
		return w.Body.String()
	}
	for name, tc := range map[string]struct {
		body     string
		has, not []string
	}{
		"all":                  {ask(t, h, "GET", "/api/status", "Accept", browser).Body.String(), []string{`role="search"`, `<th scope="row">acme007/Events`, "100 more streams are not shown", "280 more streams are not shown in detail"}, []string{"streams found", `<th scope="row">acme299`}},
		"part of a name":       {search("view=search&q=ACME12"), []string{`value="ACME12"`, "10 streams found", "acme127/Events", "trouble of number 127"}, []string{"acme007", "number 7<"}},
		"a tenant":             {search("view=search&q=+org-299+"), []string{"1 streams found", "acme299/Events", "Nothing."}, []string{"acme298"}},
		"only trouble":         {search("view=search&q=&trouble=1"), []string{"30 streams found", " checked", "acme297/Events"}, []string{"acme298"}},
		"nothing":              {search("view=search&q=%3Cscript%3E"), []string{"0 streams found", "None.", "&lt;script&gt;"}, []string{"<script", "acme"}},
		"an address":           {ask(t, h, "GET", "/api/status?q=acme12&trouble=1", "Accept", browser).Body.String(), []string{"1 streams found", "acme127"}, []string{"acme126"}},
		"JSON":                 {ask(t, h, "GET", "/api/status?q=acme12&trouble=1").Body.String(), []string{`"acme127"`, "trouble of number 127"}, []string{"acme126", "number 117"}},
		"JSON of a connection": {ask(t, h, "GET", "/api/status?connection=Acme001").Body.String(), []string{`"acme001"`}, []string{"acme000"}},
	} {
		for _, text := range tc.has {
			if !strings.Contains(tc.body, text) {
				t.Errorf("%s lacks %q", name, text)
			}
		}
		for _, text := range tc.not {
			if strings.Contains(tc.body, text) {
				t.Errorf("%s has %q", name, text)
			}
		}
	}
	if w := ask(t, h, "GET", "/api/status", "Accept", browser); w.Body.Len() > 1<<20 {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

// A snapshot of hundreds of streams takes thousands of requests, so it is shown for longer.
func TestLargeSnapshotsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		h := page.New(page.Config{Snapshot: func(context.Context) status.Snapshot {
			taken++
			return fleet(300)
		}})
		for range 12 {
			ask(t, h, "GET", "/api/status/health")
			<-time.After(5 * time.Second)
		}
		if taken != 3 {
			t.Errorf("%d snapshots in a minute, want 3", taken)
		}
	})
}
