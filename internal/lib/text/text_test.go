package text_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":       {"", ""},
		"plain":       {"Access denied", "Access denied"},
		"white space": {"  a \t\r\n b\u2028c ", "a b c"},
		"control":     {"a\x00b\x1bc\x7fd", "a b c d"},
		"invisible":   {"a\u202eb\u200bc", "a·b·c"},
		"invalid":     {"a\xff\xfeb", "a·b"},
		"exact":       {strings.Repeat("x", 20), strings.Repeat("x", 20)},
		"long":        {strings.Repeat("x", 21), strings.Repeat("x", 20) + "…"},
		"characters":  {"x" + strings.Repeat("é", 20), "x" + strings.Repeat("é", 9) + "…"},
		"megabytes":   {"a" + strings.Repeat(" ", 10<<20) + "b", "a…"},
	} {
		if got := text.Line(c.in, 20); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 4 * time.Minute: "4m", 24 * time.Hour: "24h", 25*time.Hour + time.Second: "25h0m1s", 90 * time.Minute: "1h30m",
	} {
		if got := text.Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\xff\r\n\u2028b", 3)
	f.Add("é", 1)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 0 || most > 1000 {
			return
		}
		got := text.Line(s, most)
		if len(got) > most+len("…") || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
	})
}
