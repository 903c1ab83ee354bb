package tabular

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
)

// lines is a report with a JSON object on each line.
type lines struct {
	w      *window
	most   int
	number int
	large  *pieces
}

func (l *lines) name() string { return "" }

func (l *lines) next() (Row, error) {
	for {
		if l.large != nil {
			if row, ok := l.large.next(); ok {
				return row, nil
			}
			l.large = nil
		}
		l.w.skip(l.w.space(0, space))
		if _, ok := l.w.peek(0); !ok {
			return Row{}, io.EOF
		}
		l.number++
		text, end, ok := line(l.w, 0, l.most)
		if !ok {
			l.large = &pieces{w: l.w, most: l.most, number: l.number, flaw: tooLarge(l.most), end: newline}
			continue
		}
		flaw := cmp.Or(l.w.cutOff(end), l.w.check.flaw(text))
		l.w.skip(end)
		return Row{Number: l.number, Raw: text, Flaw: flaw}, nil
	}
}

// newline finds the end of a line.
func newline(b []byte) (n int, ended bool, err error) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i, true, nil
	}
	return len(b), false, nil
}

func tooLarge(most int) string {
	return fmt.Sprintf("it has more than %d bytes, which no column holds: this is a piece of it", most)
}
