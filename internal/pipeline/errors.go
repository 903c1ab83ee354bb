package pipeline

import (
	"errors"
	"time"
)

// ErrLocked says that another process is running the stream.
var ErrLocked = errors.New("another run holds the stream")

// LockedError is [ErrLocked] with what is known of the lock.
type LockedError struct {
	// Err names the lock.
	Err error
	// Remedy is how a person sets it free whose holder is not a run; "" if unknown.
	Remedy string
}

func (e *LockedError) Error() string { return ErrLocked.Error() + ": " + e.Err.Error() }
func (e *LockedError) Unwrap() error { return e.Err }

// Is makes it [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// ErrUnsupported says that the service does not know what was asked of it.
var ErrUnsupported = errors.New("not supported by the service")

// Retryable is an error that may go away by asking again.
type Retryable struct {
	Err error
	// After is how long the service asked to wait; 0 if it did not say.
	After time.Duration
}

func (e *Retryable) Error() string { return e.Err.Error() }
func (e *Retryable) Unwrap() error { return e.Err }

// RetryAfter is the wait that the service asked for.
func (e *Retryable) RetryAfter() time.Duration { return e.After }

// Rejected is a sink's refusal of a batch because of what is in it, or because
// of its size: a smaller batch may pass. A single record that is rejected goes
// to quarantine, unless Ambiguous is set.
type Rejected struct {
	Err error
	// Ambiguous is set when the answer may also mean a wrong configuration
	// (a 404 of the Data Collector API): then a single record that is still
	// refused proves nothing about the record, and the run fails instead.
	Ambiguous bool
}

func (e *Rejected) Error() string { return e.Err.Error() }
func (e *Rejected) Unwrap() error { return e.Err }
