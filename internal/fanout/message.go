// Package fanout is the message by which the timer asks any instance of the function app to poll
// one connection: FAN_OUT=queue puts one for each connection into a storage queue at every tick.
//
// A message says whose turn it is and holds no secret. A queue delivers it at least once, perhaps
// late, twice, or after a newer one. That does no harm: the locks and the checkpoints decide what a
// run does, and a message that two newer ones have followed is dropped (see [Message.Stale]).
package fanout

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// Queue is the storage queue, as the function.json of work/ and function/ names it.
	Queue = "idn-sentinel-work"
	// Poison is where the platform moves a message after [Deliveries] failures.
	Poison = Queue + "-poison"
	// Deliveries is maxDequeueCount in the host.json of that package.
	Deliveries = 5
	// AtOnce is how many messages an instance works on at most: batchSize and newBatchThreshold
	// of the same host.json.
	AtOnce = 16
	// version is the format that this package writes and reads.
	version = 1
)

// Message asks for one poll of a connection.
type Message struct {
	Version int `json:"version"`
	// App is the function app that has put the message into the queue; "" if it is unknown.
	App string `json:"app,omitzero"`
	// Connection is the name of the connection; "" if CONNECTIONS is not set. Tenant is the
	// prefix of its state.
	Connection string `json:"connection,omitzero"`
	Tenant     string `json:"tenant,omitzero"`
	// Tick is the moment of the timer.
	Tick time.Time `json:"tick"`
	// Expires is the second tick after it; zero if there is none.
	Expires time.Time `json:"expires,omitzero"`
}

// ErrNewer means that a newer version of this program has put the message into the queue.
var ErrNewer = errors.New("the message is of a newer version of this app")

// Encode writes a message.
func Encode(m Message) (string, error) {
	m.Version, m.Tick, m.Expires = version, format.UTC(m.Tick), format.UTC(m.Expires)
	text, err := json.Marshal(m)
	return string(text), err
}

// Decode reads a message of any version up to this one. Its error is [ErrNewer], or says what is
// wrong with the form; it quotes nothing of the message.
func Decode(text []byte) (Message, error) {
	var m Message
	switch err := format.JSON(text, version, &m); {
	case errors.Is(err, format.ErrNewer):
		return Message{}, fmt.Errorf("%w: instances of two versions share one queue; this passes once all have the newer one", ErrNewer)
	case err != nil:
		return Message{}, fmt.Errorf("%d bytes that are not a message of this app: something else writes to the queue %s", len(text), Queue)
	case m.Tick.IsZero() || !format.Writable(m.Tick) || !format.Writable(m.Expires):
		return Message{}, fmt.Errorf("the message names no moment: something else writes to the queue %s", Queue)
	}
	return m, nil
}

// Stale reports whether two ticks have passed since the message's own, so that newer messages
// for the same connection are in the queue, or have been there.
func (m Message) Stale(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }
