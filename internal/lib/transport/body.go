package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// TooLarge says that a body is larger than the limit.
type TooLarge struct {
	Max int64
	// Start is the beginning of the body, up to 64 KiB.
	Start []byte
}

const startBytes = 64 << 10

func (e *TooLarge) Error() string {
	return fmt.Sprintf("the body of the answer is larger than %d bytes", e.Max)
}

// ReadAll reads the body of resp to its end and closes it. A body of more than limit bytes is a
// [*TooLarge]. A body that ends before its announced length is [io.ErrUnexpectedEOF]; what arrived
// of it is returned, too. If the service announced the length, one buffer of the right size is
// allocated.
func ReadAll(resp *http.Response, limit int64) ([]byte, error) {
	return ReadAllHint(resp, limit, 0, nil)
}

// ReadAllHint is [ReadAll] for a body of about hint bytes whose length is not announced, for
// instance because it is compressed. buffer, if not nil, returns an empty buffer with the given
// capacity, which the body is read into.
func ReadAllHint(resp *http.Response, limit int64, hint int, buffer func(size int) []byte) ([]byte, error) {
	defer func() { _ = resp.Body.Close() }()
	if resp.ContentLength > limit {
		begin := make([]byte, min(startBytes, limit))
		n, _ := io.ReadFull(resp.Body, begin) // a part is better than nothing
		return nil, &TooLarge{Max: limit, Start: begin[:n]}
	}
	size := max(int64(hint), 512)
	if resp.ContentLength >= 0 {
		size = resp.ContentLength
	}
	// One byte more than the body, so that its end is found without growing the buffer.
	if buffer == nil {
		buffer = func(size int) []byte { return make([]byte, 0, size) }
	}
	buf := buffer(int(min(size, limit)) + 1)
	for {
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, &TooLarge{Max: limit, Start: bytes.Clone(buf[:min(startBytes, len(buf))])}
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, err
		case len(buf) == cap(buf):
			grown := make([]byte, len(buf), min(2*int64(cap(buf)), limit+1))
			copy(grown, buf)
			buf = grown
		}
	}
}

// discardMax is how much of an unwanted body is worth reading to keep the connection: beyond that a
// new connection is cheaper.
const discardMax = 256 << 10

// Discard reads the rest of the body of resp, up to a limit, and closes it, so that its connection
// can be used again. It accepts nil.
func Discard(resp *http.Response) {
	if resp == nil || resp.Body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, discardMax)
	_ = resp.Body.Close()
}
