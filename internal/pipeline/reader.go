package pipeline

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

// reader fetches the pages of the tail ahead of the delivery, by as much as a flush holds, so
// that source and sink are both kept busy and memory stays bounded.
type reader struct {
	*session
	pages     chan fetched
	allowance int64 // of bytes fetched ahead
	ahead     *semaphore.Weighted
	stop      context.CancelFunc
}

// fetched is what the reader hands over: a page, an error, or the notice that no time is left
// to fetch another.
type fetched struct {
	page   Page
	size   int64 // its share of the allowance
	held   int64 // its share of Memory
	alone  bool  // Memory has no room for it: deliver it before another one is fetched
	err    error
	budget bool
}

// newReader begins to fetch after the cursor. The reader must be closed.
func newReader(ctx context.Context, s *session, after Cursor, allowance int) *reader {
	ctx, stop := context.WithCancel(ctx)
	r := &reader{session: s, pages: make(chan fetched, 64), allowance: int64(allowance), ahead: semaphore.NewWeighted(int64(allowance)), stop: stop}
	go r.fetchAll(ctx, after)
	return r
}

// next waits for the next page, or until the moment comes: then it is late. It is not ok if the reader
// left without a last word, because its context has ended. A page that is alone must be passed to
// [reader.delivered].
func (r *reader) next(moment <-chan time.Time) (f fetched, ok, late bool) {
	select {
	case f, ok = <-r.pages:
	case <-moment:
		return fetched{}, true, true
	}
	if !f.alone {
		r.ahead.Release(f.size)
	}
	return f, ok, false
}

// delivered lets the reader continue after a page that was alone.
func (r *reader) delivered(f fetched) { r.ahead.Release(f.size) }

// close stops the reader and waits until its goroutine is gone: it must be before the report
// is read, whatever way the run ends.
func (r *reader) close() {
	r.stop()
	for f := range r.pages { // nothing of it was gathered, so nothing of it is lost
		r.ahead.Release(f.size)
		r.Memory.give(f.held)
		r.log.Debug("page fetched ahead is dropped", "stream", r.report.Stream, "records", len(f.page.Records))
	}
}

// fetchAll sends page after page, and closes the channel after the last one.
func (r *reader) fetchAll(ctx context.Context, after Cursor) {
	defer close(r.pages)
	defer func() {
		if p := recover(); p != nil {
			r.pages <- fetched{err: r.panicked(p)}
		}
	}()
	for more := true; more; {
		if !r.pace.timeLeft(ctx) {
			r.send(ctx, fetched{budget: true})
			return
		}
		var page Page
		begin := time.Now()
		err := r.Retry.Do(ctx, r.countRetry("fetch"), func(ctx context.Context) (err error) {
			begin = time.Now()
			page, err = r.Source.Fetch(ctx, after)
			return err
		})
		r.pace.step(time.Since(begin))
		if !r.send(ctx, fetched{page: page, err: err}) {
			return
		}
		if page.More && page.Next == after && len(page.Records) == 0 {
			r.send(ctx, fetched{err: standsStill(r.report.Stream)})
			return
		}
		after, more = page.Next, page.More
	}
}

// send hands something over, and reports whether more shall follow. An error is handed over also if
// ctx has ended: it says what the source was busy with.
func (r *reader) send(ctx context.Context, f fetched) bool {
	if f.err != nil && ctx.Err() != nil {
		select {
		case r.pages <- f:
		default:
		}
		return false
	}
	f.size = int64(f.page.Beside)
	for _, rec := range f.page.Records {
		f.size += int64(len(rec.Raw))
	}
	if f.alone = !r.Memory.take(f.size); f.alone {
		f.size = r.allowance
	} else {
		f.held, f.size = f.size, min(f.size, r.allowance)
	}
	if r.ahead.Acquire(ctx, f.size) == nil {
		select {
		case r.pages <- f:
			return f.err == nil && !f.budget
		case <-ctx.Done():
		}
	}
	r.Memory.give(f.held)
	return false
}

// standsStill is the error for a source whose pages lead nowhere.
func standsStill(stream string) error {
	return fmt.Errorf("source %s says that there is more but does not advance", stream)
}
