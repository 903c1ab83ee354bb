package file

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// swap moves an object from its temporary file to its final path.
type swap struct {
	tmp, key string
	prev     state.ETag
	err      error
	done     chan struct{} // closed when err is final
}

// swaps are the moves that wait for the lock. The goroutine that gets it does all of
// them: taking the lock and syncing a folder cost the same for one as for many, and
// a ledger puts a dozen windows of one day at a time.
type swaps struct {
	mu      sync.Mutex
	waiting []*swap
}

func (q *swaps) add(all ...*swap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, all...)
}

// takeAll empties the queue.
func (q *swaps) takeAll() []*swap {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting
	q.waiting = nil
	return all
}

// withdraw removes sw from the queue. It returns false if another goroutine has taken sw.
func (q *swaps) withdraw(sw *swap) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, sw)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// swapIn moves temporary files to the paths of their keys, durably, each only if the stored
// version is prev, and sets their errors.
func (s *Store) swapIn(ctx context.Context, all []*swap) {
	if len(all) == 0 {
		return
	}
	s.swaps.add(all...)
	// All were added together, so all are done together.
	err := s.locked(ctx, all[0].done, func() error {
		s.swapAll(s.swaps.takeAll())
		return nil
	})
	for _, sw := range all {
		if err != nil && s.swaps.withdraw(sw) {
			sw.err = err // it never started
			continue
		}
		<-sw.done
	}
}

// swapAll does the swaps in order. The caller holds the lock.
func (s *Store) swapAll(all []*swap) {
	var dirs []string // to sync
	for _, sw := range all {
		dir := filepath.Dir(s.path(sw.key))
		if sw.err = s.expect(sw.key, sw.prev); sw.err != nil {
			continue
		}
		if !slices.Contains(dirs, dir) {
			if sw.err = s.mkdirAll(dir); sw.err != nil {
				continue
			}
			dirs = append(dirs, dir)
		}
		sw.err = os.Rename(sw.tmp, s.path(sw.key))
	}
	for _, dir := range dirs {
		err := s.syncDir(dir)
		for _, sw := range all {
			if err != nil && sw.err == nil && filepath.Dir(s.path(sw.key)) == dir {
				sw.err = err
			}
		}
	}
	for _, sw := range all {
		close(sw.done)
	}
}
