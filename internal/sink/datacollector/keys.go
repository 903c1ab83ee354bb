package datacollector

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// The settings of the keys of a workspace. It has two, so that one can be regenerated while
// the other is in use.
const (
	settingPrimary   = "SHARED_KEY"
	settingSecondary = "SHARED_KEY_SECONDARY"
)

const (
	// keyBytes is the length of all known keys. Microsoft does not document it.
	keyBytes = 64
	// returnEvery is how often to try the primary key again while the secondary is in use.
	returnEvery = 10 * time.Minute
	// maxKeys bounds how often one post is signed again: two keys, each of which may have been
	// replaced where it is kept.
	maxKeys = 4
)

// key is a key to sign a post with.
type key struct {
	slot  int
	text  secret.String // in base64
	bytes secret.String
	hint  string // what is unusual about it
}

// keys are the keys of a workspace. The one in use is the one that was accepted last.
type keys struct {
	slots []slot

	mu    sync.Mutex
	inUse int
	since time.Time // when it was found, or the primary was tried again
}

// slot is a setting with a key.
type slot struct {
	setting string
	keeper  secret.Keeper
	refused secret.String // guarded by keys.mu
}

// newKeys fails for a key that can't be one, unless it is kept elsewhere.
func newKeys(primary, secondary secret.Keeper) (*keys, error) {
	k := new(keys)
	for _, s := range []slot{{setting: settingPrimary, keeper: primary}, {setting: settingSecondary, keeper: secondary}} {
		text, fixed := secret.Fixed(s.keeper)
		if fixed && text.IsZero() && s.setting == settingSecondary {
			continue
		}
		if fixed {
			if _, err := newKey(len(k.slots), s.setting, text); err != nil {
				return nil, fmt.Errorf("data collector sink: %w", err)
			}
		}
		k.slots = append(k.slots, s)
	}
	return k, nil
}

// newKey decodes a key.
func newKey(at int, setting string, text secret.String) (key, error) {
	text = secret.New(strings.TrimSpace(text.Reveal()))
	bytes, err := base64.StdEncoding.DecodeString(text.Reveal())
	if err != nil || len(bytes) == 0 { // the decoder's error is not useful, and must not show the key
		return key{}, errors.New(setting + " is not base64: copy the whole primary or secondary key of the workspace again")
	}
	k := key{slot: at, text: text, bytes: secret.New(string(bytes))}
	if len(bytes) != keyBytes {
		k.hint = fmt.Sprintf("%s has %d bytes where the keys of workspaces have %d, so it may be truncated. ", setting, len(bytes), keyBytes)
	}
	return k, nil
}

// get returns the key of a slot.
func (k *keys) get(ctx context.Context, at int) (key, error) {
	s := k.slots[at]
	text, err := s.keeper.Get(ctx)
	if err != nil {
		return key{}, err
	}
	got, err := newKey(at, s.setting, text)
	if note := s.keeper.Note(); err != nil && note != "" {
		// It may have been replaced since.
		if text, failed := s.keeper.Renew(ctx, text); failed == nil {
			if got, err := newKey(at, s.setting, text); err == nil {
				return got, nil
			}
		}
		err = fmt.Errorf("%w; %s", err, note)
	}
	return got, err
}

// order lists the slots, the one in use first.
func (k *keys) order() []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := []int{k.inUse}
	for i := range k.slots {
		if i != k.inUse {
			list = append(list, i)
		}
	}
	return list
}

// first returns the key to sign with. If the one in use can't be had, it is another.
func (k *keys) first(ctx context.Context) (key, error) {
	k.tryPrimary(ctx)
	var failed error
	for _, at := range k.order() {
		got, err := k.get(ctx, at)
		if err == nil {
			return got, nil
		}
		failed = errors.Join(failed, err)
	}
	return key{}, oneLine(failed)
}

// oneLine joins the lines of an error.
func oneLine(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err
	}
	list := joined.Unwrap()
	out := list[0]
	for _, next := range list[1:] {
		out = fmt.Errorf("%w; %w", out, next)
	}
	return out
}

// tryPrimary returns to the primary key after a while: it may have been replaced, or the
// service may have been wrong.
func (k *keys) tryPrimary(ctx context.Context) {
	k.mu.Lock()
	refused, due := k.slots[0].refused, k.inUse != 0 && time.Since(k.since) >= returnEvery
	if due {
		k.inUse = 0
	}
	k.mu.Unlock()
	if due {
		_, _ = k.slots[0].keeper.Renew(ctx, refused) // where that fails, the key is refused again
	}
}

// next returns a key to try after others were refused: each may have been replaced where it
// is kept. ok is false if there is none; failed says which could not be had.
func (k *keys) next(ctx context.Context, tried []key) (next key, failed error, ok bool) {
	if len(tried) >= maxKeys {
		return key{}, nil, false
	}
	was := func(text secret.String) bool {
		return slices.ContainsFunc(tried, func(t key) bool { return t.text.Reveal() == strings.TrimSpace(text.Reveal()) })
	}
	for _, at := range k.order() {
		s := k.slots[at]
		text, err := s.keeper.Get(ctx)
		if err == nil && was(text) {
			text, err = s.keeper.Renew(ctx, text)
		}
		if err == nil && was(text) {
			continue
		}
		if err == nil {
			if next, err = newKey(at, s.setting, text); err == nil {
				return next, nil, true
			}
		}
		failed = errors.Join(failed, err)
	}
	return key{}, oneLine(failed), false
}

// accepted notes that the workspace takes a key, and refuses others.
func (k *keys) accepted(used key, refused []key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range refused {
		k.slots[r.slot].refused = r.text
	}
	if len(refused) > 0 && used.slot != k.inUse {
		k.inUse, k.since = used.slot, time.Now()
	}
}

// names lists the settings of keys.
func (k *keys) names(list []key) string {
	var names []string
	for _, one := range list {
		if name := k.slots[one.slot].setting; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// notes says where keys came from, after a refusal.
func (k *keys) notes(list []key) string {
	var notes []string
	for _, one := range list {
		if note := k.slots[one.slot].keeper.Note(); note != "" && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return strings.Join(notes, ". ")
}

// known are all texts of the keys, to mask them.
func (k *keys) known() (list []secret.String) {
	for _, s := range k.slots {
		list = append(list, s.keeper.Known()...)
	}
	return list
}
