// Package gate judges what requests from the internet present as a credential, where the right one
// may be kept in a vault and be replaced while the process runs.
//
// No stranger can cause more than a [secret.Keeper] allows, nor delay others: what is known is
// compared at once, each secret is read by one goroutine at a time, and that one does not end with
// the request that began it.
package gate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const (
	// Patience is how long a request waits for a secret that is being read. Senders may wait only
	// 5 s in all.
	Patience = 2 * time.Second
	// Fresh is how long a secret is used before it is read again besides, so that one that was
	// replaced is not accepted forever because no one presents the new one.
	Fresh = 10 * time.Minute
	// readTimeout bounds a read, which outlives the request. It is longer than that of a vault, so
	// that the vault's own error is seen.
	readTimeout = time.Minute
	// Shortest is the length that a credential of an endpoint on the internet needs.
	Shortest = 16
)

// Gate knows the secrets of which a request must present one. It is safe for concurrent use.
type Gate struct{ keys []*key }

// key is one of these secrets.
type key struct {
	keeper secret.Keeper
	fixed  bool

	mu      sync.Mutex
	text    secret.String // what is compared with; empty while nothing usable was read
	last    secret.String // what the keeper returned, usable or not
	read    time.Time     // when the last attempt ended
	err     error         // of that attempt
	reading chan struct{} // closed when the attempt under way ends; nil if none is
}

// New returns a gate for secrets. Those that are nil or empty let no one in. It reads nothing.
func New(keepers ...secret.Keeper) *Gate {
	g := &Gate{}
	for _, keeper := range keepers {
		text, fixed := secret.Fixed(keeper)
		if !fixed || !text.IsZero() {
			g.keys = append(g.keys, &key{keeper: keeper, fixed: fixed, text: text})
		}
	}
	return g
}

// Admits reports whether one of the secrets is what a request presented. The time that it takes must
// not depend on how much of a secret is right; see [Equal].
//
// If none is, those in a vault are read again, as often as their keepers allow. An error says that
// the request can't be judged because one could not be read.
func (g *Gate) Admits(ctx context.Context, is func(secret.String) bool) (bool, error) {
	if g.matches(ctx, is) {
		return true, nil
	}
	err := g.await(ctx, func(*key) bool { return true })
	if g.matches(ctx, is) {
		return true, nil
	}
	return false, err
}

// Ready returns why requests can't be judged, after reading the secrets that could not be read so
// far.
func (g *Gate) Ready(ctx context.Context) error {
	return g.await(ctx, func(k *key) bool { return k.err != nil || k.text.IsZero() })
}

// matches compares with all that is known. What matches and was read long ago is read again, which
// nothing waits for.
func (g *Gate) matches(ctx context.Context, is func(secret.String) bool) (matched bool) {
	for _, k := range g.keys {
		k.mu.Lock()
		text, old := k.text, !k.fixed && time.Since(k.read) >= Fresh
		k.mu.Unlock()
		if text.IsZero() || !is(text) {
			continue
		}
		matched = true
		if old {
			k.again(ctx)
		}
	}
	return matched
}

// await reads some of the secrets, waits for as long as a request can, and returns why not all of
// them are known.
func (g *Gate) await(ctx context.Context, needed func(*key) bool) error {
	var asked []*key
	var reads []<-chan struct{}
	for _, k := range g.keys {
		k.mu.Lock()
		wanted := !k.fixed && needed(k)
		k.mu.Unlock()
		if wanted {
			asked, reads = append(asked, k), append(reads, k.again(ctx))
		}
	}
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	var errs []error
	for i, k := range asked {
		select {
		case <-reads[i]:
			k.mu.Lock()
			errs = append(errs, k.err)
			k.mu.Unlock()
		case <-timer.C:
			return errors.Join(append(errs, fmt.Errorf("a secret was not read within %v; the reading continues", Patience))...)
		case <-ctx.Done():
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
	}
	return errors.Join(errs...)
}

// again has the secret read, unless it is being read, and returns what is closed afterwards.
func (k *key) again(ctx context.Context) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading == nil {
		k.reading = make(chan struct{})
		go k.renew(context.WithoutCancel(ctx), k.last, k.reading)
	}
	return k.reading
}

// renew reads the secret. What was usable remains in use until there is something better.
func (k *key) renew(ctx context.Context, last secret.String, done chan<- struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	text, err := k.keeper.Renew(ctx, last)
	flaw := Flaw(text.Reveal())
	if err == nil && flaw != "" {
		err = fmt.Errorf("a secret %s (%s)", flaw, k.keeper.Note())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.err, k.read, k.reading = text, err, time.Now(), nil
	if flaw == "" {
		k.text = text
	}
	close(done)
}

// Texts are the secrets that are known now, in the order of [New].
func (g *Gate) Texts() (list []secret.String) {
	for _, k := range g.keys {
		k.mu.Lock()
		if !k.text.IsZero() {
			list = append(list, k.text)
		}
		k.mu.Unlock()
	}
	return list
}

// Equal compares what was presented with a secret. It compares hashes, so that not even the length of
// the secret shows in the time.
func Equal(presented, want string) bool {
	a, b := sha256.Sum256([]byte(presented)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Flaw says why a text can't be the credential of a hook; "" if it can. It shows nothing of it.
func Flaw(text string) string {
	switch {
	case text == "":
		return "is empty: use at least 16 random characters, for instance the output of openssl rand -hex 32"
	case strings.HasPrefix(strings.ToLower(text), "bearer "):
		return "begins with the word Bearer, which SailPoint adds itself: use only the token"
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "has a character that can't be sent in a header, such as a blank: use letters, digits and punctuation of ASCII"
	case len(text) < Shortest:
		return fmt.Sprintf("has %d characters, too few for an address on the internet: use at least %d random ones, for instance the output of openssl rand -hex 32", len(text), Shortest)
	}
	return ""
}
