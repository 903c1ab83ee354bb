// Package remote is what sources that read a service over HTTP have in common: which failures may
// pass, and what an answer is that can't be divided into its rows.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// NetworkFailure classifies an error of the HTTP client. what names the request. Once ctx has ended,
// nothing is worth repeating; if its time was up, peer may be why.
func NetworkFailure(ctx context.Context, what string, err error, peer transport.Peer) error {
	switch {
	case ctx.Err() == nil:
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, transport.Explain(err, peer))
	default:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	return Passing(what, transport.Explain(err, peer))
}

// Passing makes a failure retryable if it may pass.
func Passing(what string, f *transport.Failure) error {
	err := fmt.Errorf("%s: %w", what, f)
	if f.Passing {
		return &pipeline.Retryable{Err: err, After: f.After}
	}
	return err
}

// Unreadable is an answer that can't be divided into its rows: it is cut, too large, or not a list.
// The connection may be at fault, so it is worth repeating.
type Unreadable struct {
	Err   error
	Start []byte // its beginning, up to 64 KiB
	Size  int    // how much of it was received
	// Message: a whole message came in place of a list. It says nothing about a row: a service in
	// trouble gives it to any request.
	Message bool
	// Large: a whole page is too large; a smaller page may not be.
	Large bool
}

// Broken is the answer with that body. err says why it can't be read.
func Broken(err error, body []byte) *Unreadable {
	// The body itself may be large, so its beginning is copied.
	return &Unreadable{Err: err, Start: bytes.Clone(body[:min(len(body), startBytes)]), Size: len(body), Message: errors.As(err, new(*jsonwalk.NotAnArray))}
}

// startBytes is how much is kept of an answer that can't be read.
const startBytes = 64 << 10

func (u *Unreadable) Error() string { return u.Err.Error() }

func (u *Unreadable) Unwrap() error { return u.Err }

// Rounds is how often a row has to fail like this before it is at fault.
func (u *Unreadable) Rounds() int {
	if u.Message {
		return jsonwalk.Patience
	}
	return jsonwalk.Sightings
}

// SaysMore reports whether u has more of a row than o: any beginning of a list has more of it than a
// message, however long.
func (u *Unreadable) SaysMore(o *Unreadable) bool {
	if u.Message != o.Message {
		return o.Message
	}
	return u.Size > o.Size
}
