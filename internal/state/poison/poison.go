// Package poison keeps what became of messages that the queue of FAN_OUT gave up, for a person who
// asks how the app is: fan-out/poison.json, one object for the whole app.
//
// The platform counts the deliveries of a message and, after the last of them has failed, moves it
// into a queue of its own, where no one looks. Its last delivery is noted here.
// Nothing that moves data reads it. Its size is bounded.
package poison

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// Key is where the notes are. No connection's state is there, because those have a folder
	// below their tenant.
	Key = "fan-out/poison.json"
	// version is the format that this package writes and reads.
	version = 1
	// maxRecent is how many notes are kept, maxText the size of a reason.
	maxRecent, maxText = 20, 500
	// attempts is how often a write is tried while others write.
	attempts = 20
	// apart is the longest pause between two of them.
	apart = 100 * time.Millisecond
)

// Note is one message that was given up.
type Note struct {
	At time.Time `json:"at"`
	// Connection is whom it was for; "" if that is unknown, or there is only one.
	Connection string `json:"connection,omitzero"`
	// Deliveries is how often it was delivered.
	Deliveries int `json:"deliveries"`
	// Reason is why the last delivery failed. It quotes nothing of the message.
	Reason string `json:"reason"`
}

// File is what is known.
type File struct {
	// Total counts all messages that were given up.
	Total int64 `json:"total"`
	// Recent are the last ones, the newest first.
	Recent []Note `json:"recent"`
}

type stored struct {
	Version int `json:"version"`
	File
}

// Load returns what is known; the zero File if nothing is.
func Load(ctx context.Context, store state.Store) (File, error) {
	f, _, err := load(ctx, store)
	return f, err
}

func load(ctx context.Context, store state.Store) (File, state.ETag, error) {
	o, err := store.Get(ctx, Key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return File{}, state.Absent, nil
	case err != nil:
		return File{}, "", fmt.Errorf("read what the queue gave up: %w", err)
	}
	var s stored
	damaged := format.JSON(o.Data, version, &s)
	if errors.Is(damaged, format.ErrNewer) {
		return File{}, "", fmt.Errorf("%q: %w", Key, damaged)
	}
	if damaged != nil { // the next note replaces it
		s.File = File{}
	}
	return s.File, o.ETag, nil
}

// Add adds a note.
func Add(ctx context.Context, store state.Store, n Note) error {
	n.At, n.Reason = format.UTC(n.At), text.Line(n.Reason, maxText)
	for tries := 1; ; tries++ {
		f, etag, err := load(ctx, store)
		if err != nil {
			return err
		}
		f.Total++
		f.Recent = slices.Insert(f.Recent, 0, n)
		f.Recent = f.Recent[:min(len(f.Recent), maxRecent)]
		data, err := format.Line(stored{version, f})
		if err == nil {
			_, err = store.Put(ctx, Key, data, etag)
		}
		if err == nil || !errors.Is(err, state.ErrConflict) || tries == attempts {
			return err
		}
		timer := time.NewTimer(rand.N(apart))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return state.ContextErr(ctx)
		}
	}
}
