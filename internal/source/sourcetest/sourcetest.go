// Package sourcetest holds what every [pipeline.Source] must do, as one suite of
// tests. A source passes it over a stand-in of its service:
//
//	func TestConformance(t *testing.T) {
//		sourcetest.Run(t, func(t *testing.T) *sourcetest.World { … })
//	}
//
// What is tested is what the pipeline rests on: a walk loses nothing and, with
// the help of a ledger of ids, repeats nothing; a walk can go on from any cursor
// in another process; records are the service's bytes; a quiet stream leaves the
// cursor where it is; errors say whether to try again; a call ends when it is
// told to.
//
// Each test runs in a bubble of testing/synctest with a world of its own, so
// that waiting costs no time. The stand-in must therefore be reached in process.
package sourcetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// World is a source with the service it reads from, at rest: nothing is added
// unless a field here does it.
type World struct {
	// Open returns the source as a process that has just started sees it. It is
	// called several times in a test, one source after the other.
	Open func() pipeline.Source
	// Want is what the stream holds: the records' ids, and their bytes or nil for
	// bytes that the suite can't know. It must fill several pages.
	Want map[string][]byte
	// Stored is set for a source that reads what the connector itself has stored: the state's
	// adapters repeat what may pass, and its formats have checksums. It has neither Passing nor Cap
	// nor Tamper; what it can't read is damaged by Damage.
	Stored bool
	// Keyed is set for a source whose service gives every record an id, by which it stores it: there
	// are no two that are identical byte for byte.
	Keyed bool
	// Damage makes what holds the Victim unreadable from then on, and returns a text that the error
	// must name. Required if Stored is set.
	Damage func() string
	// Passing are faults that go away: each makes the next request to the service
	// fail in one way. Required.
	Passing map[string]func()
	// Lasting are faults that a person must fix, such as wrong credentials: each
	// makes all requests fail from then on. Required.
	Lasting map[string]func()
	// Hang makes requests take that long from then on. Required.
	Hang func(time.Duration)
	// Cap makes the service serve at most that many rows of those it is asked for from
	// then on, and say how many there are in all like that. Required.
	Cap func(rows int, told Told)
	// Rewind makes the service answer with the first page whatever page it is asked for, until restore
	// is called. Nil if its pages are not asked for by place.
	Rewind func() (restore func())
	// Tamper passes the bodies of the service's lists through change from then on. Required.
	Tamper func(change func(page []byte) []byte)
	// List is the member of an answer that holds the list; "" if the answer is the list.
	List string
	// Victim is a text that occurs in one record of the stream and in its id, and nowhere else; it
	// is neither the first record nor the last. Required.
	Victim string
	// Add makes one record appear behind all others and returns its id. Required.
	Add func() string
}

// Told is what a service says about how many rows there are in all.
type Told string

// The ways.
const (
	Right Told = "right"
	// Nothing: it says nothing.
	Nothing Told = "nothing"
	// OfPage: it counts those that are on the page, and so each page looks like the last one.
	OfPage Told = "of the page"
)

// maxPages ends a walk that does not end by itself.
const maxPages = 10_000

// Run runs the suite. build makes a world; it is called in each test, inside of the bubble.
func Run(t *testing.T, build func(t *testing.T) *World) {
	for name, test := range map[string]func(*testing.T, *World){
		"WalkIsComplete":       walkIsComplete,
		"EveryCursorResumes":   everyCursorResumes,
		"FetchRepeats":         fetchRepeats,
		"ShortPageIsNotTheEnd": shortPageIsNotTheEnd,
		"FirstPageForEver":     firstPageForEver,
		"QuietStreamStands":    quietStreamStands,
		"NewRecordArrives":     newRecordArrives,
		"CancelledBefore":      cancelledBefore,
		"CancelledDuring":      cancelledDuring,
		"DeadlineIsKept":       deadlineIsKept,
		"ForeignCursorRefused": foreignCursorRefused,
		"WindowsHoldTheStream": windowsHoldTheStream,
		"AckMayBeRepeated":     ackMayBeRepeated,
		"AckKeepsWhatIsNew":    ackKeepsWhatIsNew,
		"DamageIsNamed":        damageIsNamed,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, build(t)) })
		})
	}
	stored := false
	synctest.Test(t, func(t *testing.T) { stored = build(t).Stored })
	t.Run("Lasting", func(t *testing.T) {
		faults(t, build, func(w *World) map[string]func() { return w.Lasting }, lastingFault)
	})
	if stored {
		return
	}
	t.Run("Odd", func(t *testing.T) { odd(t, build, oddPages) })
	t.Run("OddOnce", func(t *testing.T) { odd(t, build, oddOnce) })
	t.Run("OddWindow", func(t *testing.T) { odd(t, build, oddWindow) })
	t.Run("Passing", func(t *testing.T) {
		faults(t, build, func(w *World) map[string]func() { return w.Passing }, passingFault)
	})
}

// faults runs test with each fault of a world.
func faults(t *testing.T, build func(*testing.T) *World, of func(*World) map[string]func(), test func(*testing.T, *World, func())) {
	t.Helper()
	var names []string
	synctest.Test(t, func(t *testing.T) { names = slices.Sorted(maps.Keys(of(build(t)))) })
	if len(names) == 0 {
		t.Fatal("the world knows no such fault")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := build(t)
				test(t, w, of(w)[name])
			})
		})
	}
}

// walkIsComplete: a walk from the beginning yields every record at least once, with
// its bytes, and what it says about itself holds.
func walkIsComplete(t *testing.T, w *World) {
	l := newLedger(t, w)
	pages := l.walk(w.Open(), "", nil)
	l.complete()
	if pages < 2 {
		t.Errorf("the walk had %d page: the world is too small to test paging", pages)
	}
}

// everyCursorResumes: a process that dies behind any page can be followed by
// another, and what it had read is not missed by the rest.
func everyCursorResumes(t *testing.T, w *World) {
	l := newLedger(t, w)
	var cursors []pipeline.Cursor
	var seen []map[string]bool // what came up to each cursor
	l.walk(w.Open(), "", func(p pipeline.Page) {
		cursors = append(cursors, p.Next)
		seen = append(seen, maps.Clone(l.seen))
	})
	// Every cursor, but not more than a dozen walks.
	step := len(cursors)/12 + 1
	for i := 0; i < len(cursors); i += step {
		rest := newLedger(t, w)
		maps.Copy(rest.seen, seen[i])
		rest.walk(w.Open(), cursors[i], nil)
		rest.complete()
	}
	// And a new process for each page.
	alone := newLedger(t, w)
	var after pipeline.Cursor
	for more := true; more; {
		page := alone.fetch(w.Open(), after)
		after, more = page.Next, page.More
	}
	alone.complete()
}

// fetchRepeats: asking twice for the same place gives the same records, so that
// a page that was lost on the way can be had again.
func fetchRepeats(t *testing.T, w *World) {
	src := w.Open()
	l := newLedger(t, w)
	first := l.fetch(src, "")
	for _, after := range []pipeline.Cursor{"", first.Next} {
		a, b := l.fetch(src, after), l.fetch(src, after)
		if diff := cmp.Diff(ids(a), ids(b)); diff != "" {
			t.Errorf("the same place gave other records (-first +second):\n%s", diff)
		}
	}
}

// shortPageIsNotTheEnd: a service that serves fewer rows than it is asked for has more, and
// a walk ends only where it has not.
func shortPageIsNotTheEnd(t *testing.T, w *World) {
	if w.Cap == nil && w.Stored {
		t.Skip("a store has no pages")
	}
	for _, told := range []Told{Right, Nothing, OfPage} {
		for _, rows := range []int{70, 7, 1} {
			w.Cap(rows, told)
			l := newLedger(t, w)
			l.walk(w.Open(), "", nil)
			if l.complete(); t.Failed() {
				t.Fatalf("so with %d rows a page and a total that is %s", rows, told)
			}
		}
	}
}

// firstPageForEver: a walk over a service that answers with its first page whatever it is asked for ends,
// and says that something is missing if anything is; once the service is sound again, nothing is. What can
// be read again by windows is left to audits.
func firstPageForEver(t *testing.T, w *World) {
	if w.Rewind == nil {
		t.Skip("pages are not asked for by place")
	}
	for _, told := range []Told{Right, Nothing, OfPage} {
		w.Cap(70, told)
		restore := w.Rewind()
		src, l := w.Open(), newLedger(t, w)
		var said []string
		after, more := pipeline.Cursor(""), true
		for fetches := 0; more; fetches++ {
			if fetches > maxPages {
				t.Fatalf("no end after %d pages with a total that is %s", fetches, told)
			}
			page, err := src.Fetch(t.Context(), after)
			if retryable(err) != nil {
				<-time.After(time.Second)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range page.Records {
				l.take(rec)
			}
			said = append(said, page.Warnings...)
			if page.Incomplete != nil {
				said = append(said, page.Incomplete.Error())
			}
			after, more = page.Next, page.More
		}
		if missing := len(w.Want) - len(l.seen); missing > 0 && !strings.Contains(strings.Join(said, "\n"), "drops startIndex") {
			t.Errorf("with a total that is %s the walk says %q, and %d records are missing", told, said, missing)
		}
		restore()
		if _, ok := src.(pipeline.WindowReader); !ok {
			l.walk(src, after, nil)
			l.complete()
		}
	}
}

// quietStreamStands: where nothing happens nothing moves.
func quietStreamStands(t *testing.T, w *World) {
	src := w.Open()
	l := newLedger(t, w)
	var after pipeline.Cursor
	l.walk(src, "", func(p pipeline.Page) { after = p.Next })
	before := len(l.seen)
	for range 3 {
		synctest.Wait()
		end := l.walk(src, after, func(p pipeline.Page) {
			if !p.More && p.Next != after {
				t.Errorf("cursor moved from %s to %s although nothing came", after, p.Next)
			}
		})
		if end == 0 || len(l.seen) != before {
			t.Errorf("%d records came to a quiet stream", len(l.seen)-before)
		}
	}
}

// newRecordArrives: what appears behind the end of a walk is found by the next one.
func newRecordArrives(t *testing.T, w *World) {
	src := w.Open()
	l := newLedger(t, w)
	var after pipeline.Cursor
	l.walk(src, "", func(p pipeline.Page) { after = p.Next })
	id := w.Add()
	l.want[id] = nil
	l.walk(src, after, nil)
	l.complete()
}

func cancelledBefore(t *testing.T, w *World) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	_, err := w.Open().Fetch(ctx, "")
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 0 {
		t.Errorf("got %v after %v, want the cancellation at once", err, time.Since(begin))
	}
}

func cancelledDuring(t *testing.T, w *World) {
	w.Hang(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(time.Second, cancel)
	defer timer.Stop()
	begin := time.Now()
	_, err := w.Open().Fetch(ctx, "")
	if !errors.Is(err, context.Canceled) || retryable(err) != nil || time.Since(begin) != time.Second {
		t.Errorf("got %v after %v, want the cancellation after 1s, not to be retried", err, time.Since(begin))
	}
}

func deadlineIsKept(t *testing.T, w *World) {
	w.Hang(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err := w.Open().Fetch(ctx, "")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
		t.Errorf("got %v after %v, want the deadline after 1s", err, time.Since(begin))
	}
}

// foreignCursorRefused: a cursor that can't be understood is an error and not the beginning.
func foreignCursorRefused(t *testing.T, w *World) {
	for _, cursor := range []pipeline.Cursor{"x", "{", `{"page":7,"version":99}`, "null", "[]"} {
		page, err := w.Open().Fetch(t.Context(), cursor)
		if err == nil || retryable(err) != nil {
			t.Errorf("cursor %s: got %d records and %v, want an error that is not to be retried", cursor, len(page.Records), err)
		}
	}
}

// passingFault: the error says that it may pass, and after the wait it names the
// same call gives what it should have given.
func passingFault(t *testing.T, w *World, inject func()) {
	src := w.Open()
	l := newLedger(t, w)
	after := l.fetch(src, "").Next // now it holds a token or the like
	want := l.fetch(src, after)
	inject()
	_, err := src.Fetch(t.Context(), after)
	r := retryable(err)
	if r == nil {
		t.Fatalf("got %v, want an error that may be retried", err)
	}
	// As long as the pipeline would wait at most, whatever the service asks for.
	<-time.After(min(r.After, 2*time.Minute))
	got := l.fetch(src, after)
	if diff := cmp.Diff(ids(want), ids(got)); diff != "" {
		t.Errorf("records after the fault (-want +got):\n%s", diff)
	}
}

// lastingFault: the error is not worth repeating.
func lastingFault(t *testing.T, w *World, inject func()) {
	inject()
	page, err := w.Open().Fetch(t.Context(), "")
	if err == nil || retryable(err) != nil {
		t.Errorf("got %d records and %v, want an error that is not to be retried", len(page.Records), err)
	}
}

func retryable(err error) *pipeline.Retryable {
	var r *pipeline.Retryable
	if errors.As(err, &r) {
		return r
	}
	return nil
}

func ids(p pipeline.Page) []string {
	out := make([]string, len(p.Records))
	for i, r := range p.Records {
		out[i] = r.ID
	}
	return out
}
