package identityiq_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
)

// answering answers the requests to a path with a body.
func answering(s *stand.Server, path, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, path) {
			s.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
}

// SCIM may leave out a list that the total says is empty. Any other answer that has no list never means
// that there is nothing, and none of the plugin's does.
func TestListIsLeftOut(t *testing.T) {
	const schema = `"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`
	for name, c := range map[string]struct {
		path, body string
		empty      bool
	}{
		"SCIM, none":             {"/scim/", `{"totalResults":0,` + schema + `}`, true},
		"SCIM, null":             {"/scim/", `{"totalResults":0,"Resources":null,` + schema + `}`, true},
		"SCIM, total as text":    {"/scim/", `{"totalResults":"0",` + schema + `}`, true},
		"SCIM, some":             {"/scim/", `{"totalResults":3,` + schema + `}`, false},
		"SCIM, no total":         {"/scim/", `{` + schema + `}`, false},
		"SCIM, an error":         {"/scim/", `{"totalResults":0,"detail":"the database is away"}`, false},
		"SCIM, an object":        {"/scim/", `{"totalResults":0,"Resources":{}}`, false},
		"plugin, null":           {"/plugin/", `{"itemsPerPage":0,"currentIndex":1,"totalResults":0,"auditEvents":null}`, false},
		"plugin, none":           {"/plugin/", `{"itemsPerPage":0,"currentIndex":1,"totalResults":0}`, false},
		"plugin, some":           {"/plugin/", `{"itemsPerPage":0,"currentIndex":1,"totalResults":1,"auditEvents":null}`, false},
		"plugin, an error":       {"/plugin/", `{"totalResults":0,"code":"TimeError","message":"m","details":"d"}`, false},
		"plugin, something else": {"/plugin/", `{"status":"ok"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			client := identityiq.NewClient(config(answering(newServer(), c.path, c.body)))
			var src pipeline.Source = client.Audits()
			if c.path == "/scim/" {
				src = client.Alerts()
			}
			page, err := src.Fetch(t.Context(), "")
			if (err == nil) != c.empty || len(page.Records) > 0 || page.More {
				t.Errorf("%d records, more %v, %v", len(page.Records), page.More, err)
			}
		})
	}
}

// That a list is empty is believed only of a whole answer.
func TestEmptyListInADamagedAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		whole bool
	}{
		"whole":                 {`{"totalResults":0,"LIST":[]}`, true},
		"white space behind":    {"{\"totalResults\":0,\"LIST\":[ ]}\r\n", true},
		"cut before its end":    {`{"totalResults":0,"LIST":[]`, false},
		"cut before the total":  {`{"LIST":[],"totalRes`, false},
		"another answer behind": {`{"totalResults":0,"LIST":[]}{"totalResults":1,"LIST":[{"id":"1"}]}`, false},
		"text behind":           {`{"totalResults":0,"LIST":[]}<!-- odd -->`, false},
		"list left out, cut":    {`{"totalResults":0`, false},
		"list left out, twice":  {`{"totalResults":0}{"totalResults":0}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			for list, path := range map[string]string{"Resources": "/scim/", "auditEvents": "/plugin/"} {
				if strings.Contains(name, "left out") && path != "/scim/" {
					continue
				}
				client := identityiq.NewClient(config(answering(newServer(), path, strings.ReplaceAll(c.body, "LIST", list))))
				var src pipeline.Source = client.Audits()
				if path == "/scim/" {
					src = client.Alerts()
				}
				page, err := src.Fetch(t.Context(), "")
				damaged := errors.As(err, new(*pipeline.Retryable)) && strings.Contains(err.Error(), "the answer is damaged")
				if c.whole && err != nil || !c.whole && !damaged {
					t.Errorf("%s: %d records, %v", list, len(page.Records), err)
				}
			}
		})
	}
}

// A server that is restarted between two pages costs time only, whatever it answers until it is up:
// nothing, errors, or the page of a container that does not know the application yet.
func TestRestartBetweenPages(t *testing.T) {
	for name, c := range map[string]struct {
		starting http.HandlerFunc
		lasting  bool // the answer ends a run
	}{
		"no gateway": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) }, false},
		"starting": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999999")
			http.Error(w, "", http.StatusServiceUnavailable)
		}, false},
		"not deployed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<!doctype html><html><title>HTTP Status 404 – Not Found</title></html>")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.EventLimit, s.ServeAtMost = 50, 50
				at := time.Now().Add(-10 * time.Hour)
				for i := range 400 {
					at = at.Add(time.Second)
					s.AddAudit(stand.AuditEvent(i, at), at, time.Time{})
					id, raw := stand.Alert(i, at, at)
					s.Put(stand.Alerts, id, raw)
				}
				requests, up := 0, time.Time{}
				client := identityiq.NewClient(config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if requests++; requests == 9 {
						s.RevokeTokens() // the server keeps none
						up = time.Now().Add(2 * time.Minute)
					}
					if time.Now().Before(up) {
						c.starting(w, r)
						return
					}
					s.ServeHTTP(w, r)
				})))
				for _, src := range []pipeline.Source{client.Audits(), client.Alerts()} {
					requests, up = 0, time.Time{}
					seen, failed := map[string]bool{}, false
					for after, more := pipeline.Cursor(""), true; more; {
						page, err := src.Fetch(t.Context(), after)
						if err != nil {
							if passing := errors.As(err, new(*pipeline.Retryable)); passing == c.lasting {
								t.Fatalf("while it starts: %v", err)
							}
							failed = true
							<-time.After(30 * time.Second)
							continue
						}
						for _, rec := range page.Records {
							seen[rec.ID] = true
						}
						after, more = page.Next, page.More
					}
					if len(seen) != 400 || !failed {
						t.Errorf("%s: %d records of 400, failed %v", src.Stream().ID, len(seen), failed)
					}
				}
			})
		})
	}
}

// Rows without a total are taken only as far as their order proves them: in any other order, wherever it
// breaks, nobody knows what is missing.
func TestNeitherTotalNorOrder(t *testing.T) {
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for name, order := range map[string][]int{"first": {2, 1, 3}, "later": {1, 3, 2}, "last": {1, 2, 4, 3}} {
		t.Run(name, func(t *testing.T) {
			var rows []string
			for _, n := range order {
				rows = append(rows, string(stand.AuditEvent(n, at.Add(time.Duration(n)*time.Second))))
			}
			h := answering(newServer(), "/plugin/", `{"auditEvents":[`+strings.Join(rows, ",")+`]}`)
			page, err := identityiq.NewClient(config(h)).Audits().Fetch(t.Context(), "")
			if err == nil || !strings.Contains(err.Error(), "neither a total nor an order") {
				t.Errorf("%d records, %v", len(page.Records), err)
			}
		})
	}
}
