package main

// fanoutMutants are defects by which a message of the queue does harm, or an answer makes the queue do
// the wrong thing.
func fanoutMutants() []Mutant {
	const work, spread = "internal/functions/work.go", "internal/app/fanout.go"
	slow := []string{"./internal/app", "-run", "TestSlowSource"}
	return []Mutant{
		{Breaks: "a failure that passes fails its message", File: work, Old: "case !hasFailed(r), errors.As(r.Err, &passing):", New: "case !hasFailed(r) && !errors.As(r.Err, &passing):"},
		{Breaks: "two processes poll one connection", File: spread, Old: "if !c.options.FanOut || c.settings", New: "if c.options.FanOut || c.settings"},
		{Breaks: "a source waits for a slow one beside it", File: "internal/app/poll.go", Old: "for r.again > 0 && r.wait(", New: "for r.again < 0 && r.wait(", Tests: slow},
	}
}
