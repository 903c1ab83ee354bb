package azblob_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
)

// kept is a key that is kept elsewhere, and may be replaced there.
type kept struct {
	now, next string // what is known, and what is there
	err       error
	renewed   int
}

func (k *kept) Get(context.Context) (secret.String, error) { return secret.New(k.now), k.err }

func (k *kept) Renew(_ context.Context, refused secret.String) (secret.String, error) {
	if k.renewed++; refused.Reveal() != k.now {
		return secret.String{}, errors.New("another key was refused")
	}
	k.now = k.next
	return secret.New(k.now), nil
}

func (k *kept) Known() []secret.String { return []secret.String{secret.New(k.now)} }
func (k *kept) Note() string           { return "" }

// TestKeyIsReplaced: a refused key is read again, and the same operation succeeds with the new
// one. A key that can't be had is named, and blames the place where it is kept.
func TestKeyIsReplaced(t *testing.T) {
	s := azurite.Start(t)
	const wrong = "Y2FuYXJ5LXdyb25nLWtleQ=="
	open := func(k *kept) *azblob.Store {
		store, err := azblob.New(azblob.Config{ServiceURL: at(s.ServiceURL), Container: "rekey", AccountName: s.AccountName, AccountKey: k})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	key := &kept{now: wrong, next: s.AccountKey}
	store := open(key)
	if _, err := store.Put(t.Context(), "t/x", []byte("one"), state.Any); err != nil {
		t.Fatal(err)
	}
	if o, err := store.Get(t.Context(), "t/x"); err != nil || string(o.Data) != "one" {
		t.Errorf("got %q, %v", o.Data, err)
	}
	if key.renewed != 1 {
		t.Errorf("read again %d times, want 1", key.renewed)
	}
	for name, c := range map[string]struct {
		key  *kept
		says string
	}{
		"still wrong":    {&kept{now: wrong, next: wrong}, "AZURE_STORAGE_ACCESS_KEY is wrong, expired"},
		"can't be had":   {&kept{err: errors.New("KEY can't be read from the vault")}, "KEY can't be read from the vault"},
		"is not a key":   {&kept{now: "canary!"}, "AZURE_STORAGE_ACCESS_KEY is not a storage account key"},
		"replaced badly": {&kept{now: wrong, next: "canary!"}, "AZURE_STORAGE_ACCESS_KEY is wrong, expired"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(c.key).Get(t.Context(), "t/x")
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), wrong) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
