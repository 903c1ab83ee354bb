package sim_test

import (
	"context"
	"slices"
	"strings"

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
		"documents without id that are the same are one": sources(func(p *pipeline.Page, _ error) {
			for i := range p.Records {
				p.Records[i].ID, _, _ = strings.Cut(p.Records[i].ID, "#")
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
