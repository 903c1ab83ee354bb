package sim

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// What a page, and a walk through several, must hold.

// place is a cursor of the events.
type place struct {
	Created time.Time `json:"created"`
	ID      string    `json:"id"`
	Split   *struct{} `json:"split"`
	Skip    *struct{} `json:"skip"` // rows from there on that are read by their number, which is not known here
}

// plain reports whether the place says by itself which rows come after it.
func (p place) plain() bool {
	return p.Split == nil && p.Skip == nil
}

// before reports whether a row comes after the place.
func (p place) before(e *row) bool {
	if p.ID == "" {
		return !e.created.Before(p.Created)
	}
	return compareRows(e, &row{created: p.Created, id: p.ID}) > 0
}

// checkPage demands that a page of the tail, asked for at the moment asked, lacks nothing.
func (w *world) checkPage(r *run, after pipeline.Cursor, page *pipeline.Page, asked time.Time) {
	var from, to place
	if after == "" {
		from.Created = page.From
	} else if json.Unmarshal([]byte(after), &from) != nil || !from.plain() {
		return
	}
	if json.Unmarshal([]byte(page.Next), &to) != nil || !to.plain() {
		return
	}
	if w.missesTies(after, from, to) {
		w.unordered = true
		return // the audits find them
	}
	w.unordered = w.unordered || w.shifted(from, to, asked)
	got := make(map[*row]bool, len(page.Records))
	for _, rec := range page.Records {
		got[w.seen.find(rec.ID)] = true
	}
	begin, _ := slices.BinarySearchFunc(w.seen.events, &row{created: from.Created.Truncate(time.Millisecond), id: from.ID}, compareRows)
	for _, e := range w.seen.events[begin:] {
		if from.ID != "" && e.created.Equal(from.Created) && e.id == from.ID {
			continue
		}
		if to.before(e) && (page.More || !e.created.Before(page.Through)) {
			return
		}
		if !e.visible.After(asked) && !got[e] {
			w.breaks("%s: the page from %s to %s (more: %v) lacks %q of %s, visible since %s", r, after, page.Next, page.More, e.key, e.created.Format(time.RFC3339Nano), e.visible.Format(time.RFC3339Nano))
			return
		}
	}
}

// missesTies reports whether a walk may have missed ties.
func (w *world) missesTies(after pipeline.Cursor, from, to place) bool {
	return w.plan.unstableTies && w.plan.pageCap > 0 && after != "" && (from.ID == "" || to.ID == "")
}

// shifted reports whether a millisecond was read by number since then, and a row of it has become
// visible meanwhile: a row without id may have moved to the next page, where it can't be told from a twin.
func (w *world) shifted(from, to place, since time.Time) bool {
	now := w.now()
	return from.ID != "" && to.Created.Equal(from.Created) && slices.ContainsFunc(w.seen.events, func(e *row) bool {
		return e.created.Truncate(time.Millisecond).Equal(from.Created.Truncate(time.Millisecond)) && e.visible.After(since) && !e.visible.After(now)
	})
}

// checkSweep demands that a whole sweep of the invocations has brought each that was in the list all
// the while, in the state that it was in.
func (w *world) checkSweep(r *run, rep pipeline.Report) {
	if r == nil || rep.State != pipeline.Drained || len(r.pages) == 0 || r.pages[0].after != "" && r.pages[0].after != `{"offset":0}` {
		return
	}
	now := w.now()
	for i := range w.plan.invocations {
		inv := &w.plan.invocations[i]
		state := ""
		switch {
		case inv.Created.After(r.began):
			continue
		case inv.Completed.After(now): // in flight
		case inv.Completed.Before(r.began) && inv.Completed.After(now.Add(-listed)):
			state = inv.Completed.UTC().Format("2006-01-02T15:04:05.000Z")
		default:
			continue // it changed meanwhile, or the service may have forgotten it
		}
		if known := w.seen.rows[inv.ID+"|"+state]; !known.settled {
			w.breaks("%s: drained, and the invocation %s of %s in state %q has not arrived", r, inv.ID, inv.Created.Format(time.RFC3339Nano), state)
		}
	}
}

// listed is for how long after its end an invocation is in the list for certain.
const listed = 24 * time.Hour
