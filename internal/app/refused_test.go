package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const quarantined = "acme/quarantine/"

// refusing are the ways to refuse each record by itself.
var refusing = map[string]struct {
	begin func(*scene)
	says  string
}{
	"the workspace": {func(s *scene) { s.workspace.Poison = func([]byte) bool { return true } }, "may be a configuration error"},
	"a proxy with a small limit": {func(s *scene) {
		s.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
			if req.URL.Host == s.source().BaseURL.Host || req.ContentLength < 100 {
				return service.RoundTrip(req)
			}
			_, _ = io.Copy(io.Discard, req.Body)
			return &http.Response{
				StatusCode: http.StatusRequestEntityTooLarge, Header: http.Header{"Content-Type": {"text/html"}}, Request: req,
				Body: io.NopCloser(strings.NewReader("<html><title>413 Request Entity Too Large</title></html>")),
			}, nil
		}
	}, "proxy or gateway in between has a smaller limit"},
}

// addEvent adds an event to the tenant's index that is just old enough to be read.
func (s *scene) addEvent(id string) {
	at := time.Now().Add(-2 * time.Minute)
	s.tenant.AddEvent(fmt.Appendf(nil, `{"id":%q,"created":%q,"type":"AUTH","name":%q}`,
		id, at.UTC().Format("2006-01-02T15:04:05.000Z"), strings.Repeat("n", 200)), at)
}

// A workspace or a proxy that refuses each record by itself empties no tenant into
// quarantine, however few records there are and however often it runs. When it takes
// them again, they are all there.
func TestEveryRecordRefused(t *testing.T) {
	for api, open := range map[string]func() *scene{"data collector": newScene, "logs ingestion": withRule} {
		for by, way := range refusing {
			for _, n := range []int{1, 3, 99, 101} {
				t.Run(fmt.Sprintf("%s/%s/%d", api, by, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := open()
						for i := range n {
							s.addEvent(fmt.Sprintf("e%05d", i))
						}
						way.begin(s)
						poll := s.polling(t)
						for range 3 {
							rep := poll()
							if rep.State != pipeline.Failed || rep.Sent != 0 || rep.Quarantined != 0 || !strings.Contains(rep.Error, way.says) {
								t.Fatalf("%+v", rep)
							}
							if kept := s.keys(t, quarantined); kept != nil {
								t.Fatalf("in quarantine: %q", kept)
							}
							<-time.After(time.Minute)
						}
						s.workspace.Poison, s.pass = nil, nil
						if rep := poll(); rep.State != pipeline.Drained || rep.Sent != int64(n) || rep.Quarantined != 0 {
							t.Errorf("healed: %+v", rep)
						}
						if got := s.workspace.Table(events).Count(); got != n {
							t.Errorf("%d rows, want %d", got, n)
						}
					})
				})
			}
		}
	}
}

// One bad record on a quiet tenant fails its runs, until the workspace takes another
// one: then it goes into quarantine by itself.
func TestBadRecordOnAQuietTenant(t *testing.T) {
	for api, open := range map[string]func() *scene{"data collector": newScene, "logs ingestion": withRule} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open()
				s.workspace.Poison = func(raw []byte) bool { return bytes.Contains(raw, []byte(`"bad"`)) }
				s.addEvent("bad")
				poll := s.polling(t)
				for range 3 {
					if rep := poll(); rep.State != pipeline.Failed || rep.Quarantined != 0 || !strings.Contains(rep.Error, "as soon as the service accepts another one") {
						t.Fatalf("%+v", rep)
					}
					<-time.After(time.Minute)
				}
				s.addEvent("good")
				if rep := poll(); rep.State != pipeline.Drained || rep.Sent != 1 || rep.Quarantined != 1 {
					t.Errorf("%+v", rep)
				}
				if kept := s.keys(t, quarantined); len(kept) != 1 {
					t.Errorf("in quarantine: %q", kept)
				}
				if rep := poll(); rep.State != pipeline.Drained || rep.Sent != 0 || rep.Quarantined != 0 {
					t.Errorf("afterwards: %+v", rep)
				}
			})
		})
	}
}

// What a proxy says in the place of the workspace, or before it has read the batch,
// delivers nothing, and the run says so.
func TestForeignAcknowledgement(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"a policy":  {200, "Access denied by policy"},
		"a status":  {200, `{"status":"denied"}`},
		"nothing":   {200, `{}`},
		"a page":    {200, "<html><title>Sign in</title></html>"},
		"accepted":  {202, ""},
		"by others": {203, ""},
	} {
		for api, open := range map[string]func() *scene{"data collector": newScene, "logs ingestion": withRule} {
			t.Run(name+"/"+api, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := open()
					const n = 50
					for i := range n {
						s.addEvent(fmt.Sprintf("e%05d", i))
					}
					s.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
						if req.URL.Host == s.source().BaseURL.Host {
							return service.RoundTrip(req)
						}
						_, _ = io.Copy(io.Discard, req.Body)
						return &http.Response{StatusCode: answer.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(answer.body))}, nil
					}
					poll := s.polling(t)
					for range 2 {
						if rep := poll(); rep.State != pipeline.Failed || rep.Sent != 0 || rep.Quarantined != 0 || !strings.Contains(rep.Error, "in between") {
							t.Fatalf("%+v", rep)
						}
					}
					s.pass = nil
					if rep := poll(); rep.State != pipeline.Drained || rep.Sent != n || s.workspace.Table(events).Count() != n {
						t.Errorf("%d rows, %+v", s.workspace.Table(events).Count(), rep)
					}
				})
			})
		}
	}
}

// polling opens the app and returns how to do one run of the events.
func (s *scene) polling(t *testing.T) func() pipeline.Report {
	t.Helper()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
	if err != nil {
		t.Fatal(err)
	}
	return func() pipeline.Report {
		ctx, cancel := context.WithTimeout(t.Context(), s.settings.RunBudget)
		defer cancel()
		reports := a.Poll(ctx)
		return reports[0]
	}
}

// keys are the objects of the state whose key begins so.
func (s *scene) keys(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	for entry, err := range s.store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, entry.Key)
	}
	return keys
}
