package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Command is what plays a seed with these options.
func (o Options) Command(seed int64) string {
	b := fmt.Sprintf("go test ./dev/sim -run 'TestSeed$' -seed=%d", seed)
	if len(o.Off) > 0 {
		b += " -off=" + joined(o.Off)
	}
	if len(o.Guests) > 0 {
		b += " -guests=" + joined(o.Guests)
	}
	if o.ServiceApp {
		b += " -service-app"
	}
	if o.Rule {
		b += " -rule"
	}
	if o.MaxEvents > 0 {
		b += fmt.Sprintf(" -events=%d", o.MaxEvents)
	}
	return b + " -v"
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
// by leaving out one after the other. play plays it; it must fail with the zero Options.
func Shrink(play func(Options) Result) Small {
	var s Small
	s.Result = play(s.Options)
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
