package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// hidden has characters that every encoding treats differently.
const hidden = "c4n4ry+/=sEcReT~9<&>\"x"

func asJSON(s string) string {
	b, _ := json.Marshal(s)
	return strings.Trim(string(b), `"`)
}

// escaped writes each character with a format.
func escaped(format, s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

func TestMask(t *testing.T) {
	std, basic := base64.StdEncoding.EncodeToString, base64.StdEncoding.EncodeToString([]byte("client:"+hidden+":x"))
	for name, shown := range map[string]string{
		"as it is":                   hidden,
		"URL query":                  url.QueryEscape(hidden),
		"URL path":                   url.PathEscape(hidden),
		"URL, every character":       escaped("%%%02x", hidden),
		"URL twice":                  url.QueryEscape(url.QueryEscape(hidden)),
		"JSON":                       asJSON(hidden),
		"JSON, every character":      escaped(`\u%04x`, hidden),
		"JSON with escaped slashes":  strings.ReplaceAll(hidden, "/", `\/`),
		"HTML":                       html.EscapeString(hidden),
		"HTML, every character":      escaped("&#x%x;", hidden),
		"hex":                        hex.EncodeToString([]byte(hidden)),
		"hex in capitals":            strings.ToUpper(hex.EncodeToString([]byte(hidden))),
		"base64":                     std([]byte(hidden)),
		"base64 for URLs":            base64.RawURLEncoding.EncodeToString([]byte(hidden)),
		"base64 after one byte":      std([]byte(":" + hidden)),
		"base64 after two bytes":     std([]byte("::" + hidden)),
		"Basic header":               basic,
		"base64 in a URL":            url.QueryEscape(std([]byte(hidden))),
		"base64 in JSON":             asJSON(std([]byte(hidden))),
		"in capitals":                strings.ToUpper(hidden),
		"in small letters":           strings.ToLower(url.QueryEscape(hidden)),
		"JSON in JSON":               asJSON(asJSON(hidden)),
		"HTML twice":                 html.EscapeString(html.EscapeString(hidden)),
		"form in base64":             std([]byte("grant_type=x&client_secret=" + url.QueryEscape(hidden) + "&scope=y")),
		"JSON in base64":             std([]byte(`{"client_secret":"` + asJSON(hidden) + `"}`)),
		"base64 in lines":            std([]byte(hidden))[:10] + "\r\n" + std([]byte(hidden))[10:],
		"broken off":                 hidden[:18],
		"base64 broken off":          std([]byte(hidden))[:20],
		"twice":                      hidden + " and " + hidden,
		"after an ampersand":         "&" + hidden,
		"after a percent sign":       "%" + hidden,
		"after its own first letter": "c4" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			got := secret.Mask("before ["+shown+"] after", secret.New("other-secret"), secret.New(hidden))
			if leaks(got) || strings.Contains(got, shown) {
				t.Errorf("still there: %s", got)
			}
			if !strings.Contains(got, "(secret)") || !strings.HasPrefix(got, "before [") || !strings.HasSuffix(got, "] after") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// leaks says whether eight characters of the secret, or of its base64 or hex, are to be seen.
func leaks(text string) bool {
	for _, form := range []string{hidden, base64.StdEncoding.EncodeToString([]byte(hidden)), hex.EncodeToString([]byte(hidden))} {
		for i := range len(form) - 8 {
			if strings.Contains(text, form[i:i+8]) {
				return true
			}
		}
	}
	return false
}

func TestMaskLeavesTheRest(t *testing.T) {
	for name, c := range map[string]struct{ text, hidden, want string }{
		"nothing in it":         {"status 403: go away", hidden, "status 403: go away"},
		"no secret":             {"text", "", "text"},
		"short and plain":       {"key abc.", "abc", "key (secret)."},
		"short, not in base64":  {"YWJj", "abc", "YWJj"},
		"only its beginning":    {hidden[:12], hidden, hidden[:12]},
		"escapes of other text": {`100% of \u00e4 &amp; %2F &#12`, hidden, `100% of \u00e4 &amp; %2F &#12`},
		"empty":                 {"", hidden, ""},
		"backslash in it":       {`x a\b y`, `a\b`, `x (secret) y`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := secret.Mask(c.text, secret.New(c.hidden)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzMask(f *testing.F) {
	f.Add("token-0123456789abcdef", "before ", " after", uint8(3))
	f.Add("\\u0041%41&amp;\n\n\n\n", "%", "%25", uint8(0))
	f.Fuzz(func(t *testing.T, value, before, after string, how uint8) {
		if len(value) < 8 {
			return
		}
		forms := []func(string) string{
			func(s string) string { return s },
			url.QueryEscape,
			func(s string) string { return hex.EncodeToString([]byte(s)) },
			func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
			func(s string) string { return base64.URLEncoding.EncodeToString([]byte("x" + s + "yz")) },
			func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("xy" + s)) },
			func(s string) string { return escaped("%%%02X", s) },
		}
		shown := forms[int(how)%len(forms)](value)
		got := secret.Mask(before+shown+after, secret.New(value))
		if strings.Contains(got, shown) && !strings.Contains(before+after, shown) {
			t.Errorf("%q shows %q as %q", got, value, shown)
		}
	})
}
