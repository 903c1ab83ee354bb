package datacollector

import (
	"io"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// ArrayReader is the body of a post.
func ArrayReader(batch []pipeline.Record) (r io.Reader, size int) {
	a := newArray(batch)
	return a.reader(), a.size
}
