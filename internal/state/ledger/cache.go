package ledger

import (
	"container/list"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// window is a window as it is stored.
type window struct {
	start int64 // seconds since 1970, or undated
	ids   ids
	data  []byte // the object that contains ids
	etag  state.ETag
	place *list.Element // in cache.used
}

// cost is the size of a window in the cache: its object and some overhead.
func (w *window) cost() int { return cap(w.data) + 256 }

// cache keeps the most recently used windows. All of them are stored, so any
// of them may be evicted at the cost of reading it again.
type cache struct {
	max, size int // bytes
	windows   map[int64]*window
	used      list.List // of *window, most recently used first
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

// replace gives a cached window a new object and returns the old one, now unused.
func (c *cache) replace(w *window, object []byte) (old []byte) {
	old = w.data
	c.size += cap(object) - cap(old)
	w.data, w.ids = object, idsOf(object)
	return old
}

// trim evicts windows until the size is within bounds. The two most recently
// used always stay: new records alternate between two windows at a border.
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
