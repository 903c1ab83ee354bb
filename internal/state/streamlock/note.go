package streamlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// version is the format that this package writes and reads.
	version = 1
	// seenEvery is how often a note is updated only to say that the lock is still held.
	seenEvery = time.Hour
	// void is how long after the last sighting a lock counts as a new one.
	void = 25 * time.Hour
)

// note is what a run stores when it finds a stream locked.
type note struct {
	Version int `json:"version"`
	// Since is when the lock was first found held.
	Since time.Time `json:"since"`
	// Seen is when it was last found held, to within seenEvery.
	Seen time.Time `json:"seen"`
	// Progress is what the holder had saved by that time.
	Progress string `json:"progress,omitzero"`
}

func (l *Locks) noteKey(stream string) string { return l.key(stream) + ".waiting" }

// note returns since when the lock has been held, and updates the stored note.
func (l *Locks) note(ctx context.Context, stream, progress string, now time.Time) (time.Time, error) {
	key := l.noteKey(stream)
	o, err := l.store.Get(ctx, key)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return time.Time{}, fmt.Errorf("since when the stream has been locked: %w", err)
	}
	last, err := decodeNote(o.Data)
	if err != nil {
		return time.Time{}, fmt.Errorf("since when the stream has been locked: %q: %w", key, err)
	}
	next := note{Version: version, Since: last.Since, Seen: now.UTC(), Progress: progress}
	same := !last.Since.IsZero() && last.Progress == progress && !last.Since.After(now) && now.Sub(last.Seen) < void
	if !same {
		next.Since = next.Seen
	}
	if same && now.Sub(last.Seen).Abs() < seenEvery {
		return next.Since, nil
	}
	data, err := format.Line(next)
	if err == nil {
		_, err = l.store.Put(ctx, key, data, o.ETag)
	}
	if err != nil && !errors.Is(err, state.ErrConflict) { // another waiting run was faster
		return time.Time{}, fmt.Errorf("note that the stream is locked: %w", err)
	}
	return next.Since, nil
}

// decodeNote reads a note. A missing or damaged one gives the zero note, and is written anew.
func decodeNote(data []byte) (note, error) {
	var n note
	err := format.JSON(data, version, &n)
	if errors.Is(err, format.ErrNewer) {
		return note{}, err
	}
	if sound := err == nil && format.Writable(n.Since); !sound {
		n = note{}
	}
	return n, nil
}
