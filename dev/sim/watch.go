package sim

import (
	"context"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// source is a source that is watched.
type source struct {
	pipeline.Source
	w    *world
	inst *instance
}

// auditable and undated are what the events can do besides.
type auditable struct {
	source
	windows
}

// windows is what an audit asks of a source.
type windows interface {
	pipeline.Counter
	pipeline.WindowReader
}

type undated struct {
	auditable
	pipeline.Undated
}

// uncounted can do all of that but count.
type uncounted struct {
	source
	pipeline.WindowReader
	pipeline.Undated
}

// reread can read a window again, and nothing else.
type reread struct {
	source
	pipeline.WindowReader
}

// acked learns what is delivered.
type acked struct {
	source
	pipeline.Acker
}

// watch puts a watching source around one, which can do what that can.
func watch(w *world, inst *instance, of pipeline.Source) pipeline.Source {
	plain := source{of, w, inst}
	if a, ok := of.(pipeline.Acker); ok {
		return acked{plain, a}
	}
	a, ok := of.(windows)
	if !ok {
		if r, ok := of.(pipeline.WindowReader); ok {
			return reread{plain, r}
		}
		return plain
	}
	u, ok := of.(pipeline.Undated)
	if !ok {
		return auditable{plain, a}
	}
	if w.o.Uncounted {
		return uncounted{plain, a, u}
	}
	return undated{auditable{plain, a}, u}
}

// Fetch implements [pipeline.Source].
func (s source) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if s.Stream().ID == triggersStream && s.inst.number("first fetch") == 1 {
		// In a new process both streams would wait for the same token, wake up at the same instant
		// and race for the only request that the rate limit lets through.
		if err := s.inst.wait(ctx, s.w.dice.span("first fetch", s.inst.id, time.Second, 3*time.Second)); err != nil {
			return pipeline.Page{}, err
		}
	}
	asked := s.w.now()
	got, err := s.Source.Fetch(ctx, after)
	if err != nil {
		return got, err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	r := s.inst.runs[s.Stream().ID]
	p := page{after: after, next: got.Next, asked: asked}
	for _, rec := range got.Records {
		p.keys = append(p.keys, rec.ID)
	}
	r.pages = append(r.pages, p)
	s.w.tracef("%s fetches %d records from %s to %s, more: %v", r, len(got.Records), after, got.Next, got.More)
	if s.Stream().ID == eventsStream {
		s.w.checkPage(r, after, &got, asked)
	}
	for _, g := range s.w.guests {
		if slices.Contains(g.streams, s.Stream().ID) {
			g.checkPage(s.w, r, after, &got, asked)
		}
	}
	return got, nil
}
