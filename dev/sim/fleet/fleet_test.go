package fleet_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim/fleet"
)

func play(t *testing.T, o fleet.Options) (r fleet.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r = fleet.Play(t.Context(), o)
		synctest.Wait()
	})
	t.Log(r.Shown())
	return r
}

// Whatever happens to messages and instances: nothing is lost, what a kill repeats is small, one process
// at a time polls a connection, and no event takes longer than two minutes.
func TestFleet(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := play(t, fleet.Options{Seed: seed, Connections: 10, Instances: 3, Ticks: 12})
			if r.Missing > 0 || r.Events != 10*12*12 {
				t.Errorf("%d of %d events are missing", r.Missing, r.Events)
			}
			if most := r.Kills * 10 * 13; r.Repeated > most {
				t.Errorf("%d events came twice, at most %d may", r.Repeated, most)
			}
			if r.Late > 2*time.Minute {
				t.Errorf("an event took %v", r.Late)
			}
			if r.Together > 0 {
				t.Errorf("%d requests to tenants without the lock of the connection", r.Together)
			}
			if r.Kills == 0 || r.Doubled == 0 || r.Delayed == 0 || r.Poisoned != 1 {
				t.Error("too little went wrong")
			}
		})
	}
}

// A seed decides everything.
func TestSameSeedSamePlay(t *testing.T) {
	o := fleet.Options{Seed: 7, Connections: 5, Instances: 3, Ticks: 6}
	if a, b := play(t, o), play(t, o); a != b {
		t.Errorf("%s\n%s", a.Shown(), b.Shown())
	}
}

// Without faults everything comes once, and the instances share the work.
func TestCalm(t *testing.T) {
	r := play(t, fleet.Options{Seed: 1, Connections: 10, Instances: 3, Ticks: 5, Calm: true})
	if r.Missing+r.Repeated+r.Poisoned+r.Together > 0 || r.Late > 75*time.Second {
		t.Error(r.Shown())
	}
}

// If the queue takes nothing, the process with the timer polls all connections.
func TestNoQueue(t *testing.T) {
	r := play(t, fleet.Options{Seed: 1, Connections: 10, Instances: 1, Ticks: 5, Calm: true, NoQueue: true})
	if r.Missing+r.Repeated > 0 || r.Late > 2*time.Minute {
		t.Error(r.Shown())
	}
}
