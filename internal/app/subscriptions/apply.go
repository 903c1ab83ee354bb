package subscriptions

import (
	"context"
	"errors"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// attempts is how often the changes are planned again after an error that may pass.
const attempts = 4

// Apply lists the subscriptions, plans, and makes the changes. done is called once for each step,
// with the error if it failed. After an error that may pass it lists and plans again: so a change
// whose answer was lost is not made twice. An error means that the list can't be read or that the
// last attempt failed; the steps after it were not tried.
func Apply(ctx context.Context, service source.EventTriggers, plan func(existing []source.Subscription) []Step, done func(Step, error)) error {
	finished := map[string]bool{}
	tried := map[string]Step{}
	return retry.Policy{MaxAttempts: attempts}.Do(ctx, nil, func(ctx context.Context) error {
		existing, err := service.Subscriptions(ctx)
		if err != nil {
			return err
		}
		steps := plan(existing)
		for key, step := range tried { // gone, as it should be
			if step.Action == Delete && !planned(steps, key) && !finished[key] {
				finished[key] = true
				done(step, nil)
			}
		}
		for _, step := range steps {
			key := keyOf(step)
			if finished[key] {
				continue
			}
			if before, ok := tried[key]; ok && step.Action == Keep {
				step = before // it was made, and only its answer was lost
			} else if err := do(ctx, service, step); err != nil {
				if passes(err) || ctx.Err() != nil {
					tried[key] = step
					return err
				}
				finished[key] = true
				done(step, err)
				continue
			}
			finished[key] = true
			done(step, nil)
		}
		return nil
	})
}

// keyOf identifies a step from one plan to the next.
func keyOf(s Step) string {
	if s.Action == Delete || len(s.Changes) == 1 && s.Changes[0] == "credentials" {
		return s.Trigger + " " + s.From.ID
	}
	return s.Trigger
}

func planned(steps []Step, key string) bool {
	for _, s := range steps {
		if keyOf(s) == key {
			return true
		}
	}
	return false
}

func passes(err error) bool {
	var passing interface{ RetryAfter() time.Duration }
	return errors.As(err, &passing)
}

func do(ctx context.Context, service source.EventTriggers, s Step) error {
	switch s.Action {
	case Create:
		return service.Subscribe(ctx, s.To)
	case Update:
		return service.Update(ctx, s.From, s.To)
	case Delete:
		return service.Unsubscribe(ctx, s.From.ID)
	case Refuse:
		return errors.New(s.Refused)
	case Keep:
	}
	return nil
}
