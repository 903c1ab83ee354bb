package azmonitor

import (
	"io"
	"sync"
)

// measurable is the smallest upload that shows by itself whether it was read before the answer:
// smaller ones fit into the buffers in between.
const measurable = 256 << 10

// Early remembers that an acknowledgement came before its batch was sent. From then on an
// acknowledgement of a smaller upload proves nothing, because that may have been answered as early
// without notice. So batches are padded to the size that showed it, until one is taken whole.
type Early struct {
	// Limit is the largest size that a batch may be padded to.
	Limit int

	mu   sync.Mutex
	size int // 0: no doubt
}

// Size is what an upload must have, so that its acknowledgement counts; 0 means any.
func (e *Early) Size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.size
}

// Weigh looks at an answer that would acknowledge an upload of size bytes. It may have been sent
// before the doubt arose.
func (e *Early) Weigh(a *Answer, size int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !a.Whole {
		e.size = max(e.size, min(max(size, measurable), e.Limit))
	}
	a.Doubtful = size < e.size
}

// Acknowledged ends the doubt if the upload was large enough to show it.
func (e *Early) Acknowledged(size int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if size >= e.size {
		e.size = 0
	}
}

// Blanks are n bytes of white space, which JSON allows after its end.
func Blanks(n int) io.Reader { return io.LimitReader(blanks{}, int64(n)) }

type blanks struct{}

// Read implements [io.Reader].
func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
