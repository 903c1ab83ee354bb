package secret

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// encodedMin is the length from which a secret is searched for in other encodings. Shorter ones
	// would be found by chance.
	encodedMin = 8
	// partMin is how much of a long secret counts as a leak: a page may break off.
	partMin = 16
)

// Mask replaces the secrets in a text, as a service or proxy may have repeated them: unchanged, in
// capitals or small letters, in hex, in base64 (also within something longer, as in a Basic header or
// a form), and each of these with characters escaped as in URLs, JSON or HTML, once or several times.
// The beginning of a long secret is replaced, too.
func Mask(text string, secrets ...String) string {
	for _, s := range secrets {
		plain := s.Reveal()
		if plain == "" {
			continue
		}
		long := len(plain) >= encodedMin
		text = maskForm(text, plain, long)
		if !long {
			continue
		}
		text = maskForm(text, hex.EncodeToString([]byte(plain)), true)
		for _, form := range inBodies(plain) {
			for _, core := range base64Cores(form) {
				text = maskBase64(text, core)
			}
		}
	}
	return text
}

// inBodies are the forms that a secret has in the bodies of requests, which something may repeat in
// base64.
func inBodies(plain string) []string {
	forms := []string{plain, url.QueryEscape(plain)}
	if quoted, err := json.Marshal(plain, jsontext.AllowInvalidUTF8(true)); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// base64Cores are the parts of base64 that do not depend on what precedes and follows the secret,
// one for each of its three possible alignments. The alphabet is the standard one; '-' and '_'
// match too.
func base64Cores(plain string) (cores []string) {
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + plain))
		// The first characters mix with what precedes, the last ones with what follows.
		first := []int{0, 2, 3}[before]
		last := len(text)
		if (before+len(plain))%3 != 0 {
			last--
		}
		cores = append(cores, text[first:last])
	}
	return cores
}

// maskForm replaces form wherever it occurs, with any of its characters escaped.
func maskForm(text, form string, fold bool) string {
	need := len(form)
	if need > partMin {
		need = partMin
	}
	return replace(text, func(at int) int { return match(text, at, form, need, fold) })
}

// maskBase64 replaces the whole run of base64 around core.
func maskBase64(text, core string) string {
	need := min(len(core), partMin)
	return replace(text, func(at int) int {
		end := match(text, at, core, need, false)
		for end > 0 && end < len(text) && strings.IndexByte(base64Chars, text[end]) >= 0 {
			end++
		}
		return end
	})
}

const base64Chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="

// replace masks what find finds: find returns where a match ends, 0 for none.
func replace(text string, find func(at int) int) string {
	var out strings.Builder
	from := 0
	for at := 0; at < len(text); {
		end := find(at)
		if end == 0 {
			at++
			continue
		}
		out.WriteString(text[from:at])
		out.WriteString(mask)
		from, at = end, end
	}
	if from == 0 {
		return text
	}
	out.WriteString(text[from:])
	return out.String()
}

// match returns the end of the form that begins at a place of the text, or 0 if fewer than need of
// its characters are there. An apparent escape may be literal text, so match follows every reading.
func match(text string, at int, form string, need int, fold bool) int {
	ends, next := []int{at}, []int(nil)
	n := 0
	for ; n < len(form); n++ {
		next = next[:0]
		for _, end := range ends {
			// Long ones are broken into lines.
			for n > 0 && end+1 < len(text) && (text[end] == '\n' || text[end] == '\r') && form[n] != text[end] {
				end++
			}
			for _, size := range sizes(text[end:], form[n], fold) {
				if size > 0 && !slices.Contains(next, end+size) {
					next = append(next, end+size)
				}
			}
		}
		if len(next) == 0 {
			break
		}
		ends, next = next, ends
	}
	if n < need {
		return 0
	}
	return slices.Max(ends)
}

// sizes are how many bytes of the text may represent a character: as itself, escaped, and escaped
// more than once; 0 where that does not apply.
func sizes(text string, want byte, fold bool) (out [4]int) {
	if text == "" {
		return out
	}
	if alike(text[0], want, fold) {
		out[0] = 1
	}
	if c, size := escape(text, 1); size > 1 && alike(c, want, fold) {
		out[1] = size
	}
	for at := 1; text[0] == '%' && strings.HasPrefix(text[at:], "25"); at += 2 { // %252B and so on
		if c, size := escape(text, at+2); size > 1 && alike(c, want, fold) {
			out[2] = size
		}
	}
	// \\" and &amp;quot;: the escape itself is escaped.
	again := ""
	switch text[0] {
	case '\\':
		again = strings.TrimLeft(text, `\`)
	case '&':
		for again = text[1:]; strings.HasPrefix(again, "amp;"); {
			again = again[len("amp;"):]
		}
	}
	if begin := len(text) - len(again) - 1; begin > 0 && again != "" {
		if c, size := escape(text[:1]+again, 1); size > 1 && alike(c, want, fold) {
			out[3] = begin + size
		}
	}
	return out
}

// alike reports whether two characters are the same, in another alphabet of base64 or, with fold, in
// the other case.
func alike(c, want byte, fold bool) bool {
	switch {
	case c == want, c == '-' && want == '+', c == '_' && want == '/', c == '+' && want == ' ':
		return true
	}
	return fold && lower(c) == lower(want)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// escape reads a character that is written as %2B, \u002b, \x2b, \/, &#43;, &#x2b; or &amp;, and
// how many bytes that takes; 0 if there is none. digits is where the digits after a percent sign
// begin.
func escape(s string, digits int) (byte, int) {
	code := func(from int) (byte, int) {
		if from+2 <= len(s) {
			if n, err := strconv.ParseUint(s[from:from+2], 16, 8); err == nil {
				return byte(n), from + 2
			}
		}
		return 0, 0
	}
	switch {
	case s[0] == '%':
		return code(digits)
	case strings.HasPrefix(s, `\u00`), strings.HasPrefix(s, `\U00`):
		return code(4)
	case strings.HasPrefix(s, `\x`):
		return code(2)
	case s[0] == '\\' && len(s) > 1:
		return s[1], 2
	case s[0] == '&':
		if end := strings.IndexByte(s[:min(len(s), 10)], ';'); end > 0 {
			if text := html.UnescapeString(s[:end+1]); len(text) == 1 {
				return text[0], end + 1
			}
		}
	}
	return 0, 0
}
