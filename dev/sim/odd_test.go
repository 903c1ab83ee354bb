package sim_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// careless are defects of a connector that gets rows it can't read.
func careless() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"a row that can't be read is dropped": sources(func(p *pipeline.Page, _ error) {
			p.Records = slices.DeleteFunc(p.Records, func(r pipeline.Record) bool { return r.Flaw != "" })
		}),
		"a row that can't be read is taken for a sound one": sources(func(p *pipeline.Page, _ error) {
			for i := range p.Records {
				p.Records[i].Flaw = ""
			}
		}),
		"of a row that can't be read nothing is kept":                      runners(func(r *pipeline.Runner) { r.Quarantine = emptied{r.Quarantine} }),
		"a row that can't be read goes into quarantine for another reason": runners(func(r *pipeline.Runner) { r.Quarantine = mumbled{r.Quarantine} }),
		"documents without id that are the same are one": runners(func(r *pipeline.Runner) {
			if a, ok := r.Source.(auditable); ok {
				r.Source = unnumbered{r.Source, a}
			}
		}),
	}
}

// emptied keeps no bytes of what can't be read, and mumbled gives another reason.
type (
	emptied struct{ pipeline.Quarantine }
	mumbled struct{ pipeline.Quarantine }
)

func (e emptied) Put(ctx context.Context, stream string, rec pipeline.Record, reason pipeline.Reason, detail string) error {
	if reason == pipeline.Unreadable {
		rec.Raw = nil
	}
	return e.Quarantine.Put(ctx, stream, rec, reason, detail)
}

func (m mumbled) Put(ctx context.Context, stream string, rec pipeline.Record, reason pipeline.Reason, detail string) error {
	if reason == pipeline.Unreadable {
		reason = pipeline.Unfit
	}
	return m.Quarantine.Put(ctx, stream, rec, reason, detail)
}

// unnumbered gives documents without id that are the same one id. The tail and the audits do:
// what only one of them took for one, the other would deliver.
type unnumbered struct {
	pipeline.Source
	auditable
}

func (u unnumbered) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := u.Source.Fetch(ctx, after)
	return sameIDs(page), err
}

func (u unnumbered) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := u.auditable.FetchWindow(ctx, from, to, after)
	return sameIDs(page), err
}

func sameIDs(page pipeline.Page) pipeline.Page {
	for i := range page.Records {
		page.Records[i].ID, _, _ = strings.Cut(page.Records[i].ID, "#")
	}
	return page
}
