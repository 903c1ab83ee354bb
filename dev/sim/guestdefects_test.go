package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	oktaLog  = "Okta"
	iiqAudit = "SailPointIIQ_Audit"

	iiqSyslog     = "SailPointIIQ_Syslog"
	iiqTasks      = "SailPointIIQ_TaskResults"
	iiqViolations = "SailPointIIQ_PolicyViolations"
	iiqAlerts     = "SailPointIIQ_Alerts"
)

// oktaDefects are mistakes that one could make in reading an Okta org.
func oktaDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"okta: the place is saved before the write":     within(oktaLog, checkpointFirst),
		"okta: a refused place begins again at now":     beginsAtNow,
		"okta: what is persisted late is passed over":   pages(oktaLog, withoutLate),
		"okta: a page's last event is dropped":          pages(oktaLog, func(p *pipeline.Page) { p.Records = p.Records[:max(0, len(p.Records)-1)] }),
		"okta: an empty page in place of one that lies": damaged("/api/v1/logs", "[]"),
		"okta: the page of the next link is left out":   skipsPages,
		"okta: the id is the time":                      pages(oktaLog, idIsTime),
	}
}

// appDefects are mistakes that one could make with a service app.
func appDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"okta app: a nonce that was renewed is not noticed": firstNonce,
		"okta app: a proof is used again":                   kept("DPoP"),
		"okta app: the first token is used for ever":        kept("Authorization"),
	}
}

// firstNonce hides each nonce of a process but its first ones, for tokens and for the log.
func firstNonce() sim.Options {
	return sim.Options{BreakHTTP: func(next http.RoundTripper) http.RoundTripper {
		seen := map[string]bool{}
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.Header.Get("DPoP-Nonce") != "" {
				if seen[r.URL.Path] {
					resp.Header.Del("DPoP-Nonce")
				}
				seen[r.URL.Path] = true
			}
			return resp, err
		})
	}}
}

// kept sends a header as it was when it was first sent.
func kept(name string) func() sim.Options {
	return func() sim.Options {
		first := ""
		return through("/api/v1/logs", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
			if first == "" {
				first = r.Header.Get(name)
			}
			r = r.Clone(r.Context())
			r.Header.Set(name, first)
			return send(r)
		})()
	}
}

// iiqDefects are mistakes that one could make in reading an IdentityIQ server.
func iiqDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"iiq: the place is saved before the write":      within(iiqAudit, checkpointFirst),
		"iiq: a full page proves its window":            total(func(rows int) int { return rows }),
		"iiq: the bounds count as inclusive":            later("startTime", 1),
		"iiq: what is committed late is not looked for": runners(withoutAudits),
		"iiq: older windows are compared now and then":  within(iiqAudit, nowAndThen),
		"iiq: a page's last event is dropped":           pages(iiqAudit, func(p *pipeline.Page) { p.Records = p.Records[:max(0, len(p.Records)-1)] }),
		"iiq: an answer without a list is an empty one": damaged("/SIEMPlugin/", `{"totalResults":0,"auditEvents":[]}`),
		"iiq: the id is the time":                       pages(iiqAudit, idIsTime),
		"iiq: a syslog page's last entry is dropped":    pages(iiqSyslog, func(p *pipeline.Page) { p.Records = p.Records[:max(0, len(p.Records)-1)] }),
		"iiq: a list's first page is all of it":         pages(iiqTasks, func(p *pipeline.Page) { p.More, p.Next = false, between(p.Next) }),
		"iiq: a list is read by the times of its changes": pages(iiqViolations, func(p *pipeline.Page) {
			if !p.More {
				p.Next = pipeline.Cursor(fmt.Sprintf(`{"since":%q}`, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")))
			}
		}),
		"iiq: a resource that changed is the one before": pages(iiqAlerts, func(p *pipeline.Page) {
			for i := range p.Records {
				p.Records[i].ID, _, _ = strings.Cut(p.Records[i].ID, "|")
			}
		}),
	}
}

func guestDefects() map[string]func() sim.Options {
	all := map[string]func() sim.Options{}
	add := func(guest sim.Kind, defects map[string]func() sim.Options) {
		for name, options := range defects {
			all[name] = func() sim.Options {
				o := options()
				o.Guests = []sim.Kind{guest}
				return o
			}
		}
	}
	add(sim.Okta, oktaDefects())
	add(sim.IIQ, iiqDefects())
	for name, options := range appDefects() {
		all[name] = func() sim.Options {
			o := options()
			o.Guests, o.ServiceApp = []sim.Kind{sim.Okta}, true
			return o
		}
	}
	return all
}

// TestGuestDefects: each of them is found.
func TestGuestDefects(t *testing.T) { search(t, guestDefects(), func(*sim.Options) {}) }

// TestGuestSeeds plays seeds with all guests in each of them.
func TestGuestSeeds(t *testing.T) {
	guests := []sim.Kind{sim.Okta, sim.IIQ}
	playMany(t, few(25, 4), sim.Options{Guests: guests, Rule: *ruleFlag, Off: kinds(*offFlag)})
	o := sim.Options{Guests: guests}
	playsAgain(t, *firstFlag, o, play(t, *firstFlag, o))
}

// TestServiceAppSeeds plays seeds in which the org is read with a service app.
func TestServiceAppSeeds(t *testing.T) {
	playMany(t, few(6, 1), sim.Options{Guests: []sim.Kind{sim.Okta}, ServiceApp: true, Rule: *ruleFlag})
}

// between is a place in a list between two times that it is read.
func between(at pipeline.Cursor) pipeline.Cursor {
	before, _, inside := strings.Cut(string(at), `,"at":`)
	if !inside {
		return at
	}
	return pipeline.Cursor(before + "}")
}

// within puts a defect into the runners of one stream.
func within(stream string, options func() sim.Options) func() sim.Options {
	return func() sim.Options {
		o := options()
		change := o.Break
		o.Break = func(r *pipeline.Runner) {
			if r.Source.Stream().ID == stream {
				change(r)
			}
		}
		return o
	}
}

// pages changes the pages of the tail of one stream.
func pages(stream string, change func(*pipeline.Page)) func() sim.Options {
	return within(stream, runners(func(r *pipeline.Runner) {
		c := changed{r.Source, func(_ context.Context, p *pipeline.Page, err error) {
			if err == nil {
				change(p)
			}
		}}
		if again, ok := r.Source.(pipeline.WindowReader); ok && !isAuditable(r.Source) {
			r.Source = readable{c, again}
			return
		}
		setSource(r, c)
	}))
}

func isAuditable(of pipeline.Source) bool {
	_, ok := of.(auditable)
	return ok
}

// readable is a changed source that can read a window again.
type readable struct {
	changed
	pipeline.WindowReader
}

// withoutLate takes the order of the log for the order of the times in it.
func withoutLate(p *pipeline.Page) {
	newest := time.Time{}
	p.Records = slices.DeleteFunc(p.Records, func(r pipeline.Record) bool {
		if r.Time.Before(newest) {
			return true
		}
		newest = r.Time
		return false
	})
}

func idIsTime(p *pipeline.Page) {
	for i := range p.Records {
		p.Records[i].ID = p.Records[i].Time.Format(time.RFC3339Nano)
	}
}

func withoutAudits(r *pipeline.Runner) {
	if r.Source.Stream().ID == iiqAudit {
		r.AuditPolicy.Ages = nil
	}
}

// through changes requests to a path and their answers.
func through(path string, change func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error)) func() sim.Options {
	return func() sim.Options {
		return sim.Options{BreakHTTP: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if !strings.Contains(r.URL.Path, path) {
					return next.RoundTrip(r)
				}
				return change(r, next.RoundTrip)
			})
		}}
	}
}

// asked is a request with another value of a parameter.
func asked(r *http.Request, name, value string) *http.Request {
	other := r.Clone(r.Context())
	query := other.URL.Query()
	query.Set(name, value)
	other.URL.RawQuery = query.Encode()
	return other
}

// answered is an answer with another body.
func answered(resp *http.Response, body []byte) *http.Response {
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp
}

// beginsAtNow asks for what is new once a place was refused.
func beginsAtNow() sim.Options {
	refused := false
	return through("/api/v1/logs", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		query := r.URL.Query()
		if refused && query.Has("since") && !query.Has("until") {
			refused = false
			r = asked(r, "since", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		resp, err := send(r)
		if err == nil && query.Has("after") && (resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusGone) {
			refused = true
		}
		return resp, err
	})()
}

// skipsPages follows the link of a page that it has not read.
func skipsPages() sim.Options {
	n := 0
	return through("/api/v1/logs", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		resp, err := send(r)
		if n++; err == nil && n%50 == 0 && resp.StatusCode == http.StatusOK {
			resp = answered(resp, []byte("[]"))
		}
		return resp, err
	})()
}

// damaged takes a body that can't be read for an empty one.
func damaged(path, empty string) func() sim.Options {
	return through(path, func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		resp, err := send(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !json.Valid(body) {
			body = []byte(empty)
		}
		return answered(resp, body), nil
	})
}

var totalResults = regexp.MustCompile(`"totalResults":("?)\d+`)

// total changes what the server counts of a window.
func total(of func(rows int) int) func() sim.Options {
	return through("/SIEMPlugin/", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		resp, err := send(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
		}
		rows := bytes.Count(body, []byte(`"created":`))
		return answered(resp, totalResults.ReplaceAll(body, []byte("\"totalResults\":${1}"+strconv.Itoa(of(rows))))), nil
	})
}

// later moves a time that is asked for by some milliseconds.
func later(name string, by int64) func() sim.Options {
	return through("/SIEMPlugin/", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		at, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
		if err == nil {
			r = asked(r, name, strconv.FormatInt(at+by, 10))
		}
		return send(r)
	})
}
