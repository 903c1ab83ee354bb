package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// oddity is a page that is not as it should be, because of one element of it.
type oddity struct {
	// element is sent in the place of the victim; page in the place of a page that holds it.
	element func(victim []byte) []byte
	page    func(page []byte) []byte
	// sound: it is strange, and still a record.
	sound bool
	// more is how many records there are in the place of the victim beside the first.
	more int
}

// member puts a member in front of the others of an object.
func member(text string) func([]byte) []byte {
	return func(victim []byte) []byte { return append([]byte("{"+text+","), victim[1:]...) }
}

func instead(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

// oddities are what services have sent by mistake, or could.
func oddities() map[string]oddity {
	const levels = 10_001
	return map[string]oddity{
		"null":              {element: instead("null")},
		"number":            {element: instead("-17")},
		"boolean":           {element: instead("false")},
		"string":            {element: instead(`"]},{"`)},
		"array":             {element: func(v []byte) []byte { return []byte("[" + string(v) + "]") }},
		"not_json":          {element: instead("undefined")},
		"control_character": {element: member("\"odd\":\"\x01\n\"")},
		"control_in_name":   {element: member("\"o\x02dd\":1")},
		"escape":            {element: member(`"odd":"\x"`)},
		"not_a_number":      {element: member(`"odd":NaN`)},
		"twins":             {element: instead(`{"odd":1},{"odd":1}`), sound: true, more: 1},
		"deep":              {element: member(`"odd":` + strings.Repeat("[", levels) + strings.Repeat("]", levels))},
		"deep_objects":      {element: member(`"odd":` + strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels))},
		"nul_in_object":     {element: member("\"odd\":\x00 1")},
		"nul_around":        {element: func(v []byte) []byte { return []byte("\x00" + string(v) + "\x00") }, sound: true},
		"invalid_utf8":      {element: member("\"odd\":\"\xff\xfe\""), sound: true},
		"lone_surrogate":    {element: member(`"odd":"\ud800"`), sound: true},
		"duplicate_names":   {element: member(`"odd":1,"odd":2,"id":null`), sound: true},
		"comma_twice":       {element: func(v []byte) []byte { return []byte("," + string(v) + ",") }, sound: true},
		"bom":               {page: func(p []byte) []byte { return append([]byte("\xef\xbb\xbf"), p...) }, sound: true},
		"trailing_text":     {page: func(p []byte) []byte { return append(slices.Clip(p), "<!-- odd -->"...) }, sound: true},
		"quote_missing":     {element: member(`"odd":"a"b"`)},
		"quote_open":        {element: member(`"odd":"a`)},
		"bracket_missing":   {element: member(`"odd":[`)},
		"cut":               {page: func(p []byte) []byte { return p[:len(p)*2/3] }},
		"crowd":             {element: instead("{}" + strings.Repeat(",{}", 100_000))},
		"empty_list_before": {page: func(p []byte) []byte { return append([]byte("[]"), p...) }},
		"empty_list":        {page: instead("[]\n{\"error\":\"upstream timed out\"}")},
		"object":            {page: instead(`{"message":"Internal server error"}`)},
		"empty":             {page: instead("")},
		"nul":               {page: func(p []byte) []byte { return make([]byte, len(p)) }},
		"endless":           {page: func(p []byte) []byte { return append(slices.Clip(p[:len(p)/2]), make([]byte, 33<<20)...) }},
	}
}

// odd runs test with each oddity.
func odd(t *testing.T, build func(*testing.T) *World, test func(*testing.T, *World, oddity)) {
	t.Helper()
	all := oddities()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if testing.Short() && (i%3 > 0 || name == "endless") {
			continue // for the race detector one is like another, and the suite takes minutes
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := build(t)
				if all[name].more > 0 && w.Keyed {
					t.Skip("the service gives every record an id")
				}
				test(t, w, all[name])
			})
		})
	}
}

// tamper makes an answer odd if the victim is in it. It reports whether it was.
func (o oddity) tamper(page []byte, w *World) ([]byte, bool) {
	list := json.RawMessage(page)
	if w.List != "" {
		var members map[string]json.RawMessage
		if json.Unmarshal(page, &members) != nil || members[w.List] == nil {
			return page, false
		}
		list = members[w.List]
	}
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil {
		return page, false
	}
	i := slices.IndexFunc(elements, func(e json.RawMessage) bool { return bytes.Contains(e, []byte(w.Victim)) })
	if i < 0 {
		return page, false
	}
	if o.page != nil {
		return o.page(bytes.Clone(page)), true
	}
	parts := make([][]byte, len(elements))
	for j, e := range elements {
		parts[j] = e
	}
	parts[i] = o.element(bytes.Clone(parts[i]))
	changed := []byte("[" + string(bytes.Join(parts, []byte(","))) + "]")
	if w.List == "" {
		return changed, true
	}
	return bytes.Replace(page, list, changed, 1), true
}

// oddPages: what breaks the rules of JSON or of the stream costs itself: everything else comes,
// it has a record in its place that says so, and all that once and again in another process.
func oddPages(t *testing.T, w *World, o oddity) {
	w.Tamper(func(page []byte) []byte {
		page, _ = o.tamper(page, w)
		return page
	})
	l := oddWalk(t, w, o, w.Open())
	switch {
	case o.sound && len(l.flawed) > 0:
		t.Errorf("a sound record has a flaw: %v", l.flawed)
	case !o.sound && len(l.flawed) != 1:
		t.Errorf("%d records have a flaw, want one: %v", len(l.flawed), l.flawed)
	}
	if len(l.seen) != len(w.Want)+o.more {
		t.Errorf("%d different records came of %d", len(l.seen), len(w.Want)+o.more)
	}
	again := oddWalk(t, w, o, w.Open())
	if diff := cmp.Diff(l.seen, again.seen); diff != "" {
		t.Errorf("another walk gives other ids (-first +second):\n%s", diff)
	}
}

// oddWindow: a record in the place of what can't be read lies in the window in which the service
// counts it, so that an audit finds nothing to explain.
func oddWindow(t *testing.T, w *World, o oddity) {
	src, ok := w.Open().(pipeline.WindowReader)
	if !ok {
		t.Skip("the source can't be audited")
	}
	w.Tamper(func(page []byte) []byte {
		page, _ = o.tamper(page, w)
		return page
	})
	walked := oddWalk(t, w, o, w.Open())
	const width = 5 * time.Minute
	for _, rec := range walked.flawed {
		from := rec.Time.Truncate(width)
		fetch := func(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
			return src.FetchWindow(ctx, from, from.Add(width), after)
		}
		in, clean := newLedger(t, w), newLedger(t, w)
		in.more, clean.more = o.more > 0, o.more > 0
		in.walkWithRetries(fetch)
		w.Tamper(func(page []byte) []byte { return page })
		clean.walkWithRetries(fetch)
		n := len(clean.seen)
		have := 0
		for _, rec := range walked.all {
			if !rec.Time.Before(from) && rec.Time.Before(from.Add(width)) {
				have++
			}
		}
		if have != n || len(in.seen) != n {
			t.Errorf("window from %v: the service has %d, the walk had %d of it, and FetchWindow %d", from, n, have, len(in.seen))
		}
	}
}

// oddOnce: what does not come again the same way was the fault of the way, and costs nothing.
func oddOnce(t *testing.T, w *World, o oddity) {
	if o.more > 0 {
		t.Skip("nothing about it is odd but its number")
	}
	left := 2
	w.Tamper(func(page []byte) []byte {
		tampered, found := o.tamper(page, w)
		if !found || left == 0 {
			return page
		}
		left--
		return tampered
	})
	l := oddWalk(t, w, o, w.Open())
	if len(l.flawed) > 0 {
		t.Errorf("what passes was believed: %v", l.flawed)
	}
	l.complete()
}

// oddWalk walks the stream as the pipeline does, and checks what can be checked of sound records.
func oddWalk(t *testing.T, w *World, o oddity, src pipeline.Source) *ledger {
	t.Helper()
	l := newLedger(t, w)
	l.more = o.more > 0
	for id := range l.want {
		if strings.Contains(id, w.Victim) {
			l.want[id] = nil // its bytes may be others
		}
	}
	l.walkWithRetries(src.Fetch)
	missing := 0
	for id := range l.want {
		if !l.seen[id] && !strings.Contains(id, w.Victim) {
			if missing++; missing <= 3 {
				t.Errorf("record %q never came", id)
			}
		}
	}
	return l
}

// walkWithRetries walks and repeats what may be repeated.
func (l *ledger) walkWithRetries(fetch func(context.Context, pipeline.Cursor) (pipeline.Page, error)) {
	l.t.Helper()
	var after pipeline.Cursor
	for pages, failed := 0, 0; pages < maxPages; {
		page, err := fetch(l.t.Context(), after)
		if r := retryable(err); r != nil && failed < 50 {
			failed++
			<-time.After(max(r.After, time.Second))
			continue
		}
		if err != nil {
			l.t.Fatalf("fetch after %s: %v", after, err)
		}
		failed = 0
		pages++
		for _, rec := range page.Records {
			l.takeOdd(rec)
		}
		if page.More && page.Next == after {
			l.t.Fatalf("the source says that there is more after %s, but does not advance", after)
		}
		if after = page.Next; !page.More {
			return
		}
	}
	l.t.Fatal("the walk did not end")
}

// takeOdd is take for a record that may have a flaw.
func (l *ledger) takeOdd(rec pipeline.Record) {
	l.t.Helper()
	if l.seen[rec.ID] {
		return
	}
	if _, known := l.want[rec.ID]; l.more && rec.Flaw == "" && !known {
		l.want[rec.ID] = nil
	}
	if rec.Flaw == "" {
		l.all = append(l.all, rec)
		l.take(rec)
		return
	}
	if rec.ID == "" {
		l.t.Error("a record with a flaw has no id")
	}
	l.seen[rec.ID] = true
	l.flawed = append(l.flawed, flawed{rec.ID, rec.Flaw, rec.Time})
	l.all = append(l.all, rec)
}

// flawed is a record in the place of one that can't be read.
type flawed struct {
	ID, Flaw string
	Time     time.Time
}

func (f flawed) String() string { return fmt.Sprintf("%s at %v: %s", f.ID, f.Time, f.Flaw) }
