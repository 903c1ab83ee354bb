package tabular

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// maxLayers is how often a report may be compressed: by its sender, and once more by something on
// the way.
const maxLayers = 2

// expander decompresses a stream that begins like gzip. What the headers say about it is not
// looked at: a proxy may have decompressed it and left them.
type expander struct {
	src  *keeper
	out  io.Reader // nil until the first Read
	left int64     // how much may still come out
	most int64
}

func newExpander(src io.Reader, most int64) *expander {
	return &expander{src: &keeper{r: src}, left: most, most: most}
}

func (x *expander) Read(p []byte) (int, error) {
	if x.out == nil {
		if err := x.begin(); err != nil {
			return 0, err
		}
	}
	if x.left == 0 {
		var one [1]byte
		if n, err := x.out.Read(one[:]); n == 0 {
			return 0, x.cause(err)
		}
		return 0, &Broken{Why: fmt.Sprintf("it has more than %d MiB once it is decompressed", x.most>>20)}
	}
	n, err := x.out.Read(p[:min(int64(len(p)), x.left)])
	x.left -= int64(n)
	return n, x.cause(err)
}

func (x *expander) begin() error {
	from := bufio.NewReaderSize(x.src, chunk)
	for range maxLayers {
		if magic, _ := from.Peek(2); string(magic) != "\x1f\x8b" {
			break
		}
		z, err := gzip.NewReader(from)
		if err != nil {
			return x.cause(err)
		}
		from = bufio.NewReaderSize(z, chunk)
	}
	x.out = from
	return nil
}

// cause is the error of the stream if it has failed, and otherwise what is wrong with the report.
func (x *expander) cause(err error) error {
	switch {
	case x.src.err != nil:
		return x.src.err
	case err == nil, err == io.EOF: //nolint:errorlint // gzip wraps nothing, and its ends have other meanings
		return err
	}
	return &Broken{Why: "it is compressed with gzip and damaged: " + err.Error()}
}

// keeper remembers why a stream failed.
type keeper struct {
	r   io.Reader
	err error
}

func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}
