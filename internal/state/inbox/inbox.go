// Package inbox keeps what was pushed in the state store until it is delivered.
//
// The objects are {tenant}/inbox/{stream}/{time}-{random}: the time of storing in nanoseconds since
// 1970, 19 digits, and 16 random hex digits, because several processes receive at the same time.
// Each holds one batch in the format of package records. An object is written once, before the
// sender is answered, and deleted after its records are delivered and committed.
//
// The keys are nearly in the order of arrival, but the clocks of two processes differ: an object may
// appear before others that have been read already.
package inbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format/records"
)

// ErrUnreadable means that an object can't be read as a batch, and won't be at the next attempt.
var ErrUnreadable = errors.New("inbox object can't be read")

// Object is an object in a listing. Its name is the last element of its key.
type Object = struct {
	Name string
	Size int64
}

// Box is the inbox of one stream.
type Box struct {
	store  state.Store
	prefix string
	stream string
}

// New returns the inbox of a tenant's stream; the tenant is the first element of the keys. It does
// not access the store.
func New(store state.Store, tenant, stream string) *Box {
	return &Box{store: store, prefix: tenant + "/inbox/" + stream + "/", stream: stream}
}

// Put stores a batch durably as a new object.
func (b *Box) Put(ctx context.Context, batch []pipeline.Record) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	key := fmt.Sprintf("%s%019d-%s", b.prefix, time.Now().UnixNano(), hex.EncodeToString(random[:]))
	data := Encode(b.stream, batch)
	_, err := b.store.Put(ctx, key, data, state.Absent)
	if errors.Is(err, state.ErrConflict) && b.has(ctx, key, data) {
		return nil // an attempt whose answer was lost
	}
	if err != nil {
		return fmt.Errorf("inbox of %s: %w", b.stream, err)
	}
	return nil
}

// has reports whether the object holds these bytes.
func (b *Box) has(ctx context.Context, key string, data []byte) bool {
	o, err := b.store.Get(ctx, key)
	return err == nil && string(o.Data) == string(data)
}

// List yields the objects in the order of their names, from the first one after a name.
func (b *Box) List(ctx context.Context, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for info, err := range b.store.List(ctx, b.prefix) {
			if err != nil {
				yield(Object{}, fmt.Errorf("inbox of %s: %w", b.stream, err))
				return
			}
			name := info.Key[len(b.prefix):]
			if name > after && !yield(Object{name, info.Size}, nil) {
				return
			}
		}
	}
}

// Read returns the batch of an object, nil if there is none any more. An object that is damaged or
// newer is an [ErrUnreadable], which names it.
func (b *Box) Read(ctx context.Context, name string) ([]pipeline.Record, error) {
	key := b.prefix + name
	o, err := b.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		batch, bad := Decode(b.stream, o.Data)
		if bad == nil {
			return batch, nil
		}
		err = bad
	} else if !errors.Is(err, state.ErrTooLarge) {
		return nil, fmt.Errorf("inbox of %s: %w", b.stream, err)
	}
	if errors.Is(err, format.ErrNewer) {
		return nil, fmt.Errorf("%w: %q is %w", ErrUnreadable, key, err)
	}
	return nil, fmt.Errorf("%w: %q %w; what was pushed in it is not delivered, all else is: restore an earlier copy of it, "+
		"or take what you need from it, which is text, and delete it", ErrUnreadable, key, err)
}

// Encode writes a batch.
func Encode(stream string, batch []pipeline.Record) []byte { return records.Encode(stream, batch) }

// Decode reads a batch.
func Decode(stream string, data []byte) ([]pipeline.Record, error) {
	return records.Decode(stream, data)
}

// Delete removes an object. A missing one is not an error.
func (b *Box) Delete(ctx context.Context, name string) error {
	if err := b.store.Delete(ctx, b.prefix+name); err != nil {
		return fmt.Errorf("inbox of %s: %w", b.stream, err)
	}
	return nil
}

// Unreadable reports whether an error of [Box.Read] is an [ErrUnreadable].
func (b *Box) Unreadable(err error) bool { return errors.Is(err, ErrUnreadable) }
