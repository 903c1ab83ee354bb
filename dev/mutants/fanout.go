package main

// fanoutMutants are defects by which a message of the queue does harm, or an answer makes the queue do
// the wrong thing.
func fanoutMutants() []Mutant {
	const work, spread = "internal/functions/work.go", "internal/app/fanout.go"
	return []Mutant{
		{Breaks: "a failure that passes fails its message", File: work, Old: "case !hasFailed(r), errors.As(r.Err, &passing):", New: "case !hasFailed(r) && !errors.As(r.Err, &passing):"},
		{Breaks: "two processes poll one connection", File: spread, Old: "if !c.options.FanOut || c.settings", New: "if c.options.FanOut || c.settings"},
	}
}
