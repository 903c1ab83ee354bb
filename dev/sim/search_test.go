package sim_test

import (
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
)

// TestMain lets garbage wait: a play makes much of it and keeps little.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}

// patience is how many seeds may pass before a defect must have been found.
const patience = 500

// search lets the simulation look for each defect, as long as it does not find it: a
// simulation that finds nothing proves nothing.
func search(t *testing.T, defects map[string]func() sim.Options, with func(*sim.Options)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(defects)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds := func(seed int64) bool {
				o := defects[name]()
				with(&o)
				res := play(t, seed, o)
				if len(res.Broken) == 0 {
					return false
				}
				t.Logf("found by seed %d: %s", seed, res.Broken[0])
				return true
			}
			if seed, ok := late()[name]; ok && !*anewFlag && finds(seed) {
				return
			}
			for seed := int64(1); seed < 1+patience; seed++ {
				if finds(seed) {
					return
				}
			}
			t.Errorf("not found within %d seeds", patience)
		})
	}
}

// late are the defects that none of the first seeds finds, with the one that does. That one
// is played first, and all of them if it has come to play something else.
func late() map[string]int64 {
	return map[string]int64{
		"a clock that is behind is taken for right":             9,
		"a full page counts as the last":                        19,
		"a lock that is held for ever is no failure":            9,
		"a read-back that should repair only reports":           171,
		"a row outside of the time asked for is followed":       13,
		"a start whose answer is lost is posted again":          10,
		"a window that was accepted stays so, however it grows": 80,
		"accepting one window accepts all":                      31,
		"documents without id that are the same are one":        10,
		"lost leases are not noticed, saves unconditional":      122,
		"saves are unconditional":                               106,
		"saves of a forwarding are unconditional, two do it":    23,
		"too many requests counts as a start":                   47,
		"the clock is not compared with anybody's":              9,
		"the state is not proved before rows are sent":          26,
		"what can't be explained is forgotten":                  21,
	}
}
