package inbox_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/inbox"
)

// box is a small inbox, in which objects can become unreadable.
type box struct {
	mu      sync.Mutex      // of deletions, which come at once
	objects map[string]bool // false: it can't be read
	err     error           // of deletions
}

var errDamaged = errors.New("damaged")

func (b *box) List(_ context.Context, after string) iter.Seq2[inbox.Object, error] {
	return func(yield func(inbox.Object, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(b.objects)) {
			if name > after && !yield(inbox.Object{Name: name, Size: 300}, nil) {
				return
			}
		}
	}
}

func (b *box) Read(_ context.Context, name string) ([]pipeline.Record, error) {
	if !b.objects[name] {
		return nil, errDamaged
	}
	return []pipeline.Record{record(name)}, nil
}

func (b *box) Delete(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		delete(b.objects, name)
	}
	return b.err
}

func (b *box) Unreadable(err error) bool { return errors.Is(err, errDamaged) }

func (b *box) left() []string { return slices.Sorted(maps.Keys(b.objects)) }

// What an earlier walk has read and nobody has delivered is not deleted with what a later one has: it
// may have become unreadable in between.
func TestAckIsForItsOwnWalk(t *testing.T) {
	b := &box{objects: map[string]bool{"a": true, "b": true}}
	src := inbox.New(pipeline.Stream{ID: "Pushed"}, b)
	if page, err := src.Fetch(t.Context(), ""); err != nil || len(page.Records) != 2 {
		t.Fatalf("%+v, %v", page, err)
	} // the run fails
	b.objects["b"] = false
	page, err := src.Fetch(t.Context(), "")
	if err != nil || len(page.Records) != 1 || page.Incomplete == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	if err := src.Ack(t.Context(), page.Next); err != nil {
		t.Fatal(err)
	}
	if left := b.left(); !slices.Equal(left, []string{"b"}) {
		t.Errorf("%q is left, want the object that can't be read", left)
	}
	// Once it is repaired, the walks are whole again.
	b.objects["b"] = true
	if page, err = src.Fetch(t.Context(), page.Next); err != nil || len(page.Records) != 1 || page.Incomplete != nil {
		t.Errorf("after the repair: %+v, %v", page, err)
	}
}

// An acknowledgement that failed can be repeated.
func TestAckIsRepeated(t *testing.T) {
	b := &box{objects: map[string]bool{"a": true, "b": true}, err: errors.New("store is away")}
	src := inbox.New(pipeline.Stream{ID: "Pushed"}, b)
	page, err := src.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Ack(t.Context(), page.Next); !errors.Is(err, b.err) {
		t.Errorf("Ack: %v", err)
	}
	b.err = nil
	if err := src.Ack(t.Context(), page.Next); err != nil || len(b.objects) != 0 {
		t.Errorf("Ack: %v, %q is left", err, b.left())
	}
}
