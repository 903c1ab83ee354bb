package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Command is what plays a seed with these options.
func (o Options) Command(seed int64) string {
	args := []string{fmt.Sprintf("go test ./dev/sim -run 'TestSeed$' -seed=%d", seed)}
	if len(o.Off) > 0 {
		args = append(args, "-off="+joined(o.Off))
	}
	if len(o.Guests) > 0 {
		args = append(args, "-guests="+joined(o.Guests))
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"-service-app", o.ServiceApp},
		{"-rule", o.Rule},
		{"-pushes", o.Pushes},
		{"-reports", o.Reports},
		{"-backfill", o.Backfill},
		{"-neighbour", o.Neighbour},
		{"-uncounted", o.Uncounted},
	} {
		if flag.on {
			args = append(args, flag.name)
		}
	}
	if o.MaxEvents > 0 {
		args = append(args, fmt.Sprintf("-events=%d", o.MaxEvents))
	}
	return strings.Join(append(args, "-v"), " ")
}

// joined writes kinds as a flag takes them.
func joined(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ",")
}

// Small is a play that still fails, with as little as can be.
type Small struct {
	Options Options
	Left    []Kind // that happened in it
	Result  Result
}

// Shrink looks for the fewest kinds and events with which a seed still fails,
// by leaving out one after the other. play plays it; it must fail with the given options.
func Shrink(given Options, play func(Options) Result) Small {
	s := Small{Options: given, Result: play(given)}
	try := func(o Options) bool {
		res := play(o)
		if len(res.Broken) == 0 {
			return false
		}
		s.Options, s.Result = o, res
		return true
	}
	for _, k := range Kinds() {
		o := s.Options
		if o.off(k) {
			continue
		}
		o.Off = append(slices.Clone(o.Off), k)
		if s.Result.Counts[k] == 0 { // it does not happen: no need to play
			s.Options = o
			continue
		}
		try(o)
	}
	for n := 256; n > 0; n /= 2 {
		o := s.Options
		o.MaxEvents = n
		if !try(o) {
			break
		}
	}
	s.Left = s.Result.Counts.Sorted()
	return s
}
