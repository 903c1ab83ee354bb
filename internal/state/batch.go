package state

import (
	"context"
	"sync"
)

// Write is one of several Puts.
type Write struct {
	Key  string
	Data []byte
	Prev ETag
	// ETag and Err are the results of the Put.
	ETag ETag
	Err  error
}

// Batcher is a [Store] for which several Puts cost less together than one by one.
type Batcher interface {
	// PutAll does all the writes, each of a different object, and sets their outcomes. A
	// failure does not stop the others.
	PutAll(ctx context.Context, writes []*Write)
}

// atOnce bounds the number of concurrent Puts.
const atOnce = 8

// PutAll does all the writes, as a batch if the store is a [Batcher].
func PutAll(ctx context.Context, s Store, writes []*Write) {
	if b, ok := s.(Batcher); ok {
		b.PutAll(ctx, writes)
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, w := range writes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			w.ETag, w.Err = s.Put(ctx, w.Key, w.Data, w.Prev)
		})
	}
	wg.Wait()
}

// Counted is a [Store] that may have no room for another object although it has room for bytes.
type Counted interface {
	// Room returns an error if there is no room for so many new objects. It stores nothing.
	Room(objects int) error
}

// Room returns an error if the store is known to have no room for so many new objects.
func Room(s Store, objects int) error {
	if c, ok := s.(Counted); ok {
		return c.Room(objects)
	}
	return nil
}
