package gate_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const (
	first  = "canary-credential-first"
	second = "canary-credential-second"
)

// vault keeps a secret that is replaced, slow or not to be had.
type vault struct {
	mu    sync.Mutex
	text  string
	err   error
	takes time.Duration
	reads int
}

func (v *vault) Renew(ctx context.Context, _ secret.String) (secret.String, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads++
	select {
	case <-time.After(v.takes):
	case <-ctx.Done():
		return secret.String{}, context.Cause(ctx)
	}
	return secret.New(v.text), v.err
}

func (v *vault) Get(ctx context.Context) (secret.String, error) { return v.Renew(ctx, secret.String{}) }
func (v *vault) Known() []secret.String                         { return nil }
func (v *vault) Note() string                                   { return "read just now" }

func present(ctx context.Context, g *gate.Gate, text string) (bool, error) {
	return g.Admits(ctx, func(want secret.String) bool { return gate.Equal(text, want.Reveal()) })
}

// want holds the answer to a credential: "yes", "no" or "later".
func want(t *testing.T, g *gate.Gate, text, want string) {
	t.Helper()
	ok, err := present(t.Context(), g, text)
	got := map[bool]string{true: "yes", false: "no"}[ok]
	if err != nil {
		got = "later"
	}
	if got != want || err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// Secrets of settings are compared, and an empty one lets no one in.
func TestFixed(t *testing.T) {
	g := gate.New(secret.New(first), nil, secret.New(""), secret.New(second))
	for text, answer := range map[string]string{first: "yes", second: "yes", "": "no", first[:9]: "no", first + second: "no"} {
		want(t, g, text, answer)
	}
	want(t, gate.New(), "", "no")
}

// One in a vault is read when it is first needed, and again when another is presented or it is old.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{text: first}
		g := gate.New(v)
		if v.reads != 0 {
			t.Error("New has read")
		}
		want(t, g, first, "yes")
		want(t, g, first, "yes")
		if v.reads != 1 {
			t.Errorf("%d reads for two that are right", v.reads)
		}
		v.text = second
		want(t, g, second, "yes")
		want(t, g, first, "no")
		v.text = first
		<-time.After(gate.Fresh)
		want(t, g, second, "yes") // nothing waits for the reading
		synctest.Wait()
		want(t, g, second, "no")
	})
}

// What was known stays in use while the vault is down, or holds what can't be a credential.
func TestTrouble(t *testing.T) {
	for name, spoil := range map[string]func(*vault){
		"down":  func(v *vault) { v.text, v.err = "", errors.New("the vault is down") },
		"short": func(v *vault) { v.text = "canary" },
		"empty": func(v *vault) { v.text = "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &vault{text: first}
				spoil(v)
				g := gate.New(v)
				want(t, g, first, "later")
				want(t, g, "", "later")
				if g.Ready(t.Context()) == nil {
					t.Error("it is ready")
				}
				v.text, v.err = first, nil
				if err := g.Ready(t.Context()); err != nil {
					t.Error(err)
				}
				want(t, g, second, "no")
				spoil(v)
				want(t, g, second, "later")
				want(t, g, first, "yes")
			})
		})
	}
}

// However many wait for a slow vault, it is asked once, none waits longer than a request can, and
// the reading outlives them.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{text: first, takes: 10 * time.Second}
		g := gate.New(v)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if ok, err := present(ctx, g, first); ok || err == nil {
					t.Errorf("got %v, %v", ok, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took != gate.Patience {
			t.Errorf("they waited %v", took)
		}
		<-time.After(v.takes)
		want(t, g, first, "yes")
		if v.reads != 1 {
			t.Errorf("%d reads", v.reads)
		}
	})
}
