package transport

import "sync"

// Buffers recycles the memory of bodies, for [ReadAllHint]: pages are most of what is ever allocated.
// The garbage collector frees unused buffers. The zero value is ready for use, also by several
// goroutines.
type Buffers struct{ pool sync.Pool }

// Get returns an empty buffer with room for size bytes, and not many more: all of it stays in
// memory as long as one record of its page does.
func (b *Buffers) Get(size int) []byte {
	if old, ok := b.pool.Get().(*[]byte); ok {
		if cap(*old) >= size && cap(*old) <= size+size/4 {
			return (*old)[:0]
		}
		b.pool.Put(old)
	}
	if size > maxBuffer {
		return make([]byte, 0, size)
	}
	return make([]byte, 0, size+size/16) // pages differ a little in size
}

// maxBuffer has room for 10,000 events of 1.5 KB. Larger buffers are rare, and must not stay in
// memory.
const maxBuffer = 16 << 20

// Put returns a buffer for reuse.
func (b *Buffers) Put(page []byte) {
	if cap(page) <= maxBuffer+maxBuffer/16 {
		b.pool.Put(&page)
	}
}
