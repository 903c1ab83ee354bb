package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// ahead runs the world with slow writes and says how many pages were fetched and not delivered,
// at most, when another one was asked for.
func (w *world) ahead(memory *pipeline.Memory) (most int, rep pipeline.Report) {
	w.sinkTakes, w.limits.BatchBytes, w.limits.Parallel = time.Second, 64<<10, 3
	w.onFetch = func(n int) error {
		most = max(most, n-1-len(w.delivered)/w.pageSize)
		return nil
	}
	r := w.runner()
	r.Memory = memory
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	rep = r.Run(ctx)
	return most, rep
}

// Without memory left a run delivers page by page: it waits for no other run and loses nothing
// but its speed.
func TestMemoryIsKept(t *testing.T) {
	const page = 10 * int64(len(`{"id":"e00000"}`))
	for name, test := range map[string]struct {
		memory *pipeline.Memory
		least  int
		most   int
	}{
		"no bound":           {nil, 3, 100},
		"more than it needs": {pipeline.NewMemory(100 * page), 3, 100},
		"three pages":        {pipeline.NewMemory(3 * page), 2, 4},
		"none":               {pipeline.NewMemory(0), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 295)
				var before int64
				if test.memory != nil {
					before = test.memory.Free()
				}
				ahead, rep := w.ahead(test.memory)
				if rep.State != pipeline.Drained || ahead < test.least || ahead > test.most {
					t.Errorf("%d pages ahead, want %d to %d; %+v", ahead, test.least, test.most, rep)
				}
				w.complete()
				if test.memory != nil && test.memory.Free() != before {
					t.Errorf("%d bytes are free, before the run %d", test.memory.Free(), before)
				}
			})
		})
	}
}

// Whatever way a run ends, it gives everything back.
func TestMemoryIsGivenBack(t *testing.T) {
	broken := errors.New("broken")
	for name, spoil := range map[string]func(w *world, stop func()){
		"drained":       func(*world, func()) {},
		"known already": func(w *world, _ func()) { w.deliveredBefore() },
		"the sink fails": func(w *world, _ func()) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, broken }
		},
		"the ledger fails": func(w *world, _ func()) { w.onCommit = func(int) error { return broken } },
		"a save fails":     func(w *world, _ func()) { w.onSave = func(int) error { return broken } },
		"a fetch fails": func(w *world, _ func()) {
			w.onFetch = func(n int) error { return map[bool]error{true: broken}[n == 7] }
		},
		"it is asked to stop": func(w *world, stop func()) {
			w.onFetch = func(n int) error {
				if n == 7 {
					stop()
				}
				return nil
			}
		},
		"a write panics": func(w *world, _ func()) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { panic("broken") }
		},
		"everything is refused": func(w *world, _ func()) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, &pipeline.Rejected{Err: broken} }
		},
	} {
		for size, bytes := range map[string]int64{"plenty": 1 << 20, "little": 400} {
			t.Run(name+"/"+size, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 295)
					w.sinkTakes, w.limits.BatchBytes = time.Second, 100
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					spoil(w, cancel)
					r := w.runner()
					r.Memory = pipeline.NewMemory(bytes)
					rep := r.Run(ctx)
					if free := r.Memory.Free(); free != bytes {
						t.Errorf("%d bytes are free of %d; %+v", free, bytes, rep)
					}
				})
			})
		}
	}
}

// forgetful is a ledger that can't be read.
type forgetful struct {
	*ledger
	err error
}

func (f forgetful) Claim(context.Context, []pipeline.Record) ([]bool, error) { return nil, f.err }

// A page that the ledger can't look up gives its share of the memory back, like any other.
func TestMemoryOfAPageThatIsNotLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 95)
		r := w.runner()
		r.Memory = pipeline.NewMemory(1 << 20)
		r.OpenLedger = func() pipeline.Ledger { return forgetful{&ledger{world: w}, errors.New("store is away")} }
		if rep := r.Run(t.Context()); rep.State != pipeline.Failed || r.Memory.Free() != 1<<20 {
			t.Errorf("%d bytes are free of %d; %+v", r.Memory.Free(), 1<<20, rep)
		}
	})
}
