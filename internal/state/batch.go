package state

import (
	"context"
	"sync"
)

// Write is one Put of several.
type Write struct {
	Key  string
	Data []byte
	Prev ETag
	// ETag and Err are what Put would return.
	ETag ETag
	Err  error
}

// Batcher is a [Store] for which several Puts together cost less than one by one.
type Batcher interface {
	// PutAll does all the writes, which are of different objects, and sets the outcome of
	// each. One that fails does not stop the others.
	PutAll(ctx context.Context, writes []*Write)
}

// atOnce bounds the Puts that are under way together.
const atOnce = 8

// PutAll does all the writes, together if the store can do that.
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
