package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// reportDefects are mistakes that one could make with reports.
func reportDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"a report is answered before it is valid":            stores(func(s state.Store) state.Store { return lateBox{s, "/waiting/"} }),
		"a report is valid before its parts are stored":      stores(func(s state.Store) state.Store { return lateBox{s, "/parts/"} }),
		"what was stored before is not looked up":            stores(func(s state.Store) state.Store { return noSeen{s} }),
		"a report that has changed is the one before":        stores(func(s state.Store) state.Store { return oneSeen{s} }),
		"a report is remembered before it is valid":          stores(func(s state.Store) state.Store { return &seenFirst{Store: s} }),
		"a report is removed as soon as it is read":          inboxes(func(of ackSource) pipeline.Source { return ackEarly{of} }),
		"a report is not removed":                            inboxes(func(of ackSource) pipeline.Source { return ackNever{of} }),
		"the last row of a page is dropped":                  inboxes(func(of ackSource) pipeline.Source { return dropsLast{of} }),
		"an acknowledgement takes along reports that follow": stores(func(s state.Store) state.Store { return deletesAll{s} }),
		"rows of two reports have one id":                    inboxes(func(of ackSource) pipeline.Source { return oneReport{of} }),
		"a row that can't be read is passed over":            inboxes(func(of ackSource) pipeline.Source { return flawless{of} }),
	}
}

// lateBox stores some objects of reports only after it has said so.
type lateBox struct {
	state.Store
	kind string
}

func (l lateBox) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.Contains(key, l.kind) {
		go func() { _, _ = l.Store.Put(context.WithoutCancel(ctx), key, slices.Clone(data), prev) }()
		return "stored soon", nil
	}
	return l.Store.Put(ctx, key, data, prev)
}

// noSeen never finds what is remembered about a report.
type noSeen struct{ state.Store }

func (n noSeen) Get(ctx context.Context, key string) (state.Object, error) {
	if strings.Contains(key, "/seen/") {
		return state.Object{}, fmt.Errorf("get %q: %w", key, state.ErrNotFound)
	}
	return n.Store.Get(ctx, key)
}

// oneSeen takes all reports for one.
type oneSeen struct{ state.Store }

func one(key string) string {
	if before, _, ok := strings.Cut(key, "/seen/"); ok {
		return before + "/seen/one"
	}
	return key
}

func (o oneSeen) Get(ctx context.Context, key string) (state.Object, error) {
	return o.Store.Get(ctx, one(key))
}

func (o oneSeen) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	return o.Store.Put(ctx, one(key), data, prev)
}

// seenFirst swaps the order of the two objects that end the receipt of a report.
type seenFirst struct {
	state.Store
	mu   sync.Mutex
	held []func() error
}

func (s *seenFirst) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.Contains(key, "/waiting/") {
		data = slices.Clone(data)
		s.mu.Lock()
		s.held = append(s.held, func() error {
			_, err := s.Store.Put(ctx, key, data, prev)
			return err
		})
		s.mu.Unlock()
		return "stored soon", nil
	}
	etag, err := s.Store.Put(ctx, key, data, prev)
	if err == nil && strings.Contains(key, "/seen/") {
		s.mu.Lock()
		held := s.held
		s.held = nil
		s.mu.Unlock()
		for _, put := range held {
			_ = put()
		}
	}
	return etag, err
}

// oneReport leaves the delivery out of the records' ids.
type oneReport struct{ ackSource }

func (o oneReport) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := o.ackSource.Fetch(ctx, after)
	for i, rec := range page.Records {
		_, number, _ := strings.Cut(rec.ID, "#")
		page.Records[i].ID = "report#" + number
	}
	return page, err
}

// flawless drops what can't be read.
type flawless struct{ ackSource }

func (f flawless) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := f.ackSource.Fetch(ctx, after)
	page.Records = slices.DeleteFunc(page.Records, func(r pipeline.Record) bool { return r.Flaw != "" })
	return page, err
}

// TestReportDefects: each of them is found.
func TestReportDefects(t *testing.T) {
	search(t, reportDefects(), func(o *sim.Options) { o.Reports = true })
}
