package transport_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", 300)
	for name, c := range map[string]struct{ text, want string }{
		"plain":          {"Access denied by policy", "Access denied by policy"},
		"lines":          {"one\r\n\ttwo\x00three", "one two three"},
		"invisible":      {"a\u202eb\u200bc", "a·b·c"},
		"invalid":        {"a\xff\xfeb", "a·b"},
		"long":           {long, strings.Repeat("é", 100) + "…"},
		"secret":         {"your key canary+key/== is wrong", "your key (secret) is wrong"},
		"secret escaped": {"?key=canary%2Bkey%2F%3D%3D&x", "?key=(secret)&x"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := transport.Excerpt(c.text, secret.New("canary+key/==")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever a service or a proxy sends, an excerpt of it fits one line, is printable,
// and does not repeat a secret.
func FuzzExcerpt(f *testing.F) {
	const canary = "canary-0123456789-key"
	f.Add("Access denied by policy", "")
	f.Add("key=", " is wrong")
	f.Add(strings.Repeat("x", 195), "\xff\u202e")
	f.Add("\x00\r\n\u2028", strings.Repeat("😀", 80))
	f.Add("canary-0123456789-", "-key")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := transport.Excerpt(before+canary+after, secret.New(canary))
		if len(got) > 200+len("…") || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not printable: %q", got)
		}
		if strings.Contains(got, canary) {
			t.Errorf("shows the secret: %q", got)
		}
	})
}
