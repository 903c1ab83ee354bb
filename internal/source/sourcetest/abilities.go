package sourcetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// windowsHoldTheStream: of a source that can read windows again, the windows side by side hold
// each dated record of a walk, in the window of its time and in no other; and where it counts
// them, it counts what it lists.
func windowsHoldTheStream(t *testing.T, w *World) {
	src, ok := w.Open().(pipeline.WindowReader)
	if !ok {
		t.Skip("the source can't read windows")
	}
	want := map[string]time.Time{}
	var first, last time.Time
	newLedger(t, w).walk(w.Open(), "", func(p pipeline.Page) {
		for _, rec := range p.Records {
			if rec.Time.IsZero() {
				continue
			}
			want[rec.ID] = rec.Time
			if first.IsZero() || rec.Time.Before(first) {
				first = rec.Time
			}
			if rec.Time.After(last) {
				last = rec.Time
			}
		}
	})
	const pieces = 17 // no border where something else has one
	width := (last.Sub(first)/pieces + time.Millisecond).Truncate(time.Millisecond)
	got := map[string]time.Time{}
	for from := first.Truncate(time.Millisecond); !from.After(last); from = from.Add(width) {
		l, rows := newLedger(t, w), 0
		l.walkWithRetries(func(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
			page, err := src.FetchWindow(ctx, from, from.Add(width), after)
			rows += len(page.Records) // pages may overlap, and a service may list an id twice
			for _, rec := range page.Records {
				got[rec.ID] = rec.Time
				if rec.Time.Before(from) || !rec.Time.Before(from.Add(width)) {
					t.Errorf("the window from %v, %v wide, holds record %q of %v", from, width, rec.ID, rec.Time)
				}
			}
			return page, err
		})
		counter, ok := src.(pipeline.Counter)
		if !ok {
			continue
		}
		if n, err := counter.Count(t.Context(), from, from.Add(width)); err != nil || int(n) < len(l.seen) || int(n) > rows {
			t.Errorf("the window from %v, %v wide, lists %d different records in %d rows and counts %d, %v", from, width, len(l.seen), rows, n, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the windows hold others than the walk (-walk +windows):\n%s", diff)
	}
}

// ackMayBeRepeated: an acknowledgement may come twice, come late, and leave places out; what is
// not acknowledged stays.
func ackMayBeRepeated(t *testing.T, w *World) {
	src := w.Open()
	if _, ok := src.(pipeline.Acker); !ok {
		t.Skip("the source wants no acknowledgement")
	}
	var cursors []pipeline.Cursor
	var seen []int
	l := newLedger(t, w)
	l.walk(src, "", func(p pipeline.Page) {
		cursors = append(cursors, p.Next)
		seen = append(seen, len(l.seen))
	})
	middle := len(cursors) / 2
	for _, through := range []pipeline.Cursor{cursors[middle], cursors[middle], cursors[0]} {
		for _, of := range []pipeline.Source{src, w.Open()} { // this process and one after it
			if err := of.(pipeline.Acker).Ack(t.Context(), through); err != nil { //nolint:forcetypeassert // seen above
				t.Fatalf("Ack(%s): %v", through, err)
			}
		}
	}
	rest := newLedger(t, w)
	rest.walk(w.Open(), cursors[middle], nil)
	if got, want := len(rest.seen), len(w.Want)-seen[middle]; got != want {
		t.Errorf("%d records after the acknowledged place, want %d", got, want)
	}
}

// ackKeepsWhatIsNew: what appears while a page is delivered is not acknowledged with it, wherever
// in the order it appears.
func ackKeepsWhatIsNew(t *testing.T, w *World) {
	src := w.Open()
	acker, ok := src.(pipeline.Acker)
	if !ok {
		t.Skip("the source wants no acknowledgement")
	}
	l := newLedger(t, w)
	var end pipeline.Cursor
	l.walk(src, "", func(p pipeline.Page) { end = p.Next })
	id := w.Add()
	l.want[id] = nil
	for _, of := range []pipeline.Acker{acker, w.Open().(pipeline.Acker)} { //nolint:forcetypeassert // seen above
		if err := of.Ack(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	rest := newLedger(t, w)
	rest.want[id] = nil
	rest.walk(w.Open(), end, nil)
	if len(rest.seen) != 1 || !rest.seen[id] {
		t.Errorf("%d records are left after the acknowledgement, want only the new one", len(rest.seen))
	}
}

// damageIsNamed: what the connector has stored and can't read any more is named in the last page,
// costs nothing but itself, and is not acknowledged away.
func damageIsNamed(t *testing.T, w *World) {
	if !w.Stored {
		t.Skip("the source reads a service")
	}
	name := w.Damage()
	for range 2 {
		src := w.Open()
		l := newLedger(t, w)
		var last pipeline.Page
		l.walk(src, "", func(p pipeline.Page) { last = p })
		if last.Incomplete == nil || !strings.Contains(last.Incomplete.Error(), name) {
			t.Errorf("the last page says %v, want an error that names %s", last.Incomplete, name)
		}
		for id := range w.Want {
			if l.seen[id] == strings.Contains(id, w.Victim) {
				t.Errorf("record %q came: %v", id, l.seen[id])
			}
		}
		if acker, ok := src.(pipeline.Acker); ok {
			if err := acker.Ack(t.Context(), last.Next); err != nil {
				t.Fatal(err)
			}
		}
		for id := range w.Want { // now only what is damaged is left
			if !strings.Contains(id, w.Victim) {
				delete(w.Want, id)
			}
		}
	}
}
