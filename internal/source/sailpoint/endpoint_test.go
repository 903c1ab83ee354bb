package sailpoint_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// Which paths are tried, in which order.
func TestPathsTried(t *testing.T) {
	for version, want := range map[string]struct{ search, count, triggers []string }{
		"": {
			[]string{"/search/v1", "/v2025/search", "/v3/search"},
			[]string{"/search/v1/count", "/v2025/search/count", "/v3/search/count"},
			[]string{"/trigger-invocations/v1/status", "/v2025/trigger-invocations/status", "/beta/trigger-invocations/status"},
		},
		"v1": {
			[]string{"/search/v1", "/v2025/search", "/v3/search"},
			[]string{"/search/v1/count", "/v2025/search/count", "/v3/search/count"},
			[]string{"/trigger-invocations/v1/status", "/v2025/trigger-invocations/status", "/beta/trigger-invocations/status"},
		},
		"v3": {
			[]string{"/v3/search", "/search/v1", "/v2025/search"},
			[]string{"/v3/search/count", "/search/v1/count", "/v2025/search/count"},
			[]string{"/v3/trigger-invocations/status", "/trigger-invocations/v1/status", "/v2025/trigger-invocations/status", "/beta/trigger-invocations/status"},
		},
		"v2026": {
			[]string{"/v2026/search", "/search/v1", "/v2025/search", "/v3/search"},
			[]string{"/v2026/search/count", "/search/v1/count", "/v2025/search/count", "/v3/search/count"},
			[]string{"/v2026/trigger-invocations/status", "/trigger-invocations/v1/status", "/v2025/trigger-invocations/status", "/beta/trigger-invocations/status"},
		},
	} {
		t.Run(version, func(t *testing.T) {
			s := says(reply{status: 404})
			cfg := config(s)
			cfg.APIVersion = version
			cl := sailpoint.NewClient(cfg)
			for _, op := range []struct {
				call  func() error
				paths []string
			}{
				{func() error { return cl.CheckSearch(t.Context()) }, want.search},
				{func() error { _, err := cl.Count(t.Context(), time.Now(), time.Now()); return err }, want.count},
				{func() error { return cl.CheckTriggers(t.Context()) }, want.triggers},
			} {
				before := len(s.asked())
				err := op.call()
				var got []string
				for _, r := range s.asked()[before:] {
					got = append(got, r.Path)
				}
				if diff := cmp.Diff(op.paths, got); diff != "" {
					t.Errorf("paths (-want +got):\n%s", diff)
				}
				if err == nil || retryable(err) != nil || !strings.Contains(err.Error(), "SAILPOINT_API_VERSION") || !strings.Contains(err.Error(), "SAILPOINT_BASE_URL") {
					t.Errorf("got %v, want an error that names the settings", err)
				}
			}
		})
	}
}

// What worked is asked first the next time; when it is gone, the others are tried again.
func TestPathIsRemembered(t *testing.T) {
	served := "/v3/search"
	s := &script{answer: func(_ int, r request, _ http.Header) reply {
		if r.Path != served {
			return reply{status: 404}
		}
		return reply{body: `[]`}
	}}
	src := client(t, s).Events()
	var got []string
	for _, path := range []string{"/v3/search", "/v3/search", "/search/v1", "/search/v1"} {
		served = path
		if _, err := window(t, src, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range s.asked() {
		got = append(got, r.Path)
	}
	want := []string{"/search/v1", "/v2025/search", "/v3/search", "/v3/search", "/v3/search", "/search/v1", "/search/v1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// Against the stand-in: every family serves, with the header that some demanded
// once. v3 has no triggers and beta no search: there the other is found.
func TestEveryFamily(t *testing.T) {
	families := []string{"v1", "v3", "v2024", "v2025", "v2026", "beta"}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			tn := newTenant()
			tn.Experimental = true
			other := map[string]string{"v3": "beta", "beta": "v3"}[family]
			for _, f := range families {
				if f != family && f != other {
					tn.Disabled = append(tn.Disabled, f)
				}
			}
			oddEvents(tn, time.Now().Add(-time.Hour), 300)
			cfg := config(tn)
			cfg.APIVersion = family
			cl := sailpoint.NewClient(cfg)
			got, _, err := walk(t.Context(), cl.Events(), "")
			if err != nil {
				t.Fatal(err)
			}
			sameAs(t, wanted(tn), got)
			if err := cl.CheckTriggers(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := cl.Count(t.Context(), time.Now().Add(-time.Hour), time.Now()); err != nil {
				t.Error(err)
			}
			asked := tn.Requests()
			if n := asked["/beta/search"]; (n == 1) != (family == "beta") || n > 1 || (family == "beta" && asked["/v3/search"] < 2) {
				t.Errorf("requests %v: want /beta/search once, and only from beta, and what serves from then on", asked)
			}
		})
	}
}

// A deprecated path is told once, for each endpoint.
func TestDeprecation(t *testing.T) {
	tn := newTenant()
	tn.Deprecated, tn.Disabled = true, []string{"v1"}
	log := &logBook{}
	cfg := config(tn)
	cfg.Log = log.logger()
	cl := sailpoint.NewClient(cfg)
	var warnings []string
	for range 3 {
		events, err := cl.Events().Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		triggers, err := cl.Triggers().Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		warnings = append(append(warnings, events.Warnings...), triggers.Warnings...)
	}
	want := []string{
		"SailPoint marks /v2025/search (search) as deprecated: set SAILPOINT_API_VERSION to a newer one",
		"SailPoint marks /v2025/trigger-invocations/status (trigger invocation status) as deprecated: set SAILPOINT_API_VERSION to a newer one",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "endpoint is deprecated"); n != 2 || !cl.Stats().Deprecated {
		t.Errorf("%d log lines, want 2:\n%s", n, log)
	}
}

// The address of one tenant beside the name of another puts events where they do not belong.
func TestCheckOfAnotherTenant(t *testing.T) {
	for name, test := range map[string]struct {
		host, tenant, says string
		state              check.Verdict
	}{
		"same":                             {"acme.api.identitynow.example", "acme", "acme", check.Passed},
		"same in other case":               {"proxy.example", "acme", "ACME", check.Passed},
		"another tenant's address":         {"globex.api.identitynow.example", "acme", "globex", check.Failed},
		"another tenant, by a proxy":       {"proxy.example", "acme", "globex", check.Failed},
		"an address named as it is":        {"acme.api.identitynow.example", "acme", "Acme Corporation", check.Passed},
		"no name set, so that of the host": {"globex.api.identitynow.example", "globex.api.identitynow.example", "globex", check.Passed},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.Name = test.says
			cfg := config(tn)
			cfg.BaseURL, cfg.Tenant = &url.URL{Scheme: "https", Host: test.host}, test.tenant
			var found check.Finding
			sailpoint.Connect(cfg).Check(t.Context(), func(f check.Finding) {
				if f.Item == "tenant" {
					found = f
				}
			})
			if found.State != test.state || test.state == check.Failed && !strings.Contains(found.Detail, "correct SAILPOINT_BASE_URL or TENANT_ID") {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	tn := newTenant()
	tn.Name = "acme"
	oddEvents(tn, time.Now().Add(-time.Hour), 300)
	cl := sailpoint.NewClient(config(tn))
	info, err := cl.Info(t.Context())
	if err != nil || info.TenantName != "acme" || info.TenantID == "" || info.Pod == "" {
		t.Errorf("info %+v, %v", info, err)
	}
	for name, check := range map[string]error{"token": cl.Token(t.Context()), "search": cl.CheckSearch(t.Context()), "triggers": cl.CheckTriggers(t.Context())} {
		if check != nil {
			t.Errorf("%s: %v", name, check)
		}
	}
	for _, r := range []string{"/search/v1", "/trigger-invocations/v1/status", "/oauth/token", "/oauth/info"} {
		if n := tn.Requests()[r]; n != 1 {
			t.Errorf("%d requests for %s, want 1", n, r)
		}
	}
	tn.Scopes = []string{tenant.ScopeSearch}
	narrow := sailpoint.NewClient(config(tn))
	if err := narrow.CheckSearch(t.Context()); err != nil {
		t.Error(err)
	}
	if err := narrow.CheckTriggers(t.Context()); err == nil || !strings.Contains(err.Error(), tenant.ScopeStatus) {
		t.Errorf("without the scope: %v", err)
	}
}

func TestInfoErrors(t *testing.T) {
	for name, c := range map[string]struct {
		r    reply
		text string
	}{
		"other_service": {reply{status: 404}, "does not answer like the SailPoint API: check TENANT_ID or SAILPOINT_BASE_URL"},
		"closed":        {reply{status: 403}, "does not answer like the SailPoint API: check TENANT_ID or SAILPOINT_BASE_URL"},
		"not_json":      {reply{body: "<html>welcome</html>"}, "not from a SailPoint tenant: <html>welcome"},
		"unavailable":   {reply{status: 503}, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client(t, says(c.r)).Info(t.Context()); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
}

func TestCount(t *testing.T) {
	tn := newTenant()
	from := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	oddEvents(tn, from, 300)
	cl := sailpoint.NewClient(config(tn))
	to := from.Add(100 * time.Second)
	want := int64(0)
	for e := range tn.Events() {
		if !e.Created.Before(from) && e.Created.Before(to) {
			want++
		}
	}
	got, err := cl.Events().Count(t.Context(), from, to)
	if err != nil || got != want || want == 0 {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	for _, header := range []string{"", "many", "-1"} {
		if n, err := client(t, says(reply{status: 204, header: map[string]string{"X-Total-Count": header}})).Count(t.Context(), from, to); err == nil {
			t.Errorf("X-Total-Count %q was taken for %d", header, n)
		}
	}
}

// The window is read exactly, page by page, whatever lies around it.
func TestFetchWindow(t *testing.T) {
	tn := newTenant()
	start := time.Now().Add(-10 * time.Hour).Truncate(time.Millisecond)
	oddEvents(tn, start, 4000)
	from, to := start.Add(500*time.Second), start.Add(2500*time.Second)
	want := wanted(tn)
	for e := range tn.Events() {
		if e.Created.Before(from) || !e.Created.Before(to) {
			delete(want, recordID(e))
		}
	}
	src := sailpoint.NewClient(config(tn)).Events()
	got, _, err := walk(t.Context(), windowed{src, from, to}, "")
	if err != nil {
		t.Fatal(err)
	}
	sameAs(t, want, got)
	if n, err := src.Count(t.Context(), from, to); err != nil || n != int64(len(want)) {
		t.Errorf("count %d, %v, want %d", n, err, len(want))
	}
	if slices.Contains([]int{0, 4000}, len(want)) {
		t.Errorf("the window holds %d events: it proves nothing", len(want))
	}
}
