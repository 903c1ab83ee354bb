package remote_test

import (
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// Whatever surrounds a token costs nothing: it is found, with its lifetime if that is plausible.
func TestReadToken(t *testing.T) {
	const usual, shortest, longest = 5 * time.Minute, 15 * time.Second, 12 * time.Hour
	with := func(members string) string { return `{"access_token":"tok","token_type":"Bearer",` + members + `}` }
	for name, c := range map[string]struct {
		body string
		life time.Duration
	}{
		"plain":             {with(`"expires_in":749`), 749 * time.Second},
		"text":              {with(`"expires_in":" 749 "`), 749 * time.Second},
		"fraction":          {with(`"expires_in":749.5`), 749500 * time.Millisecond},
		"none":              {with(`"scope":"a"`), usual},
		"null":              {with(`"expires_in":null`), usual},
		"negative":          {with(`"expires_in":-1`), usual},
		"not a number":      {with(`"expires_in":NaN`), usual},
		"infinity":          {with(`"expires_in":-Infinity`), usual},
		"plus":              {with(`"expires_in":+749`), usual},
		"leading zero":      {with(`"expires_in":0749`), usual},
		"hexadecimal":       {with(`"expires_in":0x2ed`), usual},
		"with a unit":       {with(`"expires_in":749s`), 749 * time.Second},
		"list":              {with(`"expires_in":[749]`), usual},
		"short":             {with(`"expires_in":0.1`), shortest},
		"huge":              {with(`"expires_in":1e400`), longest},
		"ten thousand 9s":   {with(`"expires_in":` + strings.Repeat("9", 10_000)), longest},
		"infinity as text":  {with(`"expires_in":"Infinity"`), longest},
		"twice":             {with(`"expires_in":1,"expires_in":749`), 749 * time.Second},
		"scope as a list":   {with(`"scope":["a"],"refresh_token":5,"expires_in":749`), 749 * time.Second},
		"control character": {with("\"expires_in\":749,\"odd\":\"\x01\""), 749 * time.Second},
		"invalid escape":    {with(`"expires_in":749,"odd":"\x"`), 749 * time.Second},
		"invalid UTF-8":     {with("\"expires_in\":749,\"odd\":\"\xff\""), 749 * time.Second},
		"lone surrogate":    {with(`"expires_in":749,"odd":"\ud800"`), 749 * time.Second},
		"deep":              {with(`"expires_in":749,"odd":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)), 749 * time.Second},
		"byte order mark":   {"\xef\xbb\xbf" + with(`"expires_in":749`), 749 * time.Second},
		"NUL after it":      {with(`"expires_in":749`) + "\x00", 749 * time.Second},
		"text after it":     {with(`"expires_in":749`) + "\n<!-- \"odd -->", 749 * time.Second},
		"document after it": {with(`"expires_in":749`) + `{"access_token":"other"}`, 749 * time.Second},
		"no type":           {`{"access_token":"tok","expires_in":749}`, 749 * time.Second},
		"type of a number":  {`{"access_token":"tok","token_type":1,"expires_in":749}`, 749 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := remote.ReadToken([]byte(c.body))
			if !ok || got.Access.Reveal() != "tok" || got.Type != "Bearer" && !strings.Contains(name, "type") {
				t.Fatalf("token found: %v, type %q", ok, got.Type)
			}
			if life := got.Life(remote.Lifetimes{Usual: usual, Shortest: shortest, Longest: longest}); life != c.life {
				t.Errorf("lifetime %v, want %v", life, c.life)
			}
		})
	}
}

// What holds no token that a header can hold is not an answer.
func TestReadTokenRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"empty":             "",
		"null":              "null",
		"page":              "<html>sign in</html>",
		"list":              `[{"access_token":"tok"}]`,
		"none":              `{"expires_in":749}`,
		"number":            `{"access_token":17}`,
		"empty token":       `{"access_token":""}`,
		"null last":         `{"access_token":"tok","access_token":null}`,
		"line break":        `{"access_token":"tok\nX-Other: 1"}`,
		"raw line break":    "{\"access_token\":\"tok\n1\"}",
		"invalid character": "{\"access_token\":\"tok\xff\"}",
		"cut":               `{"access_token":"tok`,
		"cut after it":      `{"access_token":"tok","expires_in":749`,
	} {
		if got, ok := remote.ReadToken([]byte(body)); ok {
			t.Errorf("%s: a token of %d bytes", name, len(got.Access.Reveal()))
		}
	}
}
