package sim_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// pushDefects are mistakes that one could make with what is pushed.
func pushDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"a push is answered before it is stored":             stores(func(s state.Store) state.Store { return tardy{s} }),
		"an acknowledgement takes along what has come since": stores(func(s state.Store) state.Store { return deletesAll{s} }),
		"a page is acknowledged as soon as it is read":       inboxes(func(of ackSource) pipeline.Source { return ackEarly{of} }),
		"nothing is acknowledged":                            inboxes(func(of ackSource) pipeline.Source { return ackNever{of} }),
		"the last record of a page is dropped":               inboxes(func(of ackSource) pipeline.Source { return dropsLast{of} }),
		"what is pushed is left to the run after the next":   inboxes(func(of ackSource) pipeline.Source { return &leaves{ackSource: of} }),
		"the other stream's ledger is not consulted":         ledgers(func(b *ledger.Beside) { b.Others = nil }),
		"what comes again in the next hour is new":           ledgers(func(b *ledger.Beside) { b.Reach = 0 }),
	}
}

// ackSource is the source of an inbox.
type ackSource interface {
	pipeline.Source
	pipeline.Acker
}

func stores(change func(state.Store) state.Store) func() sim.Options {
	return func() sim.Options { return sim.Options{BreakStore: change} }
}

func inboxes(change func(ackSource) pipeline.Source) func() sim.Options {
	return runners(func(r *pipeline.Runner) {
		if of, ok := r.Source.(ackSource); ok {
			r.Source = change(of)
		}
	})
}

func ledgers(change func(*ledger.Beside)) func() sim.Options {
	return runners(func(r *pipeline.Runner) {
		wrapLedger(r, func(l pipeline.Ledger) pipeline.Ledger {
			if b, ok := l.(*ledger.Beside); ok {
				change(b)
			}
			return l
		})
	})
}

type tardy struct{ state.Store }

func (f tardy) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.Contains(key, "/inbox/") {
		go func() { _, _ = f.Store.Put(context.WithoutCancel(ctx), key, slices.Clone(data), prev) }()
		return "stored soon", nil
	}
	return f.Store.Put(ctx, key, data, prev)
}

type deletesAll struct{ state.Store }

func (e deletesAll) Delete(ctx context.Context, key string) error {
	if prefix, _, ok := strings.Cut(key, "/inbox/"); ok {
		for info, err := range e.List(ctx, prefix+"/inbox/") {
			if err == nil {
				_ = e.Store.Delete(ctx, info.Key)
			}
		}
	}
	return e.Store.Delete(ctx, key)
}

type ackEarly struct{ ackSource }

func (h ackEarly) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := h.ackSource.Fetch(ctx, after)
	if err == nil {
		_ = h.Ack(ctx, page.Next)
	}
	return page, err
}

type ackNever struct{ ackSource }

func (ackNever) Ack(context.Context, pipeline.Cursor) error { return nil }

type dropsLast struct{ ackSource }

func (d dropsLast) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := d.ackSource.Fetch(ctx, after)
	page.Records = page.Records[:max(0, len(page.Records)-1)]
	return page, err
}

// leaves finds an empty inbox each other time.
type leaves struct {
	ackSource
	walks int
}

func (l *leaves) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if !strings.Contains(string(after), `"after"`) {
		if l.walks++; l.walks%2 == 1 {
			return pipeline.Page{Next: "{}", Through: time.Now()}, ctx.Err()
		}
	}
	return l.ackSource.Fetch(ctx, after)
}

// TestPushDefects: each of them is found.
func TestPushDefects(t *testing.T) {
	search(t, pushDefects(), func(o *sim.Options) { o.Pushes = true })
}
