package keyvault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Secret is a secret as one setting refers to it. It is safe for concurrent use.
type Secret struct {
	at   secret.Reference
	kept *kept
}

var _ secret.Keeper = (*Secret)(nil)

// kept is a secret and what is known about it, shared by all settings that refer to it.
type kept struct {
	at     secret.Reference // of the first setting that refers to it
	vaults *Vaults
	turn   chan struct{} // a lock that ends with a context: one goroutine asks at a time

	mu    sync.Mutex // guards the fields below
	now   State
	known []secret.String
	asked time.Time // when the vault was asked last
	err   error     // its answer, if that was none
}

// State is what is known about a secret. The zero value means that it was not read yet.
type State struct {
	Text secret.String
	// Version is the version that was read. Read is when, Updated is when it was stored.
	Version       string
	Read, Updated time.Time
	// Expires is its expiry date, which vaults do not enforce; zero means none.
	Expires time.Time
}

// maxKnown is how many texts are remembered to be masked.
const maxKnown = 4

// Get implements [secret.Keeper]. It asks the vault if there was no answer yet.
func (s *Secret) Get(ctx context.Context) (secret.String, error) {
	now, err := s.kept.read(ctx, func(now State) bool { return now.Read.IsZero() })
	return now.Text, s.named(err)
}

// Renew implements [secret.Keeper]. It asks the vault unless another caller did so since the
// refused text was read, or less than [Pause] ago. If the vault does not answer, its error
// says so.
func (s *Secret) Renew(ctx context.Context, refused secret.String) (secret.String, error) {
	now, err := s.kept.read(ctx, func(now State) bool { return now.Text.Reveal() == refused.Reveal() })
	return now.Text, s.named(err)
}

// Check reads the secret for a person who waits.
func (s *Secret) Check(ctx context.Context) (State, error) {
	now, err := s.kept.read(ctx, func(now State) bool { return now.Read.IsZero() })
	return now, s.named(err)
}

// At returns the reference.
func (s *Secret) At() secret.Reference { return s.at }

// Known implements [secret.Keeper].
func (s *Secret) Known() []secret.String {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	return append([]secret.String(nil), s.kept.known...)
}

// Note implements [secret.Keeper].
func (s *Secret) Note() string {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	now := s.kept.now
	if now.Read.IsZero() {
		return ""
	}
	note := fmt.Sprintf("%s was read from the %s at %s", s.at.Setting, s.at, now.Read.UTC().Format(time.RFC3339))
	if now.Version != "" && s.at.Version == "" {
		note += " (version " + now.Version + ")"
	}
	if s.at.Version != "" {
		return note + ": the reference names this version, so it does not follow a rotation"
	}
	return note + ": store the right secret there; it is read again within a minute, without a restart"
}

// named adds the setting and the secret to an error.
func (s *Secret) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s can't be read from the %s: %w", s.at.Setting, s.at, err)
}

// read returns what is known, after asking the vault if that is needed and not too early. An
// error comes with what was known before.
func (k *kept) read(ctx context.Context, needed func(State) bool) (State, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return State{}, context.Cause(ctx)
	}
	k.mu.Lock()
	now, err, early := k.now, k.err, !k.asked.IsZero() && time.Since(k.asked) < Pause
	k.mu.Unlock()
	switch {
	case !needed(now):
		return now, nil
	case early:
		return now, err
	}
	asked := time.Now()
	got, err := k.vaults.get(ctx, k.at)
	if err != nil && ctx.Err() != nil {
		// It says nothing that counts for other callers.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
			return now, err
		}
		return now, context.Cause(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked = asked; err == nil {
		err = k.accept(got)
	}
	k.err = err
	return k.now, err
}

// accept keeps a vault's answer. The caller holds the lock.
func (k *kept) accept(got answer) error {
	// A file or an echo that was stored often has a line break at its end.
	text := strings.TrimFunc(got.Value, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
	switch {
	case got.Attributes.Enabled != nil && !*got.Attributes.Enabled:
		return errors.New(remedy(0, "SecretDisabled", "", k.at))
	case text == "":
		return errors.New("the secret is empty: store a new version of it" + later)
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("the secret has a line break or another control character inside: store it again as one line" + later)
	case strings.HasPrefix(strings.ToLower(text), "@microsoft.keyvault("):
		return errors.New("the secret is itself a Key Vault reference: store the secret there" + later)
	}
	k.now = State{Text: secret.New(text), Version: versionOf(got.ID), Read: time.Now(), Updated: moment(got.Attributes.Updated), Expires: moment(got.Attributes.Expires)}
	for _, old := range k.known {
		if old.Reveal() == text {
			return nil
		}
	}
	if k.known = append(k.known, k.now.Text); len(k.known) > maxKnown {
		k.known = k.known[1:]
	}
	return nil
}

var versionForm = regexp.MustCompile(`/([0-9A-Za-z]{1,40})$`)

// versionOf is the version in the identifier of a secret; "" if it does not look like one.
func versionOf(id string) string {
	if m := versionForm.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return ""
}

// moment is a time in seconds; 0 means none.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
