package cli

import (
	"os"
	"strings"
)

// colour is an ANSI code for a terminal.
type colour string

const (
	green  colour = "32"
	yellow colour = "33"
	red    colour = "1;31"
)

// colours reports whether an output may have colours: only a terminal, and not if its user or its
// kind says otherwise. https://no-color.org
func colours(width func() int) bool {
	return width != nil && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// paint colours a text.
func paint(c colour, text string) string { return "\x1b[" + string(c) + "m" + text + "\x1b[0m" }

// wrapped breaks a text between words, so that no line is wider than width. Lines after the first
// begin with an indent. A word is never broken.
func wrapped(text string, width, used, indent int) string {
	var b strings.Builder
	at := used
	for i, word := range strings.Fields(text) {
		size := visible(word)
		switch {
		case i == 0:
		case at+1+size > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += size
	}
	return b.String()
}

// visible is how many columns a word takes, without its colour.
func visible(word string) (n int) {
	escaped := false
	for _, c := range word {
		switch {
		case c == '\x1b':
			escaped = true
		case escaped:
			escaped = c != 'm'
		default:
			n++
		}
	}
	return n
}
