package datacollector

import (
	"io"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// array is a batch as a JSON array. It is never assembled in memory: its readers
// copy from the records into the connection's buffers, and the signature needs
// only its length.
type array struct {
	batch []pipeline.Record
	size  int // bytes
}

func newArray(batch []pipeline.Record) *array {
	size := 1 + len(batch) // brackets and commas
	for i := range batch {
		size += len(batch[i].Raw)
	}
	return &array{batch: batch, size: size}
}

// reader returns a new reader at the first byte. Readers are independent: the
// transport may still hold an old one when it asks for another.
func (a *array) reader() io.Reader { return &arrayReader{batch: a.batch} }

type arrayReader struct {
	batch  []pipeline.Record
	next   int  // the record whose bytes come next
	at     int  // the position in it
	inside bool // the separator before it was read
}

// Read implements [io.Reader].
func (r *arrayReader) Read(p []byte) (n int, err error) {
	for n < len(p) && r.next <= len(r.batch) {
		if !r.inside {
			p[n] = r.separator()
			n++
			r.inside = true
		}
		if r.next < len(r.batch) {
			raw := r.batch[r.next].Raw
			c := copy(p[n:], raw[r.at:])
			n, r.at = n+c, r.at+c
			if r.at < len(raw) {
				break // p is full
			}
		}
		r.next, r.at, r.inside = r.next+1, 0, false
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// separator is the byte before the next record, or after the last.
func (r *arrayReader) separator() byte {
	switch r.next {
	case len(r.batch):
		return ']'
	case 0:
		return '['
	}
	return ','
}
