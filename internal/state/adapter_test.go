package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

func TestCheckKey(t *testing.T) {
	for _, test := range []struct {
		name, key string
		ok        bool
	}{
		{"usual", "acme.api.identitynow.com/checkpoints/SailPointIDN_Events.json", true},
		{"one element", "a", true},
		{"longest element", strings.Repeat("a", 200), true},
		{"dot first", ".hidden/x", true},
		{"empty", "", false},
		{"too long an element", strings.Repeat("a", 201), false},
		{"too long", strings.Repeat("abcdefghi/", 52) + "a", false},
		{"slash first", "/a", false},
		{"slash last", "a/", false},
		{"empty element", "a//b", false},
		{"dot", "a/./b", false},
		{"dot dot", "../b", false},
		{"dot last", "a./b", false},
		{"space", "a b", false},
		{"backslash", `a\b`, false},
		{"colon", "c:/x", false},
		{"not ASCII", "zürich", false},
		{"zero byte", "a\x00", false},
		{"the file store's own", "~tmp/x", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := state.CheckKey(test.key); (err == nil) != test.ok {
				t.Errorf("CheckKey(%q) = %v, want ok %v", test.key, err, test.ok)
			}
		})
	}
}

// Every beginning of a key is a prefix, but for the rule on dots at the end.
func TestCheckPrefixOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z][a-z0-9_.-]{0,4}[a-z](/[A-Z0-9]{1,4}){0,3}`).Draw(t, "key")
		if err := state.CheckKey(key); err != nil {
			t.Fatalf("CheckKey: %v", err)
		}
		prefix := key[:rapid.IntRange(0, len(key)).Draw(t, "cut")]
		if err := state.CheckPrefix(prefix); err != nil {
			t.Fatalf("CheckPrefix(%q): %v", prefix, err)
		}
	})
}

func TestCheckPrefixRefuses(t *testing.T) {
	for _, prefix := range []string{"/", "../", "a//", "a b", "a/~"} {
		if state.CheckPrefix(prefix) == nil {
			t.Errorf("CheckPrefix(%q) = nil, want an error", prefix)
		}
	}
}

func TestContextErr(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := state.ContextErr(ctx); err != nil {
		t.Errorf("before the end: %v", err)
	}
	cancel(state.ErrLockLost)
	if err := state.ContextErr(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, state.ErrLockLost) {
		t.Errorf("got %v, want both the kind of end and its cause", err)
	}
}
