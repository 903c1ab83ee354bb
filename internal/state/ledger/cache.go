package ledger

import (
	"container/list"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// window is a window as it is stored.
type window struct {
	start int64 // seconds since 1970, or undated
	ids   ids
	data  []byte // the object that ids are part of
	etag  state.ETag
	place *list.Element // in the cache
}

// cost of a window in the cache: its object and what surrounds it.
func (w *window) cost() int { return cap(w.data) + 256 }

// cache keeps the windows that were used last. Everything in it is stored, so
// anything may be evicted; that only costs reading it again.
type cache struct {
	max, size int // bytes
	windows   map[int64]*window
	used      list.List // of *window, the latest first
}

func (c *cache) has(start int64) bool { return c.windows[start] != nil }

func (c *cache) get(start int64) *window {
	w := c.windows[start]
	c.used.MoveToFront(w.place)
	return w
}

func (c *cache) put(w *window) {
	c.windows[w.start] = w
	w.place = c.used.PushFront(w)
	c.size += w.cost()
}

// replace takes a new object for a window in the cache and returns the old one,
// which nobody uses any more.
func (c *cache) replace(w *window, object []byte) (old []byte) {
	old = w.data
	c.size += cap(object) - cap(old)
	w.data, w.ids = object, idsOf(object)
	return old
}

// trim evicts until the size is within bounds. The two windows that were used
// last stay in any case: the tail goes back and forth over the border of two.
func (c *cache) trim() {
	for c.size > c.max && c.used.Len() > 2 {
		oldest := c.used.Back()
		w, ok := oldest.Value.(*window)
		if !ok {
			return
		}
		c.used.Remove(oldest)
		delete(c.windows, w.start)
		c.size -= w.cost()
	}
}

func (c *cache) clear() {
	clear(c.windows)
	c.used.Init()
	c.size = 0
}
