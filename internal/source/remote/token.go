package remote

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Token is what the answer of a token endpoint says.
type Token struct {
	Access secret.String
	Type   string // "" if the answer does not state one
	life   string // its expires_in, unquoted; "" for none
}

// ReadToken reads an answer with status 2xx. A service that issues a token has served the request,
// so anything odd beside the token costs nothing: only the three members count, and the rest may
// break the rules of JSON. ok is false if there is no token that a header can hold.
func ReadToken(body []byte) (token Token, ok bool) {
	// An answer is read like a broken row of a list, of which there is one.
	list := append(append(make([]byte, 0, len(body)+2), '['), bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))...)
	first := errors.New("the first one")
	_, _ = jsonwalk.Recover(append(list, ']'), []string{"access_token", "token_type", "expires_in"}, func(e jsonwalk.Element) error {
		text := func(i int) string {
			if e.Picks[i].Kind != jsonwalk.String {
				return ""
			}
			return string(e.Picks[i].Text)
		}
		token = Token{secret.New(text(0)), text(1), text(2)}
		if e.Picks[2].Kind == jsonwalk.Number {
			token.life = string(e.Picks[2].Text)
		}
		ok = text(0) != "" && !strings.ContainsFunc(text(0), unicode.IsControl)
		return first
	})
	return token, ok
}

// Lifetimes are the lifetimes of tokens that are believed.
type Lifetimes struct {
	// Usual is for an answer that states no plausible one.
	Usual time.Duration
	// A shorter one would cause a request for a token with nearly every call, and a longer one would
	// never be renewed.
	Shortest, Longest time.Duration
}

// Life is how long the token is valid: expires_in in seconds, as a number or as text.
func (t Token) Life(of Lifetimes) time.Duration {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(t.life), 64)
	switch {
	case math.IsInf(seconds, 1): // includes numbers too large for any type
		return of.Longest
	case err != nil, math.IsNaN(seconds), seconds <= 0:
		return of.Usual
	case seconds >= of.Longest.Seconds():
		return of.Longest
	}
	return max(time.Duration(seconds*float64(time.Second)), of.Shortest)
}
