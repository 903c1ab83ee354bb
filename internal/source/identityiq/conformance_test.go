package identityiq_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"
)

func TestAuditsConform(t *testing.T) {
	sourcetest.Run(t, func(*testing.T) *sourcetest.World {
		s := newServer()
		s.EventLimit = 100
		want := map[string][]byte{}
		add := func(i int, at time.Time) {
			s.AddAudit(stand.AuditEvent(i, at), at, time.Time{})
			want[stand.ID('a', i)] = nil
		}
		begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		for i := range 120 {
			add(i, begin.Add(time.Duration(i)*17*time.Second))
		}
		for i := range 290 { // more than a page in one millisecond
			add(1000+i, begin.Add(20*time.Minute))
		}
		return eventsWorld(s, "auditEvents", want, stand.ID('a', 1100), func(c *identityiq.Client) pipeline.Source { return c.Audits() }, func() string {
			at := time.Now().Add(-time.Millisecond)
			s.AddAudit(stand.AuditEvent(5000, at), at, time.Time{})
			return stand.ID('a', 5000)
		})
	})
}

func TestSyslogConforms(t *testing.T) {
	sourcetest.Run(t, func(*testing.T) *sourcetest.World {
		s := newServer()
		s.EventLimit = 50
		want := map[string][]byte{}
		begin := time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
		for i := range 160 {
			at := begin.Add(time.Duration(i) * 20 * time.Second)
			s.AddSyslog(stand.SyslogEvent(i, at), at, time.Time{})
			want[stand.ID('b', i)] = nil
		}
		return eventsWorld(s, "syslogEvents", want, stand.ID('b', 70), func(c *identityiq.Client) pipeline.Source { return c.Syslog() }, func() string {
			at := time.Now().Add(-time.Millisecond)
			s.AddSyslog(stand.SyslogEvent(5000, at), at, time.Time{})
			return stand.ID('b', 5000)
		})
	})
}

func TestTaskResultsConform(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.World {
		s := newServer()
		begin := time.Now().Add(-5 * time.Hour)
		put := func(i int, at time.Time) {
			id, raw := stand.TaskResult(i, at, at.Add(time.Minute), "Success")
			s.Put(stand.TaskResults, id, raw)
		}
		for i := range 420 {
			put(i, begin.Add(time.Duration(i)*20*time.Second))
		}
		return listWorld(t, s, stand.ID('c', 333), func(c *identityiq.Client) *identityiq.Resources { return c.TaskResults() }, func() { put(9000, time.Now().Add(-time.Minute)) })
	})
}

func TestViolationsConform(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.World {
		s := newServer()
		s.RefuseSort, s.TextTotal = true, true
		put := func(i int, at time.Time) {
			id, raw := stand.Violation(i, at, at, "Open")
			s.Put(stand.PolicyViolations, id, raw)
		}
		for i := range 300 {
			put(i, time.Now().Add(-time.Duration(i+1)*time.Minute))
		}
		return listWorld(t, s, stand.ID('d', 120), func(c *identityiq.Client) *identityiq.Resources { return c.PolicyViolations() }, func() { put(9000, time.Now()) })
	})
}

// eventsWorld is a world of one of the plugin's logs.
func eventsWorld(s *stand.Server, list string, want map[string][]byte, victim string, open func(*identityiq.Client) pipeline.Source, add func() string) *sourcetest.World {
	path := appContext + "/plugin/rest/SIEMPlugin"
	h := &tampered{Handler: s}
	w := world(s, h, path)
	w.List, w.Want, w.Victim, w.Add = list, want, victim, add
	w.Open = func() pipeline.Source { return open(identityiq.NewClient(config(h))) }
	w.Lasting["plugin_absent"] = func() { s.Plugin = stand.NotFound }
	w.Lasting["login_page"] = func() { s.Plugin = stand.LoginPage }
	w.Lasting["redirect"] = func() { s.Plugin = stand.Redirect }
	w.Lasting["right"] = func() { s.Rights = []string{stand.RightSCIM} }
	w.Lasting["plugin_error"] = func() {
		s.Faults = always(path, fault.Rule{Kind: fault.Foreign, Body: `{"code":"TimeError","message":"the times are not valid","details":""}`})
	}
	return w
}

// listWorld is a world of a list of SCIM. What its records are called is found out by reading it.
func listWorld(t *testing.T, s *stand.Server, victim string, open func(*identityiq.Client) *identityiq.Resources, add func()) *sourcetest.World {
	t.Helper()
	h := &tampered{Handler: s}
	w := world(s, h, appContext+"/scim/v2")
	w.List, w.Victim = "Resources", victim
	w.Open = func() pipeline.Source { return open(identityiq.NewClient(config(h))) }
	ids := func() map[string][]byte {
		records, _, err := walk(t.Context(), open(identityiq.NewClient(config(s))), "")
		if err != nil {
			t.Fatal(err)
		}
		return maps.Collect(func(yield func(string, []byte) bool) {
			for id := range records {
				if !yield(id, nil) {
					return
				}
			}
		})
	}
	w.Want = ids()
	w.Add = func() string {
		before := ids()
		add()
		for id := range ids() {
			if _, known := before[id]; !known {
				return id
			}
		}
		t.Fatal("nothing was added")
		return ""
	}
	w.Lasting["right"] = func() { s.Rights = []string{stand.RightEvents} }
	return w
}

// world has the faults that a server can have, on the paths of one stream.
func world(s *stand.Server, h *tampered, path string) *sourcetest.World {
	const token = appContext + "/oauth2/token"
	set := func(p *fault.Plan) func() { return func() { s.Faults = p } }
	return &sourcetest.World{
		Keyed: true,
		Passing: map[string]func(){
			"throttled":    set(once(path, fault.TooManyRequests, "7")),
			"server_error": set(once(path, fault.ServerError, "")),
			"bad_gateway":  set(once(path, fault.BadGateway, "")),
			"unavailable":  set(once(path, fault.Unavailable, "3")),
			"reset":        set(once(path, fault.Reset, "")),
			"reset_after":  set(once(path, fault.ResetAfter, "")),
			"cut":          set(once(path, fault.Cut, "")),
			"malformed":    set(once(path, fault.Malformed, "")),
			"wrong_shape":  set(once(path, fault.WrongShape, "")),
			"token_unavailable": func() {
				s.RevokeTokens()
				s.Faults = once(token, fault.Unavailable, "")
			},
			"token_reset": func() {
				s.RevokeTokens()
				s.Faults = once(token, fault.Reset, "")
			},
			"token_wrong_shape": func() {
				s.RevokeTokens()
				s.Faults = once(token, fault.WrongShape, "")
			},
		},
		Lasting: map[string]func(){
			"secret":  func() { s.ClientSecret = "another" },
			"refused": set(always(path, fault.Rule{Kind: fault.Unauthorized})),
			"context": func() { s.Context = "/other" },
		},
		Cap: func(rows int, told sourcetest.Told) {
			s.ServeAtMost, s.OmitTotal, s.TotalOfPage = rows, told == sourcetest.Nothing, told == sourcetest.OfPage
		},
		Hang: func(d time.Duration) { s.Faults = always("", fault.Rule{Kind: fault.Slow, Delay: d}) },
		Rewind: func() func() {
			h.rewound = true
			return func() { h.rewound = false }
		},
		Tamper: func(change func([]byte) []byte) { h.change = change },
	}
}

// tampered is a server whose lists pass through what the suite sets.
type tampered struct {
	http.Handler
	change  func([]byte) []byte
	rewound bool // and each request is one for the first page
}

func (h *tampered) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if query := r.URL.Query(); h.rewound && query.Has("startIndex") {
		query.Set("startIndex", "1")
		r.URL.RawQuery = query.Encode()
	}
	if h.change == nil || strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		h.Handler.ServeHTTP(rw, r)
		return
	}
	rec := httptest.NewRecorder()
	h.Handler.ServeHTTP(rec, r)
	maps.Copy(rw.Header(), rec.Header())
	rw.Header().Del("Content-Length")
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(h.change(rec.Body.Bytes()))
}
