package sim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

// forwardDefects are mistakes that one could make in forwarding reports to a workflow.
func forwardDefects() map[string]func() sim.Options {
	const execute = "/workflows/v1/execute/"
	return map[string]func() sim.Options{
		"a workflow is started before that is announced": stores(func(s state.Store) state.Store { return unannounced{s} }),
		"an intent that was left behind is forgotten":    stores(func(s state.Store) state.Store { return forgetsIntent{s} }),
		"a start whose answer is lost is posted again": through(execute, func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			once := func() (*http.Response, error) {
				again := r.Clone(r.Context())
				again.Body = io.NopCloser(bytes.NewReader(body))
				return send(again)
			}
			resp, err := once()
			if err != nil {
				return once()
			}
			return resp, nil
		}),
		"a message of failure with status 200 counts as a start": startedIf(http.StatusOK, `"message":"Workflow`),
		"what the workflow refuses counts as a start":            startedIf(http.StatusBadRequest, ""),
		"too many requests counts as a start": through(execute, func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
			resp, err := send(r)
			if err == nil && resp.StatusCode == http.StatusTooManyRequests {
				resp.StatusCode = http.StatusOK
				resp = answered(resp, []byte(`{"workflowExecutionId":"4711"}`))
			}
			return resp, err
		}),
		"a delivery ends the forwarding":                     stores(func(s state.Store) state.Store { return endsBoth{s} }),
		"a report that is delivered is not handed over":      stores(func(s state.Store) state.Store { return notHandedOver{s} }),
		"saves of a forwarding are unconditional, two do it": twoForward,
		"rows wait for the forwarding": runners(func(r *pipeline.Runner) {
			if r.Source.Stream().ID == "SailPointSaaS_Reports" {
				r.Source = inLine{r.Source.(ackSource), r.Locks}
			}
		}),
	}
}

// TestForwardDefects: each of them is found.
func TestForwardDefects(t *testing.T) {
	search(t, forwardDefects(), func(o *sim.Options) { o.Reports = true })
}

// unannounced stores an intent a while after it has said so.
type unannounced struct{ state.Store }

func (u unannounced) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	e, err := reports.DecodeForwarding(data)
	if !strings.Contains(key, "/forward/") || err != nil || e.Posting == nil {
		return u.Store.Put(ctx, key, data, prev)
	}
	return prev, nil
}

// forgetsIntent takes an intent that is found for one that came to nothing.
type forgetsIntent struct{ state.Store }

func (f forgetsIntent) Get(ctx context.Context, key string) (state.Object, error) {
	object, err := f.Store.Get(ctx, key)
	if err != nil || !strings.Contains(key, "/forward/") {
		return object, err
	}
	if e, bad := reports.DecodeForwarding(object.Data); bad == nil && e.Posting != nil {
		e.Posting = nil
		object.Data, err = reports.EncodeForwarding(e)
	}
	return object, err
}

// startedIf takes answers for those of a start.
func startedIf(status int, says string) func() sim.Options {
	return through("/workflows/v1/execute/", func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		resp, err := send(r)
		if err != nil || resp.StatusCode != status {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && bytes.Contains(body, []byte(says)) {
			resp.StatusCode, body = http.StatusOK, []byte(`{"workflowExecutionId":"4711"}`)
		}
		resp = answered(resp, body)
		if err != nil {
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		}
		return resp, nil
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// endsBoth removes what is to be forwarded along with the report that was delivered.
type endsBoth struct{ state.Store }

func (e endsBoth) Delete(ctx context.Context, key string) error {
	err := e.Store.Delete(ctx, key)
	if prefix, id, ok := strings.Cut(key, "/waiting/"); ok && err == nil {
		for info, err := range e.List(ctx, prefix+"/parts/"+id) {
			if err == nil {
				_ = e.Store.Delete(ctx, info.Key)
			}
		}
	}
	return err
}

// notHandedOver does not note that a report is to be forwarded when it is delivered.
type notHandedOver struct{ state.Store }

func (n notHandedOver) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.Contains(key, "/forward/") && prev == state.Absent {
		return "", state.ErrConflict
	}
	return n.Store.Put(ctx, key, data, prev)
}

// twoForward lets two processes forward at a time, of which each overwrites what the other has stored.
func twoForward() sim.Options {
	return sim.Options{BreakStore: func(s state.Store) state.Store { return blindForwarding{s} }}
}

type blindForwarding struct{ state.Store }

func (b blindForwarding) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.Contains(key, "/forward/") && prev != state.Absent {
		prev = state.Any
	}
	return b.Store.Put(ctx, key, data, prev)
}

func (b blindForwarding) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if strings.HasSuffix(key, "SailPointSaaS_Forwarding") {
		return ctx, func(context.Context) error { return nil }, nil
	}
	return b.Store.Lock(ctx, key)
}

// inLine reads reports under the lock of the forwarding.
type inLine struct {
	ackSource
	locks pipeline.Locks
}

func (i inLine) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	_, release, err := i.locks.Lock(ctx, "SailPointSaaS_Forwarding")
	if errors.Is(err, pipeline.ErrLocked) {
		return pipeline.Page{Next: after}, nil // another time
	}
	if err != nil {
		return pipeline.Page{}, err
	}
	defer func() { _ = release(context.WithoutCancel(ctx)) }()
	return i.ackSource.Fetch(ctx, after)
}
