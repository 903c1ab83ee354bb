package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// SIGKILL at random moments and right behind an acknowledgement: nothing is
// lost, and at most the batches in flight come again.
func TestKill(t *testing.T) {
	t.Run("file state", func(t *testing.T) {
		killed(t, newWorld(t, 25_000, 24*time.Hour, synth.Options{Seed: 11, Rate: 1}), func() {})
	})
	t.Run("Azurite", func(t *testing.T) {
		w := newWorld(t, 25_000, 24*time.Hour, synth.Options{Seed: 12, Rate: 1})
		freeLeases := w.useAzurite(azurite.Start(t))
		killed(t, w, freeLeases)
	})
}

func killed(t *testing.T, w *world, released func()) {
	var target atomic.Int64 // kill behind this many rows; 0 means by time
	var rows atomic.Int64
	var current atomic.Pointer[host.Host]
	w.workspace.AfterAck = func(n int) {
		total := rows.Add(int64(n))
		if at := target.Load(); at > 0 && total >= at && target.CompareAndSwap(at, -1) {
			current.Load().Kill()
		}
	}
	w.env["LIMIT"], w.env["BATCH_BYTES"] = "500", "700000"
	if w.env["SAILPOINT_BASE_URL"] == "" {
		w.serve()
	}
	dice := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for kills < 8 {
		h := w.start()
		current.Store(h)
		target.Store(0)
		if kills%2 == 0 {
			target.Store(rows.Load() + 1 + int64(dice.IntN(3000)))
		} else {
			time.AfterFunc(time.Duration(20+dice.IntN(900))*time.Millisecond, func() { h.Kill() })
		}
		for { // until it dies
			if _, err := h.Fire(t.Context()); err != nil {
				break
			}
			if target.Load() > 0 { // nothing more comes: aim at what is there
				h.Kill()
			}
		}
		kills++
		released()
	}
	target.Store(0)
	h := w.start()
	var rep pipeline.Report
	for range 20 {
		inv := w.fire(h)
		if rep = report(t, inv, events); rep.State == pipeline.Drained {
			break
		}
	}
	if rep.State != pipeline.Drained {
		t.Fatalf("%+v", rep)
	}
	w.complete(kills * pipeline.Parallel * w.workspace.Stats().LargestRows)
	t.Logf("%d kills, %d rows repeated", kills, w.workspace.Stats().Duplicates)
}

// Two handlers on one state: no double delivery, the second reports "locked".
func TestTwoHandlers(t *testing.T) {
	worlds := map[string]func(w *world){
		"file state": func(w *world) { w.serve() },
		"Azurite":    func(w *world) { w.useAzurite(azurite.Start(w.t)); w.serve() },
		"rule":       func(w *world) { w.serveRule() },
	}
	for name, serve := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 6_000, 24*time.Hour, synth.Options{Seed: 13, Rate: 1})
			w.env["LIMIT"] = "200"
			serve(w)
			hosts := []*host.Host{w.start(), w.start()}
			got := make([]host.Invocation, 2)
			var wg sync.WaitGroup
			for i, h := range hosts {
				wg.Go(func() { got[i] = w.fire(h) })
			}
			wg.Wait()
			seen := map[pipeline.State]int{}
			for _, inv := range got {
				if inv.Status != http.StatusOK {
					t.Errorf("%+v", inv)
				}
				seen[report(t, inv, events).State]++
			}
			if fmt.Sprint(seen) != "map[drained:1 locked:1]" {
				t.Errorf("states %v, want one drained and one locked", seen)
			}
			w.complete(0)
		})
	}
}

// SIGTERM in the middle: it ends in seconds, in order, and nothing comes twice.
func TestTerminate(t *testing.T) {
	for name, serve := range ingestionAPIs() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 8_000, 24*time.Hour, synth.Options{Seed: 14, Rate: 1})
			w.env["LIMIT"], w.env["BATCH_BYTES"] = "250", "1000000"
			first := make(chan struct{})
			var once sync.Once
			w.workspace.OnAck = func(int) { once.Do(func() { close(first) }) }
			serve(w)
			h := w.start()
			answered := make(chan host.Invocation, 1)
			go func() {
				inv, err := h.Fire(t.Context())
				if err != nil {
					t.Errorf("the invocation under way was not answered: %v", err)
				}
				answered <- inv
			}()
			<-first
			begin := time.Now()
			exit, err := h.Terminate(t.Context())
			if err != nil || exit.Code != 0 || time.Since(begin) > 5*time.Second+loaded {
				t.Errorf("exit %+v after %v: %v", exit, time.Since(begin), err)
			}
			if rep := report(t, <-answered, events); rep.State != pipeline.Budget || rep.Sent == 0 {
				t.Errorf("%+v", rep)
			}
			if rep := report(t, w.fire(w.start()), events); rep.State != pipeline.Drained {
				t.Errorf("%+v", rep)
			}
			w.complete(0)
		})
	}
}
