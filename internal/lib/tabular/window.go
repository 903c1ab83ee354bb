package tabular

import (
	"errors"
	"io"
)

// chunk is how much is read at once.
const chunk = 32 << 10

// window is the part of a stream that is in memory. It grows as long as its reader does not skip.
type window struct {
	src io.Reader
	buf []byte
	at  int   // buf[at:] is what comes next
	err error // why there is no more: io.EOF at the end

	check checker
}

// rest is what was read and not skipped. It is valid until the next call of more.
func (w *window) rest() []byte { return w.buf[w.at:] }

func (w *window) skip(n int) { w.at += n }

// more reads on. It returns false at the end, or if reading fails.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if cap(w.buf)-len(w.buf) < chunk {
		w.makeRoom()
	}
	for {
		n, err := w.src.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf, w.err = w.buf[:len(w.buf)+n], err
		if n > 0 || err != nil {
			return n > 0
		}
	}
}

func (w *window) makeRoom() {
	if w.at >= chunk && w.at >= len(w.buf)/2 { // moving is cheap compared with what was read
		w.buf = w.buf[:copy(w.buf, w.rest())]
	} else {
		bigger := make([]byte, len(w.rest()), len(w.rest())*3/2+2*chunk)
		copy(bigger, w.rest())
		w.buf = bigger
	}
	w.at = 0
}

// ended reports whether nothing follows what is in memory.
func (w *window) ended() bool { return errors.Is(w.err, io.EOF) }

// fault is why reading failed; nil if it did not.
func (w *window) fault() error {
	if w.ended() {
		return nil
	}
	return w.err
}

// passing is a fault that is not the report's; nil if there is none.
func (w *window) passing() error {
	var broken *Broken
	if fault := w.fault(); !errors.As(fault, &broken) {
		return fault
	}
	return nil
}

// cutOff is the flaw of a row that ends where the stream does: "" unless something is missing there.
func (w *window) cutOff(end int) string {
	if end == len(w.rest()) && w.fault() != nil {
		return "the report breaks off within it"
	}
	return ""
}

// peek returns the byte i places ahead. ok is false if the stream ends before it.
func (w *window) peek(i int) (c byte, ok bool) {
	for i >= len(w.rest()) {
		if !w.more() {
			return 0, false
		}
	}
	return w.rest()[i], true
}

// space returns the place of the first byte from i on that is none of these.
func (w *window) space(i int, these string) int {
	for {
		c, ok := w.peek(i)
		if !ok || !contains(these, c) {
			return i
		}
		i++
	}
}

func contains(these string, c byte) bool {
	for i := range len(these) {
		if these[i] == c {
			return true
		}
	}
	return false
}
