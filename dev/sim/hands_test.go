package sim_test

import (
	"context"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sim"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// forgetful are defects of what is compared later: with the workspace, with what a person has
// accepted, and with the clocks of others.
func forgetful() map[string]func() sim.Options {
	daily := func(when, then config.DailyReadBack) func() sim.Options {
		return func() sim.Options {
			return sim.Options{Settings: func(c *config.Connection) {
				if c.ReadBack.Daily == when {
					c.ReadBack.Daily = then
				}
			}}
		}
	}
	audit := func(change func(*pipeline.AuditState)) func() sim.Options {
		return runners(func(r *pipeline.Runner) { r.Checkpoints = tampering{r.Checkpoints, change} })
	}
	return map[string]func() sim.Options{
		"a read-back that should repair only reports": daily(config.RepairReadBack, config.ReportReadBack),
		"a read-back that should report repairs":      daily(config.ReportReadBack, config.RepairReadBack),
		"nothing is read back":                        daily(config.ReportReadBack, config.NoReadBack),
		"what can't be explained is forgotten":        audit(func(a *pipeline.AuditState) { a.Unexplained = nil }),
		"accepting one window accepts all": audit(func(a *pipeline.AuditState) {
			if len(a.Acknowledged) > 0 {
				a.Unexplained = nil
			}
		}),
		// With nothing else that goes wrong: accepting, and growing soon enough afterwards, is rare.
		"a window that was accepted stays so, however it grows": only([]sim.Kind{sim.Unlisted, sim.Accept}, audit(func(a *pipeline.AuditState) {
			a.Unexplained = slices.DeleteFunc(slices.Clone(a.Unexplained), func(d pipeline.Difference) bool {
				return slices.ContainsFunc(a.Acknowledged, func(k pipeline.Acknowledgement) bool { return !d.From.Before(k.From) && d.From.Before(k.To) })
			})
		})),
		"a clock that is behind is taken for right": runners(func(r *pipeline.Runner) { r.Clock = onlyAhead{r.Clock} }),
	}
}

// only leaves nothing on but some kinds.
func only(on []sim.Kind, options func() sim.Options) func() sim.Options {
	return func() sim.Options {
		o := options()
		o.Off = slices.DeleteFunc(sim.Kinds(), func(k sim.Kind) bool { return slices.Contains(on, k) })
		return o
	}
}

// tampering are checkpoints whose audits are changed when they are saved.
type tampering struct {
	pipeline.Checkpoints
	change func(*pipeline.AuditState)
}

func (a tampering) Save(ctx context.Context, stream string, next pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	a.change(&next.Audit)
	return a.Checkpoints.Save(ctx, stream, next)
}

type onlyAhead struct{ pipeline.Clock }

func (o onlyAhead) Off() error {
	err := o.Clock.Off()
	if err != nil && strings.Contains(err.Error(), "behind") {
		return nil
	}
	return err
}
