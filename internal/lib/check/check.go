// Package check tries parts of the connector one after the other, for a person who waits, and
// reports each result.
package check

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
)

// Verdict is the result of a check.
type Verdict string

// The verdicts. Skipped: it could not be tried, because it needs something that failed.
const (
	Passed  Verdict = "ok"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// Finding is the outcome of one check. Scripts rely on the JSON names.
type Finding struct {
	// Connection is the connection that was checked; "" where there is only one.
	Connection string `json:"connection,omitzero"`
	// Item is a short name, for instance "token".
	Item  string  `json:"item"`
	State Verdict `json:"state"`
	// Detail is one line: what was found, or what is wrong and what to do.
	Detail string `json:"detail"`
}

const (
	// Timeout limits one check, including its repetitions.
	Timeout = 30 * time.Second
	// Attempts is how often something is tried when its error may pass.
	Attempts = 3
)

// Report receives findings in the order in which they are made.
type Report func(Finding)

// Pass reports that something works.
func (r Report) Pass(item, detail string) { r(Finding{Item: item, State: Passed, Detail: detail}) }

// Fail reports that something does not work; the error says what to do.
func (r Report) Fail(item string, err error) {
	r(Finding{Item: item, State: Failed, Detail: err.Error()})
}

// Skip reports that something was not tried.
func (r Report) Skip(item, why string) { r(Finding{Item: item, State: Skipped, Detail: why}) }

// Try tries one thing, reports the outcome, and returns whether it works.
func (r Report) Try(ctx context.Context, item string, try func(context.Context) (detail string, err error)) bool {
	detail, err := Attempt(ctx, Attempts, try)
	switch {
	case ctx.Err() != nil:
		r.Skip(item, "stopped")
		return false
	case err != nil:
		r.Fail(item, err)
		return false
	}
	r.Pass(item, detail)
	return true
}

// Attempt repeats an attempt that may succeed later, within a time that a person can wait.
func Attempt(ctx context.Context, attempts int, try func(context.Context) (detail string, err error)) (detail string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	policy := retry.Policy{MaxAttempts: attempts}
	err = policy.Do(ctx, nil, func(ctx context.Context) (err error) {
		detail, err = try(ctx)
		return err
	})
	return detail, err
}
