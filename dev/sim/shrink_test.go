package sim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
)

// The command that plays a seed again names all that the play was given.
func TestCommand(t *testing.T) {
	for want, o := range map[string]sim.Options{
		"-seed=7 -v":                         {},
		"-off=okta,iiq":                      {Off: []sim.Kind{sim.Okta, sim.IIQ}},
		"-guests=okta -service-app -rule":    {Guests: []sim.Kind{sim.Okta}, ServiceApp: true, Rule: true},
		"-pushes -reports -events=3":         {Pushes: true, Reports: true, MaxEvents: 3},
		"-backfill -neighbour -uncounted -v": {Backfill: true, Neighbour: true, Uncounted: true},
	} {
		if got := o.Command(7); !strings.Contains(got, want) {
			t.Errorf("%s, want it to contain %s", got, want)
		}
	}
}

// A play is shrunk as what it is: what it was given stays.
func TestShrinkKeepsTheOptions(t *testing.T) {
	given := sim.Options{Backfill: true, Neighbour: true, Off: []sim.Kind{sim.Okta}}
	small := sim.Shrink(given, func(o sim.Options) sim.Result {
		res := sim.Result{Counts: sim.Counts{sim.KillBefore: 1, sim.KillAfter: 1}}
		if o.Backfill && o.Neighbour && slices.Contains(o.Off, sim.Okta) && !slices.Contains(o.Off, sim.KillAfter) {
			res.Broken = []string{"a promise"}
		}
		if slices.Contains(o.Off, sim.KillBefore) {
			delete(res.Counts, sim.KillBefore)
		}
		return res
	})
	if diff := cmp.Diff([]sim.Kind{sim.KillAfter}, small.Left); diff != "" || !small.Options.Backfill || !small.Options.Neighbour || len(small.Result.Broken) == 0 {
		t.Errorf("%+v; kinds that are left (-want +got):\n%s", small.Options, diff)
	}
}
