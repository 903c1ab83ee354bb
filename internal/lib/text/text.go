// Package text makes texts from outside fit for a message: one line, printable, and short.
package text

import (
	"strings"
	"time"
	"unicode"
)

const (
	more = "…"
	// wide is how much longer than the line the examined text may be: the rest of a body of many
	// megabytes would hardly show.
	wide = 64
)

// Line is a text on one line. White space and control characters become single spaces, and
// unprintable characters a dot. A text of more than most bytes is cut, which an ellipsis shows.
func Line(s string, most int) string {
	long := len(s) > wide*most
	if long {
		s = s[:wide*most]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "·"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
	if long && len(s) <= most {
		return s + more
	}
	return Cut(s, most)
}

// Cut is the beginning of a text, in whole characters and at most that many bytes. An ellipsis
// shows that there was more.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + more
}

// Duration writes a duration without zero parts: 9m, not 9m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
