package source

import (
	"context"
	"io"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Receiver is a [Connector] whose records are pushed: its one stream is the inbox in which they
// wait.
type Receiver interface {
	Connector
	// Hook is what understands the pushes.
	Hook() Hook
}

// Gate judges the credentials of pushes.
type Gate interface {
	// Admits reports whether a request with these Authorization headers may push. The time that it
	// takes does not depend on how much of a credential is right. An error says why it can't be
	// judged for now, and the sender is asked to try again.
	Admits(ctx context.Context, authorization []string) (bool, error)
	// Ready returns why requests can't be judged. What could not be read so far is read, as often as
	// the vault may be asked.
	Ready(ctx context.Context) error
}

// Hook understands what one kind of service pushes. It is safe for concurrent use.
type Hook interface {
	// Path is the element after /api/hooks/ that it is reached at.
	Path() string
	// MaxBody is the size of the largest body in bytes.
	MaxBody() int64
	Gate
	// Receive reads a body that arrived at a moment. rest is what follows Path in the address. An
	// error says what is wrong with the body, and shows nothing of it.
	Receive(rest string, body []byte, at time.Time) (Push, error)
	// Settle does what a stored [Push.Owed] says, which may have been done before. Its error shows no
	// secret.
	Settle(ctx context.Context, owed []byte) error
}

// Push is what was in a body.
type Push struct {
	// Records are to be stored before the answer, without secrets.
	Records []pipeline.Record
	// Answer is what the sender gets once they are.
	Answer Answer
	// Waiting means that a person's request waits for the answer: it is given in time even if the
	// records could not be stored.
	Waiting bool
	// After, if not nil, is done besides, and ends by itself. Its error shows no secret.
	After func(context.Context) error
	// Owed is what After does, to be stored until it is done, for a process that follows this one. It
	// shows no secret. It is nil if there is nothing to do, or if that can't be stored.
	Owed []byte
	// Problem, if not "", is something that a person should change at the sender.
	Problem string
}

// Depositor is a [Connector] whose records are pushed in bodies that are too large for memory. They
// are stored as they come, and read by its one stream.
type Depositor interface {
	Connector
	Gate
	// Path and MaxBody are like those of [Hook].
	Path() string
	MaxBody() int64
	// Deposit stores a body. Without an error it is durable. The error is an [*Unacceptable], or
	// that of the body, or the state's.
	Deposit(ctx context.Context, d Upload) (Deposited, error)
}

// Forwarder is a [Connector] that may also pass on what it received, beside its delivery.
type Forwarder interface {
	Connector
	// Forwarding is what does so, and the name of its lock and its health rows. It is nil if nothing is
	// passed on.
	Forwarding() (name string, f *forward.Forwarder)
}

// Upload is a body that arrives.
type Upload struct {
	// Rest is what follows Path in the address.
	Rest string
	// ContentType and ContentEncoding are headers.
	ContentType, ContentEncoding string
	At                           time.Time
	Body                         io.Reader
}

// Deposited is what was stored.
type Deposited struct {
	ID    string
	Bytes int64
	// Again is true if the same body was stored shortly before.
	Again bool
}

// Unacceptable is why a body is refused. It shows nothing of it.
type Unacceptable struct {
	Status int
	Why    string
}

func (e *Unacceptable) Error() string { return e.Why }

// Slot is an [Inlet] for bodies that are too large for memory.
type Slot interface {
	Inlet
	// Deposit stores a body durably and returns the answer. An error of the body is returned as
	// it is, and the answer is then without meaning.
	Deposit(ctx context.Context, contentType, contentEncoding string, body io.Reader) (Answer, error)
}

// Answer is the response to a push. The zero value means 200 with an empty object.
type Answer struct {
	Status int
	Body   []byte
	// RetryAfter is when to try again; 0 means that the header is left out.
	RetryAfter time.Duration
}

// Inlet is one address at which pushes are received.
type Inlet interface {
	// MaxBody is [Hook.MaxBody].
	MaxBody() int64
	// Admits is [Gate.Admits].
	Admits(ctx context.Context, authorization []string) (bool, error)
	// Receive stores a body durably and returns the answer, at the deadline of ctx at the latest. What
	// is stored does not end with ctx. It takes a few seconds at most.
	Receive(ctx context.Context, body []byte) Answer
}
