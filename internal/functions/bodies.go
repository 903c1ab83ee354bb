package functions

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// This file bounds the memory for bodies that are pushed, and what a slow sender can hold of it.
//
// A body gets memory as its bytes come, not by what its sender announces. The first 64 KiB of each, which
// is more than an ordinary event has, come from a share of their own, and so do the next ones: neither
// large bodies nor those whose sender is slow keep an ordinary event waiting. One that is larger than 256
// KiB gets all that it may still need at once, so that several of them do not wait for each other, and
// every one beyond its start only as long as its sender does not stop.

const (
	// bodyTimeout limits the reading of a pushed body.
	bodyTimeout = 20 * time.Second
	// slotTimeout is the same for a body that is stored as it comes, and slotBytes is what of it is in
	// memory beyond its start: a part, and the object that is made of it.
	slotTimeout = 3 * time.Minute
	slotBytes   = 2 << 20
	// startBytes is the start of a body, and middleBytes how large one is that is not large yet.
	startBytes  = 64 << 10
	middleBytes = 256 << 10
	// firstBytes is what a body gets before its first byte; it doubles from there.
	firstBytes = 4 << 10
	// unpackBytes is what decompression needs besides, and packedAtOnce bounds that of all bodies.
	unpackBytes  = 48 << 10
	packedAtOnce = 3 << 20

	// startsAtOnce bounds the starts of bodies, in bytes, that are read or waiting to be stored,
	// middlesAtOnce what larger ones have up to middleBytes, and restsAtOnce what is beyond that.
	startsAtOnce  = 4 << 20
	middlesAtOnce = 4 << 20
	restsAtOnce   = 8 << 20
	// slotsAtOnce is [restsAtOnce] for bodies that are stored as they come, and smallAtOnce for those of
	// them that are not larger than a start. These are shares of their own, because what waits for a store
	// that is down keeps its memory for minutes, and an access request can't wait for it.
	slotsAtOnce = 4 * slotBytes
	smallAtOnce = 1 << 20
	// mostWaiting is how many bodies wait for more than a start. Each of them has one, and there must be
	// some left for others.
	mostWaiting = 16
	// memoryWait is how long a request waits for memory, all in all.
	memoryWait = 2 * time.Second

	// blockTime is how long a sender may take for each 64 KiB once its body has more than a start. One that
	// stops holds memory for no longer.
	blockTime = 2 * time.Second
)

// Errors of a body. Others come from the connection.
var (
	errNoMemory = errors.New("too many bodies at once")
	errSlow     = errors.New("the body comes too slowly")
)

// memory is what there is for bodies.
type memory struct {
	starts, middles, rests, slots, small, packed *semaphore.Weighted
	// waiting counts the bodies that wait for more than a start.
	waiting atomic.Int64
}

func newMemory() *memory {
	return &memory{
		starts: semaphore.NewWeighted(startsAtOnce), middles: semaphore.NewWeighted(middlesAtOnce), rests: semaphore.NewWeighted(restsAtOnce),
		slots: semaphore.NewWeighted(slotsAtOnce), small: semaphore.NewWeighted(smallAtOnce), packed: semaphore.NewWeighted(packedAtOnce),
	}
}

// memory is shared by all requests.
func (h *Handler) memory() *memory {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bodies == nil {
		h.bodies = newMemory()
	}
	return h.bodies
}

// room is what one body has of the memory.
type room struct {
	of                  *memory
	start, middle, rest int64
	slot, small         int64 // of the slots
	unpack              int64 // of the packed
	waited              time.Duration
}

// grow gets memory for that many bytes of a body that will have most bytes at most. One that has more than
// a start has nothing of the starts any more.
func (r *room) grow(ctx context.Context, size, most int64) error {
	if size <= startBytes {
		return r.take(ctx, r.of.starts, &r.start, size)
	}
	if err := r.take(ctx, r.of.middles, &r.middle, min(size, middleBytes)); err != nil {
		return err
	}
	lower(r.of.starts, &r.start, 0)
	if size <= middleBytes {
		return nil
	}
	return r.take(ctx, r.of.rests, &r.rest, most-middleBytes)
}

// take raises what the room has of a share.
func (r *room) take(ctx context.Context, from *semaphore.Weighted, has *int64, to int64) error {
	more := to - *has
	if more <= 0 {
		return nil
	}
	if !from.TryAcquire(more) {
		if from != r.of.starts {
			defer r.of.waiting.Add(-1)
			if r.of.waiting.Add(1) > mostWaiting {
				return errNoMemory
			}
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(ctx, memoryWait-r.waited)
		defer cancel()
		err := from.Acquire(ctx, more)
		if r.waited += time.Since(begun); err != nil {
			return errNoMemory
		}
	}
	*has = to
	return nil
}

// shrink gives back what is not needed any more.
func (r *room) shrink(size int64) {
	lower(r.of.starts, &r.start, min(size, startBytes))
	lower(r.of.middles, &r.middle, min(size, middleBytes))
	lower(r.of.rests, &r.rest, max(0, size-middleBytes))
}

// free gives back everything.
func (r *room) free() {
	r.shrink(0)
	lower(r.of.packed, &r.unpack, 0)
	lower(r.of.slots, &r.slot, 0)
	lower(r.of.small, &r.small, 0)
}

func lower(of *semaphore.Weighted, has *int64, to int64) {
	if to < *has {
		of.Release(*has - to)
		*has = to
	}
}

// read reads up to most bytes into memory that the room gets as they come. more reports that nothing was
// missing when it ended there.
func (r *room) read(ctx context.Context, from io.Reader, most int64) (body []byte, more bool, err error) {
	for size := int64(firstBytes); ; size *= 2 {
		size = min(size, most)
		if err := r.grow(ctx, size, most); err != nil {
			return nil, false, err
		}
		larger := make([]byte, len(body), size)
		copy(larger, body)
		body = larger
		for len(body) < cap(body) {
			n, err := from.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			if err == io.EOF { // itself: a body that breaks off may wrap it
				return body, false, nil
			}
			if err != nil {
				return nil, false, err
			}
		}
		if size == most {
			return body, true, nil
		}
	}
}

// sender is the body of a request, as it comes from a sender that has a limited time for it. The time
// counts only while something is awaited from the sender.
type sender struct {
	body io.Reader
	// until sets when reading fails.
	until func(time.Time) error
	// left is what is left of the time for the whole body, and ofBlock of that for the 64 KiB that come;
	// block is how many of these have come.
	left, ofBlock time.Duration
	block         int
	started       bool // a start has come
}

// newSender returns the body of a request, of at most that many bytes.
func newSender(w http.ResponseWriter, r *http.Request, bytes int64, most time.Duration) *sender {
	return &sender{body: http.MaxBytesReader(w, r.Body, bytes), until: http.NewResponseController(w).SetReadDeadline, left: most}
}

// Read implements [io.Reader].
func (s *sender) Read(p []byte) (int, error) {
	if s.block >= startBytes {
		s.started, s.block, s.ofBlock = true, 0, blockTime
	}
	left := s.left
	if s.started {
		left = min(left, s.ofBlock)
	}
	begun := time.Now()
	_ = s.until(begun.Add(left)) // writers in tests have none
	n, err := s.body.Read(p)
	took := time.Since(begun)
	s.left, s.ofBlock = s.left-took, s.ofBlock-took
	s.block += n
	switch {
	case err == io.EOF:
		_ = s.until(time.Time{}) // else it would end the request
	case err != nil && took >= left:
		err = errSlow
	}
	return n, err
}
