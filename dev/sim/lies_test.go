package sim_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// credulous are defects of a connector that believes what it is told.
func credulous() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"the state is not proved before rows are sent": runners(func(r *pipeline.Runner) {
			r.Uncommitted = nil
			wrapLedger(r, func(l pipeline.Ledger) pipeline.Ledger { return noProof{l} })
		}),
		"a lock that is held for ever is no failure":      runners(func(r *pipeline.Runner) { r.Longest = 0 }),
		"a stream that begins anew does not say so":       runners(func(r *pipeline.Runner) { r.Lookback = 0 }),
		"the clock is not compared with anybody's":        runners(func(r *pipeline.Runner) { r.Clock = nil }),
		"the ledger is pruned half a day early":           runners(pruneEarly),
		"a row outside of the time asked for is followed": sources(followed),
		"the body of an acknowledgement is not looked at": sinkAnswers(func(r *http.Response) { r.Body, r.ContentLength = http.NoBody, 0 }),
		"an answer before the whole batch is believed":    wholeAtOnce,
	}
}

type noProof struct{ pipeline.Ledger }

func (noProof) Prove(context.Context, []pipeline.Record) error { return nil }

func pruneEarly(r *pipeline.Runner) {
	wrapLedger(r, func(l pipeline.Ledger) pipeline.Ledger {
		if p, ok := l.(pipeline.Pruner); ok {
			return hasty{l, p}
		}
		return l
	})
}

type hasty struct {
	pipeline.Ledger
	pruner pipeline.Pruner
}

func (h hasty) Prune(ctx context.Context, before time.Time) (int, error) {
	return h.pruner.Prune(ctx, before.Add(12*time.Hour))
}

// followed moves the cursor to a row that was not asked for.
func followed(p *pipeline.Page, err error) {
	for _, rec := range p.Records {
		if err == nil && rec.Time.Year() == 9999 {
			p.Next = `{"created":"9999-12-31T23:59:59.000Z","id":"` + pipeline.Cursor(rec.ID) + `"}`
		}
	}
}

// sinkAnswers changes what comes back with a status of 200 from the workspace.
func sinkAnswers(change func(*http.Response)) func() sim.Options {
	return func() sim.Options {
		return sim.Options{BreakHTTP: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil && resp.StatusCode == http.StatusOK && strings.HasSuffix(r.URL.Path, "/api/logs") {
					change(resp)
				}
				return resp, err
			})
		}}
	}
}

// wholeAtOnce takes a batch as sent as soon as it sets out.
func wholeAtOnce() sim.Options {
	return sim.Options{BreakHTTP: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Body == nil || !strings.HasSuffix(r.URL.Path, "/api/logs") {
				return next.RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			other := r.Clone(r.Context())
			other.Body, other.GetBody = io.NopCloser(bytes.NewReader(body)), nil
			return next.RoundTrip(other)
		})
	}}
}
