// Package inbox is the [pipeline.Source] of what was pushed and waits in the state.
//
// A push is stored as an object of the inbox before its sender is answered. Each run walks the
// objects in the order of their names, delivers their records and, once the checkpoint is stored,
// deletes them. The cursor is the place in a walk:
//
//	{"read":"3f5a…","after":"1790000000000000000-0123456789abcdef"}
//
// where "read" is a hash of the names that the walk has read so far.
//
// Objects come from several processes whose clocks differ, so one may appear before others that a
// walk has passed. It is found by the next walk, which begins at the beginning. An acknowledgement
// therefore never deletes "everything up to here", but exactly the objects whose names the cursor
// hashes, as far as this process has read them. If a process dies between the commit and the
// acknowledgement, the next one reads the objects again, and the ledger drops their records.
//
// An object that can't be read stays where it is and holds up nothing else. The run that meets it
// delivers all others and then fails, and its error names the object.
//
// Errors of the state are not [pipeline.Retryable]: its adapters repeat what may pass.
package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Box is where the objects are.
type Box interface {
	// List yields the objects in the order of their names, from the first one after a name.
	List(ctx context.Context, after string) iter.Seq2[Object, error]
	// Read returns the records of an object, nil if there is none any more.
	Read(ctx context.Context, name string) ([]pipeline.Record, error)
	// Delete removes an object. A missing one is not an error.
	Delete(ctx context.Context, name string) error
	// Unreadable reports whether an error of Read says that the object can't be read, and won't
	// be at the next attempt.
	Unreadable(err error) bool
}

// Object is an object in a listing.
type Object = struct {
	Name string
	Size int64 // bytes
}

const (
	// defaultPage is how many objects are read for a page. Objects hold few records when pushes
	// are rare, and up to 4 MiB of them when they are not.
	defaultPage = 128
	// listed is how many objects are listed at a time, so that a backlog is not listed anew for
	// each page.
	listed = 4096
	// pageBytes ends a page early, so that memory is bounded.
	pageBytes = 4 << 20
	// atOnce bounds the number of concurrent reads, and of deletions.
	atOnce = 8
)

// Source is the inbox of one stream; see the package comment.
type Source struct {
	stream pipeline.Stream
	box    Box
	page   int

	broken error // why objects of the current walk can't be read
	ahead  ahead

	mu    sync.Mutex // guards pages: Ack may be called during a Fetch
	pages []read
}

var (
	_ pipeline.Source = (*Source)(nil)
	_ pipeline.Acker  = (*Source)(nil)
)

// ahead is what a listing has shown after a name and no page has read.
type ahead struct {
	after   string
	objects []Object
	more    bool // there were others after these
}

// read is a page of the current walk.
type read struct {
	next  pipeline.Cursor
	names []string // objects that were read and are not acknowledged
}

// New returns the source. It does not access the box.
func New(stream pipeline.Stream, box Box) *Source {
	return &Source{stream: stream, box: box, page: defaultPage}
}

// place is the content of a cursor.
type place struct {
	// Read is a hash of the names that the walk has read; absent if there were none.
	Read string `json:"read,omitempty"`
	// After is the name of the last object that was read; absent at the end of a walk.
	After string `json:"after,omitempty"`
}

// then returns the hash after another name.
func then(hash, name string) string {
	sum := sha256.Sum256([]byte(hash + "\n" + name))
	return hex.EncodeToString(sum[:16])
}

// Stream implements [pipeline.Source].
func (s *Source) Stream() pipeline.Stream { return s.stream }

// Fetch implements [pipeline.Source]. After the end of a walk it begins another one.
func (s *Source) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	at, err := parse(after)
	if err != nil {
		return pipeline.Page{}, err
	}
	if at.After == "" {
		at, s.broken, s.ahead = place{}, nil, ahead{}
		s.begin()
	}
	begun := time.Now().UTC().Truncate(time.Millisecond)
	names, more, err := s.names(ctx, at.After)
	if err != nil {
		return pipeline.Page{}, err
	}
	batches, broken, err := s.readAll(ctx, names)
	if err != nil {
		return pipeline.Page{}, err
	}
	page, taken := pipeline.Page{}, []string(nil)
	for i := range names {
		at.After = names[i]
		if broken[i] != nil {
			at.Read = then(at.Read, "unreadable "+names[i])
			s.broken = errors.Join(s.broken, broken[i])
			continue
		}
		page.Records = append(page.Records, batches[i]...)
		taken, at.Read = append(taken, names[i]), then(at.Read, names[i])
	}
	if page.More = more; !more {
		at.After = ""
		page.Through, page.Incomplete = begun, s.broken
	}
	page.Next = encode(at)
	s.note(read{page.Next, taken})
	return page, nil
}

func (s *Source) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = nil
}

func (s *Source) note(r read) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = append(s.pages, r)
}

// names returns the objects of the next page, and says whether there are others after them.
func (s *Source) names(ctx context.Context, after string) (names []string, more bool, err error) {
	if len(s.ahead.objects) == 0 || s.ahead.after != after {
		if s.ahead, err = s.list(ctx, after); err != nil {
			return nil, false, err
		}
	}
	size, n := int64(0), 0
	for _, object := range s.ahead.objects {
		if size += object.Size; n == s.page || size > pageBytes && n > 0 {
			break
		}
		names = append(names, object.Name)
		n++
	}
	s.ahead.objects = s.ahead.objects[n:]
	if n > 0 {
		s.ahead.after = names[n-1]
	}
	return names, s.ahead.more || len(s.ahead.objects) > 0, nil
}

// list lists some objects after a name.
func (s *Source) list(ctx context.Context, after string) (ahead, error) {
	next := ahead{after: after}
	for object, err := range s.box.List(ctx, after) {
		if err != nil {
			return ahead{}, err
		}
		if len(next.objects) == listed {
			next.more = true
			break
		}
		next.objects = append(next.objects, object)
	}
	return next, nil
}

// readAll reads objects. broken has an error for each that can't be read.
func (s *Source) readAll(ctx context.Context, names []string) (batches [][]pipeline.Record, broken []error, err error) {
	batches, broken = make([][]pipeline.Record, len(names)), make([]error, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, name := range names {
		g.Go(func() error {
			batch, err := s.box.Read(ctx, name)
			if err != nil && s.box.Unreadable(err) {
				broken[i], err = err, nil
			}
			batches[i] = batch
			return err
		})
	}
	return batches, broken, g.Wait()
}

// Ack implements [pipeline.Acker].
func (s *Source) Ack(ctx context.Context, through pipeline.Cursor) error {
	names := s.through(through)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, name := range names {
		g.Go(func() error { return s.box.Delete(ctx, name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.forget(through)
	return nil
}

// through returns the objects that this process has read up to a place of the current walk.
func (s *Source) through(cursor pipeline.Cursor) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.index(cursor); i >= 0; i-- {
		names = append(names, s.pages[i].names...)
	}
	return names
}

// forget drops the names that were deleted.
func (s *Source) forget(cursor pipeline.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.index(cursor); i >= 0; i-- {
		s.pages[i].names = nil
	}
}

// index is the last page of the current walk that ends at a cursor, or −1.
func (s *Source) index(cursor pipeline.Cursor) int {
	for i := len(s.pages) - 1; i >= 0; i-- {
		if s.pages[i].next == cursor {
			return i
		}
	}
	return -1
}

func parse(cursor pipeline.Cursor) (at place, err error) {
	if cursor == "" {
		return at, nil
	}
	if err := json.Unmarshal([]byte(cursor), &at, json.RejectUnknownMembers(true)); err != nil || cursor[0] != '{' {
		return at, fmt.Errorf("cursor %.100q is not one of the inbox", string(cursor))
	}
	return at, nil
}

func encode(at place) pipeline.Cursor {
	text, err := json.Marshal(at)
	if err != nil {
		panic(fmt.Sprintf("encode cursor of the inbox: %v", err)) // two texts
	}
	return pipeline.Cursor(text)
}
