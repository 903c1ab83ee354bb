package secret_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// shelf is where a secret is kept: each time it is read again, the next one is there.
type shelf struct {
	secret.String
	texts   []string
	unread  error // the secret can't be read at all
	stuck   error // it can't be read again
	renewed int
}

func (s *shelf) Get(context.Context) (secret.String, error) {
	return secret.New(s.texts[s.renewed]), s.unread
}

func (s *shelf) Renew(context.Context, secret.String) (secret.String, error) {
	s.renewed = min(s.renewed+1, len(s.texts)-1)
	return secret.New(s.texts[s.renewed]), s.stuck
}

func (s *shelf) Note() string { return "read from the shelf" }

// A refused secret is read again and tried once more if it has changed; every other error is final.
func TestAttempt(t *testing.T) {
	refusal := &secret.Refused{Err: errors.New("refused")}
	for _, tc := range []struct {
		name  string
		kept  shelf
		good  string // what is accepted
		err   error  // of what is not accepted
		tries []string
		want  string // the error
	}{
		{"accepted", shelf{texts: []string{"a"}}, "a", refusal, []string{"a"}, ""},
		{"replaced", shelf{texts: []string{"a", "b"}}, "b", refusal, []string{"a", "b"}, ""},
		{"replaced by a wrong one", shelf{texts: []string{"a", "b", "c"}}, "c", refusal, []string{"a", "b"}, "refused; read from the shelf"},
		{"the same", shelf{texts: []string{"a"}}, "b", refusal, []string{"a"}, "refused; read from the shelf"},
		{"another failure", shelf{texts: []string{"a", "b"}}, "b", errors.New("away"), []string{"a"}, "away"},
		{"can't be read", shelf{texts: []string{"a"}, unread: errors.New("no vault")}, "a", refusal, nil, "get token: no vault"},
		{"can't be read again", shelf{texts: []string{"a", "b"}, stuck: errors.New("no vault")}, "b", refusal, []string{"a"}, "refused; it could not be read again: no vault"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tries []string
			got, err := secret.Attempt(t.Context(), "get token", &tc.kept, func(s secret.String) (string, error) {
				if tries = append(tries, s.Reveal()); s.Reveal() != tc.good {
					return "", tc.err
				}
				return "token", nil
			})
			switch {
			case tc.want == "" && (err != nil || got != "token"):
				t.Errorf("%q, %v", got, err)
			case tc.want != "" && (err == nil || err.Error() != tc.want || got != ""):
				t.Errorf("%q, %v, want %q", got, err, tc.want)
			case !slices.Equal(tries, tc.tries):
				t.Errorf("tried %s", strings.Join(tries, ", "))
			}
		})
	}
}
