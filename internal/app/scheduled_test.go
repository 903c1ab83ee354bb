package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// live polls every ten minutes, as often a new process as the old one, and
// returns the warnings about the read-back.
func (s *scene) live(t *testing.T, d time.Duration) (warnings []string) {
	t.Helper()
	var a *app.App
	for i, end := 0, time.Now().Add(d); time.Now().Before(end); i++ {
		if i%50 == 0 {
			var err error
			if a, err = app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		reports := a.Poll(ctx)
		cancel()
		if reports[0].State != pipeline.Drained {
			t.Fatalf("%+v", reports[0])
		}
		for _, w := range reports[0].Warnings {
			if strings.Contains(w, "workspace lack") || strings.Contains(w, "read-back") {
				warnings = append(warnings, w)
			}
		}
		<-time.After(10 * time.Minute)
	}
	return warnings
}

// What the workspace acknowledged and lost is found within two days, once, and
// sent again if that is wanted.
func TestDailyReadBack(t *testing.T) {
	for name, test := range map[string]struct {
		daily  config.DailyReadBack
		role   bool
		says   string // of each warning; "" for none
		times  int    // warnings, at the least
		copies int    // of the lost event in the end
	}{
		"off":                {config.NoReadBack, true, "", 0, 1},
		"report":             {config.ReportReadBack, true, "lacks 1 of 35 events", 1, 1},
		"repair":             {config.RepairReadBack, true, "lacked 1 of 35 events", 1, 2},
		"without permission": {config.ReportReadBack, false, "Log Analytics Reader", 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: test.daily}
				begin := time.Now()
				// Before the first run's lookback: never delivered, and not missing.
				s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"old","created":%q}`, begin.Add(-30*time.Hour).Format(time.RFC3339)), time.Time{})
				for i := range 40 {
					s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"e%d","created":%q}`, i, begin.Add(time.Duration(i)*time.Minute).Format(time.RFC3339)), time.Time{})
				}
				s.workspace.Queries.NoReader = !test.role
				s.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
					return table == events && row["id_s"] == "e7" && i < 40
				}
				warnings := s.live(t, 76*time.Hour)
				for _, w := range warnings {
					if !strings.Contains(w, test.says) {
						t.Errorf("warning %q, want it to say %q", w, test.says)
					}
				}
				if len(warnings) < test.times || test.role && len(warnings) > test.times {
					t.Errorf("warnings %q, want %d", warnings, test.times)
				}
				if n := s.workspace.Table(events).IDs()["e7"]; n != test.copies {
					t.Errorf("the lost event was sent %d times, want %d", n, test.copies)
				}
			})
		})
	}
}

// Behind a pause a run delivers days at once. They are looked for once the workspace
// has had the time to show them, and not passed over because it had not.
func TestReadBackBehindAPause(t *testing.T) {
	for _, daily := range []config.DailyReadBack{config.ReportReadBack, config.RepairReadBack} {
		t.Run(string(daily), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: daily}
				begin := time.Now()
				for i := range 300 {
					s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"e%d","created":%q}`, i, begin.Add(time.Duration(i)*10*time.Minute).Format(time.RFC3339)), time.Time{})
				}
				s.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
					return table == events && row["id_s"] == "e70" && i < 300
				}
				s.live(t, time.Hour)
				<-time.After(52 * time.Hour)
				warnings := s.live(t, time.Hour)
				if len(warnings) != 1 || !strings.Contains(warnings[0], "1 of 1") {
					t.Errorf("warnings %q, want one", warnings)
				}
				want := map[config.DailyReadBack]int{config.ReportReadBack: 1, config.RepairReadBack: 2}[daily]
				if n := s.workspace.Table(events).IDs()["e70"]; n != want {
					t.Errorf("the lost event was sent %d times, want %d", n, want)
				}
			})
		})
	}
}

func TestReadBackMarkIsDamaged(t *testing.T) {
	for name, test := range map[string]struct{ data, says string }{
		"no JSON": {`{`, "is damaged"},
		"newer":   {`{"version":2,"through":"2026-09-01T00:00:00Z"}`, "upgrade"},
		"ahead":   {`{"version":1,"through":"2026-09-01T00:00:00Z"}`, "still to come"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: config.RepairReadBack}
				key := "acme/readback/" + events + ".json"
				if _, err := s.store.Put(t.Context(), key, []byte(test.data), state.Absent); err != nil {
					t.Fatal(err)
				}
				warnings := s.live(t, 10*time.Minute)
				if len(warnings) != 1 || !strings.Contains(warnings[0], test.says) || !strings.Contains(warnings[0], key) {
					t.Errorf("warnings %q", warnings)
				}
				if o, err := s.store.Get(t.Context(), key); err != nil || string(o.Data) != test.data {
					t.Errorf("the mark was overwritten: %s, %v", o.Data, err)
				}
			})
		})
	}
}

// What stands in the way of a read-back does not keep it from repairing the rest: a record that the
// workspace refuses, which waits in quarantine, and an event that every search shows unasked.
func TestReadBackRepairsTheRest(t *testing.T) {
	const outside = `{"id":"outside","created":"9999-12-31T23:59:59.000Z"}`
	for name, prepare := range map[string]func(s *scene){
		"a record that waits": func(s *scene) {
			s.workspace.Poison = func(raw []byte) bool { return strings.Contains(string(raw), `"e3"`) }
			// Another one of the same run proves that it is the record's fault.
			s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"beside","created":%q}`, time.Now().Add(30*time.Minute+time.Second).Format(time.RFC3339)), time.Time{})
		},
		"an event that was not asked for": func(s *scene) {
			s.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
				resp, err := service.RoundTrip(req)
				if err != nil || !strings.HasPrefix(req.URL.Path, "/search/") || resp.StatusCode != http.StatusOK {
					return resp, err
				}
				body, err := io.ReadAll(resp.Body)
				list, ok := strings.CutSuffix(string(body), "]")
				if !ok || list == "[" {
					list += outside + "]"
				} else {
					list += "," + outside + "]"
				}
				resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(list)), int64(len(list))
				resp.Header.Del("Content-Length")
				return resp, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: config.RepairReadBack}
				begin := time.Now()
				for i := range 40 {
					s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"e%d","created":%q}`, i, begin.Add(time.Duration(i)*10*time.Minute).Format(time.RFC3339)), time.Time{})
				}
				s.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
					return table == events && row["id_s"] == "e20" && i < 42
				}
				prepare(s)
				warnings := s.live(t, 76*time.Hour)
				if n := s.workspace.Table(events).IDs()["e20"]; n != 2 {
					t.Errorf("the lost event was sent %d times, want 2: %q", n, warnings)
				}
			})
		})
	}
}
