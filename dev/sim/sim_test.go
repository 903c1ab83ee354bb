package sim_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
)

var (
	seedFlag    = flag.Int64("seed", 1, "TestSeed: the seed to play")
	firstFlag   = flag.Int64("first", 1, "TestSeeds: the first seed")
	seedsFlag   = flag.Int("seeds", 0, "TestSeeds: how many seeds; 0 means a few hundred")
	offFlag     = flag.String("off", "", "TestSeed: kinds that do not happen, with commas")
	eventsFlag  = flag.Int("events", 0, "TestSeed: how many events at the most")
	shrinkFlag  = flag.Bool("shrink", true, "TestSeeds: look for the least that still fails")
	pushesFlag  = flag.Bool("pushes", false, "TestSeed: with pushes")
	reportsFlag = flag.Bool("reports", false, "TestSeed: with reports of SaaS Management")
	guestsFlag  = flag.String("guests", "", "TestSeed, TestSeeds: the guests that there are in any case, with commas: okta, iiq")
	appFlag     = flag.Bool("service-app", false, "TestSeed, TestSeeds: the Okta org is read with a service app")
	pastFlag    = flag.Bool("backfill", false, "TestSeed: with a backfill that is left to the function")
	besideFlag  = flag.Bool("neighbour", false, "TestSeed: beside a second tenant")
	blindFlag   = flag.Bool("uncounted", false, "TestSeed: with a source that can't count")
	ruleFlag    = flag.Bool("rule", false, "TestSeed, TestSeeds: through a data collection rule")
)

// play plays a seed in a bubble of its own.
func play(t *testing.T, seed int64, o sim.Options) (res sim.Result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { res = sim.Run(seed, o) })
	return res
}

// TestSeed plays one seed, with its steps if -v is given.
func TestSeed(t *testing.T) {
	o := sim.Options{}
	if *defectFlag != "" {
		all := allDefects()
		maps.Copy(all, pushDefects())
		maps.Copy(all, reportDefects())
		maps.Copy(all, forwardDefects())
		maps.Copy(all, guestDefects())
		maps.Copy(all, backfillDefects())
		o = all[*defectFlag]()
	}
	o.MaxEvents, o.Rule, o.Pushes, o.Reports = *eventsFlag, *ruleFlag, *pushesFlag, *reportsFlag
	o.Backfill, o.Neighbour, o.Uncounted = *pastFlag, *besideFlag, *blindFlag
	o.ServiceApp = o.ServiceApp || *appFlag
	o.Off = kinds(*offFlag)
	if *guestsFlag != "" {
		o.Guests = kinds(*guestsFlag)
	}
	if testing.Verbose() {
		o.Trace = func(line string) { fmt.Fprintln(os.Stdout, line) }
	}
	begin := time.Now()
	res := play(t, *seedFlag, o)
	t.Logf("%d polls, %d rows, %d again, %d requests, %d state operations, %v of virtual time in %v", res.Polls, res.Rows, res.Twice, res.Requests, res.StateOps, res.Virtual, time.Since(begin))
	for _, b := range res.Broken {
		t.Error(b)
	}
}

// kinds reads a list of kinds.
func kinds(list string) (all []sim.Kind) {
	if list == "" {
		return nil
	}
	for k := range strings.SplitSeq(list, ",") {
		all = append(all, sim.Kind(k))
	}
	return all
}

// enough is how many seeds may fail before the others are left.
const enough = 5

// few is how many seeds of a kind an ordinary test run plays: plain, or raced under the race
// detector, which takes many times as long and looks for other mistakes. make soak plays more.
func few(plain, raced int) int {
	switch {
	case *seedsFlag > 0:
		return *seedsFlag
	case raceEnabled:
		return raced
	}
	return plain
}

// TestSeeds plays many seeds and says what happened in them. The first seed that fails is
// shrunk, and named with the command that plays it again.
func TestSeeds(t *testing.T) {
	playMany(t, few(200, 12), sim.Options{Rule: *ruleFlag, Off: kinds(*offFlag), Guests: kinds(*guestsFlag), ServiceApp: *appFlag})
}

// The same through a data collection rule, with tokens and compressed batches.
func TestSeedsWithRule(t *testing.T) {
	playMany(t, few(50, 4), sim.Options{Rule: true})
}

// The same in one app with a second tenant, which refuses, throttles or hangs for minutes.
func TestSeedsBesideANeighbour(t *testing.T) {
	playMany(t, few(50, 4), sim.Options{Neighbour: true})
}

// playMany plays n seeds and reports the first ones that fail.
func playMany(t *testing.T, n int, o sim.Options) {
	t.Helper()
	begin := time.Now()
	var (
		next, failures atomic.Int64
		mu             sync.Mutex
		total          = sim.Totals{}
	)
	next.Store(*firstFlag)
	t.Run("workers", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				for failures.Load() < enough {
					seed := next.Add(1) - 1
					if seed >= *firstFlag+int64(n) {
						return
					}
					res := play(t, seed, o)
					mu.Lock()
					total.Add(res)
					if total.Seeds%1000 == 0 {
						t.Logf("so far: %v", total)
					}
					mu.Unlock()
					if len(res.Broken) > 0 {
						failures.Add(1)
						report(t, res, o)
					}
				}
			})
		}
	})
	t.Logf("%v in %v\n%s", total, time.Since(begin).Truncate(time.Second), total.Table())
	if n >= 1000 {
		t.Logf("for docs/measurements.md:\n%s", total.Markdown())
	}
}

// report shrinks a seed that failed and says how to play it again.
func report(t *testing.T, res sim.Result, played sim.Options) {
	t.Helper()
	if !*shrinkFlag {
		t.Errorf("seed %d breaks:\n  %s\nplay it again with\n  %s", res.Seed, strings.Join(res.Broken, "\n  "), played.Command(res.Seed))
		return
	}
	small := sim.Shrink(played, func(o sim.Options) sim.Result { return play(t, res.Seed, o) })
	t.Errorf("seed %d breaks:\n  %s\nplay it again with\n  %s\nshrunk to %v, at most %d events, which breaks:\n  %s\n  %s",
		res.Seed, strings.Join(res.Broken, "\n  "), played.Command(res.Seed),
		small.Left, small.Options.MaxEvents, strings.Join(small.Result.Broken, "\n  "), small.Options.Command(res.Seed))
}

// The course of a play depends on its seed alone.
func TestSameSeedSameCourse(t *testing.T) {
	for seed := *firstFlag; seed < *firstFlag+int64(few(12, 2)); seed++ {
		o := sim.Options{Rule: seed%4 == 0}
		playsAgain(t, seed, o, play(t, seed, o))
	}
}

// Of a timer that fired twice, each poll is judged by its own runs: here the store fails the lock of the
// first, and the second meanwhile keeps a row that can't be read.
func TestTimerFiresTwice(t *testing.T) {
	const seed = 6154
	res := play(t, seed, sim.Options{})
	for _, b := range res.Broken {
		t.Error(b)
	}
	if res.Counts[sim.TickDouble] == 0 {
		t.Errorf("in seed %d no timer fires twice any more", seed)
	}
}

// TestUncounted plays seeds with a source of events that can't count: what comes late is found by
// reading its window again.
func TestUncounted(t *testing.T) {
	playMany(t, few(25, 4), sim.Options{Uncounted: true, Off: []sim.Kind{sim.Unlisted}})
}

// playsAgain demands that a seed plays the same again. The scheduler may swap goroutines that are ready at
// the same instant, which a busy machine and the race detector do in a few of a hundred plays: it is enough
// that two of five plays are the same.
func playsAgain(t *testing.T, seed int64, o sim.Options, first sim.Result) {
	t.Helper()
	prints := []string{first.Print}
	for range 4 {
		again := play(t, seed, o).Print
		if slices.Contains(prints, again) {
			return
		}
		prints = append(prints, again)
	}
	t.Errorf("seed %d never plays the same again:\n%s", seed, strings.Join(prints, "\n"))
}

// TestPushSeeds plays seeds in which the tenant also pushes.
func TestPushSeeds(t *testing.T) {
	playPushes(t, func(seed int64) sim.Options { return sim.Options{Pushes: true, Rule: seed%3 == 0} },
		sim.PushTwice, sim.PushBurst, sim.KillHook)
}

// TestReportSeeds plays seeds in which SaaS Management also sends reports.
func TestReportSeeds(t *testing.T) {
	playPushes(t, func(seed int64) sim.Options { return sim.Options{Reports: true, Rule: seed%3 == 0} },
		sim.ReportTwice, sim.ReportChanged, sim.ReportCut, sim.ReportOdd, sim.ReportLarge, sim.KillHook,
		sim.Workflow, sim.FlowRefused, sim.FlowOff, sim.FlowSecret, sim.FlowOutage, sim.FlowForeign, sim.FlowRepeat, sim.FlowDrop, sim.KillFlow)
}

// playPushes plays seeds in which all of some kinds happen at least once.
func playPushes(t *testing.T, options func(seed int64) sim.Options, kinds ...sim.Kind) {
	t.Helper()
	n := few(50, 6)
	var total sim.Totals
	for seed := *firstFlag; seed < *firstFlag+int64(n); seed++ {
		res := play(t, seed, options(seed))
		total.Add(res)
		if seed%25 == 1 {
			playsAgain(t, seed, options(seed), res)
		}
		for _, b := range res.Broken {
			t.Errorf("seed %d (%s): %s", seed, options(seed).Command(seed), b)
		}
		if total.Failed >= enough {
			break
		}
	}
	for _, k := range kinds {
		if total.Counts[k] == 0 && n >= 50 {
			t.Errorf("%s never happened", k)
		}
	}
	t.Logf("%v\n%s", total, total.Table())
}
