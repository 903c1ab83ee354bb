package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The same with a backfill that was left to the function.
func TestSeedsWithBackfill(t *testing.T) {
	playMany(t, few(25, 3), sim.Options{Backfill: true})
}

// longWindows changes the pages of windows of more than an hour, which only a backfill reads.
type longWindows struct {
	pipeline.Source
	pipeline.Counter
	pipeline.WindowReader
	pipeline.Undated
	change func(*pipeline.Page)
}

func (l longWindows) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := l.WindowReader.FetchWindow(ctx, from, to, after)
	if err == nil && to.Sub(from) > time.Hour {
		l.change(&page)
	}
	return page, err
}

// backfillDefects are mistakes that one could make in a backfill.
func backfillDefects() map[string]func() sim.Options {
	return map[string]func() sim.Options{
		"a page counts as the last of its day": longPages(func(p *pipeline.Page) { p.More = false }),
		"a page of a day lacks its last event": longPages(func(p *pipeline.Page) { p.Records = p.Records[:max(0, len(p.Records)-1)] }),
	}
}

func longPages(change func(*pipeline.Page)) func() sim.Options {
	return runners(func(r *pipeline.Runner) {
		all, ok := r.Source.(interface {
			pipeline.Counter
			pipeline.WindowReader
			pipeline.Undated
		})
		if ok {
			r.Source = longWindows{r.Source, all, all, all, change}
		}
	})
}

// TestBackfillDefects: each of them is found, although the comparison at the end would repair it.
func TestBackfillDefects(t *testing.T) {
	search(t, backfillDefects(), func(o *sim.Options) { o.Backfill = true })
}
