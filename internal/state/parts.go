package state

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Parted is a [Store] that takes an object in parts, because joining large parts would double
// their memory.
type Parted interface {
	// PutParts is Put with the parts joined.
	PutParts(ctx context.Context, key string, parts [][]byte, prev ETag) (ETag, error)
}

// PutParts stores parts as one object. It joins them only if the store is not [Parted].
func PutParts(ctx context.Context, s Store, key string, parts [][]byte, prev ETag) (ETag, error) {
	if p, ok := s.(Parted); ok {
		return p.PutParts(ctx, key, parts, prev)
	}
	return s.Put(ctx, key, bytes.Join(parts, nil), prev)
}

// SizeOf is the total size of parts.
func SizeOf(parts [][]byte) (n int64) {
	for _, p := range parts {
		n += int64(len(p))
	}
	return n
}

// SameAs reports whether the joined parts equal data.
func SameAs(parts [][]byte, data []byte) bool {
	for _, p := range parts {
		if !bytes.HasPrefix(data, p) {
			return false
		}
		data = data[len(p):]
	}
	return len(data) == 0
}

// NewReader returns a reader of parts as one stream.
func NewReader(parts [][]byte) io.ReadSeekCloser { return &partsReader{parts: parts} }

type partsReader struct {
	parts [][]byte
	at    int64
}

// Read implements [io.Reader].
func (r *partsReader) Read(b []byte) (n int, err error) {
	from := r.at
	for _, p := range r.parts {
		if from >= int64(len(p)) {
			from -= int64(len(p))
			continue
		}
		copied := copy(b[n:], p[from:])
		n += copied
		if from = 0; n == len(b) {
			break
		}
	}
	r.at += int64(n)
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek implements [io.Seeker].
func (r *partsReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += SizeOf(r.parts)
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Close implements [io.Closer].
func (r *partsReader) Close() error { return nil }
