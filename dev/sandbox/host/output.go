package host

import (
	"bytes"
	"io"
	"sync"
)

// maxLines bounds what is kept of an output.
const maxLines = 20_000

// lines is a writer that keeps the newest lines.
type lines struct {
	tee io.Writer // gets whole lines; may be nil

	mu   sync.Mutex
	kept []string
	rest []byte // a line without its end yet
}

// Write implements [io.Writer]. It never fails: a broken tee must not stop the
// process whose output this is.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		if l.tee != nil {
			_, _ = l.tee.Write(l.rest[:end+1])
		}
		l.kept = append(l.kept, string(bytes.TrimSuffix(l.rest[:end], []byte("\r"))))
		if len(l.kept) > 2*maxLines {
			l.kept = append([]string(nil), l.kept[maxLines:]...)
		}
		l.rest = l.rest[end+1:]
	}
}

// all returns a copy, with an unfinished line last.
func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := append([]string(nil), l.kept...)
	if len(l.rest) > 0 {
		kept = append(kept, string(l.rest))
	}
	return kept
}
