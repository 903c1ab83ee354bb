package main

// fanoutMutants are defects by which a message of the queue does harm, or an answer makes the queue do
// the wrong thing.
func fanoutMutants() []Mutant {
	const work, spread = "internal/functions/work.go", "internal/app/fanout.go"
	slow := []string{"./internal/app", "-run", "TestSlowSource"}
	fleet := []string{"./dev/sim/fleet"}
	return []Mutant{
		{Breaks: "what a killed instance leaves waits for the next tick", File: spread, Old: "overdue := c.overdue(ctx, tick)", New: "overdue := false && c.overdue(ctx, tick)", Tests: fleet},
		{Breaks: "a connection that was found locked counts as polled", File: spread, Old: "!s.At.Before(tick) && s.State != pipeline.Locked", New: "!s.At.Before(tick) || s.State == pipeline.Locked", Tests: []string{"./internal/app", "-run", "TestFollowUp"}},
		{Breaks: "instances poll without the lock of the connection", File: spread, Old: "held, unlock, err := c.store.Lock(ctx, c.settings.Tenant+\"/locks/\"+connectionLock)", New: "held, unlock, err := c.store.Lock(ctx, c.settings.Tenant+\"/locks/\"+time.Now().String())", Tests: fleet},
		{Breaks: "an identity that may only read the queue counts as one that may use it", File: "internal/fanout/queue/queue.go", Old: "if c.identity { // a key", New: "if !c.identity { // a key", Tests: []string{"./internal/fanout/queue"}},
		{Breaks: "a failure that passes fails its message", File: work, Old: "case !hasFailed(r), errors.As(r.Err, &passing):", New: "case !hasFailed(r) && !errors.As(r.Err, &passing):"},
		{Breaks: "two processes poll one connection", File: spread, Old: "if !c.options.FanOut || c.settings", New: "if c.options.FanOut || c.settings"},
		{Breaks: "a source waits for a slow one beside it", File: "internal/app/poll.go", Old: "for r.again > 0 && r.wait(", New: "for r.again < 0 && r.wait(", Tests: slow},
		{Breaks: "a poll that the deadline cuts counts as a failure", File: "internal/app/poll.go", Old: "deadline.Sub(moment) < shortestRound", New: "deadline.Sub(moment) < 0", Tests: slow},
	}
}
