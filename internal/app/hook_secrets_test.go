package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const newToken = "canary-webhook-token-next-8d2f"

// guarded is a scene in which only the credentials of the hooks are in a vault.
type guarded struct {
	*vaulted
	app *app.App
	mu  sync.Mutex // guards seen
}

func newGuarded(t *testing.T, sources ...config.Source) *guarded {
	t.Helper()
	g := &guarded{vaulted: newVaulted()}
	g.source().ClientSecret = secret.Plain(canary)
	g.connection().DataCollector.SharedKey = secret.Plain(workspace.DefaultKey)
	g.vault.Set("webhook-token", hookToken)
	if len(sources) == 0 {
		sources = []config.Source{&config.EventTriggers{Token: inVault("WEBHOOK_TOKEN", "webhook-token")}}
	}
	g.connection().Sources = append(g.connection().Sources, sources...)
	g.workspace.Identify = func(_ string, raw []byte) string { return idOf(raw) }
	return g
}

// knock presents a header to a hook, and returns whether it is admitted and how long that took.
func (g *guarded) knock(ctx context.Context, t *testing.T, path, header string) (ok bool, took time.Duration, err error) {
	t.Helper()
	if g.app == nil {
		opened, err := app.Open(g.settings, g.options())
		if err != nil {
			t.Fatal(err)
		}
		g.app = opened
		t.Cleanup(func() { opened.Stop(context.Background()) })
		if n := len(g.vault.Reads()); n != 0 {
			t.Errorf("%d reads of the vault before the first request", n)
		}
	}
	begun := time.Now()
	ok, err = g.app.Inlet(path).Admits(ctx, []string{header})
	if err != nil {
		g.mu.Lock()
		g.seen = append(g.seen, err.Error())
		g.mu.Unlock()
	}
	return ok, time.Since(begun), err
}

// want holds the answer to a header: "yes", "no" or "later".
func (g *guarded) want(t *testing.T, path, header, want string) {
	t.Helper()
	ok, _, err := g.knock(t.Context(), t, path, header)
	got := map[bool]string{true: "yes", false: "no"}[ok]
	if err != nil {
		got = "later"
	}
	if got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func (g *guarded) polled(t *testing.T) (reports []pipeline.Report) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), g.settings.RunBudget)
	defer cancel()
	reports = g.app.Poll(ctx)
	g.seen = append(g.seen, fmt.Sprintf("%+v", reports))
	return reports
}

// silent checks that nothing of what was said shows a secret.
func (g *guarded) silent(t *testing.T) {
	t.Helper()
	synctest.Wait() // some of the log is written in the background
	if said := strings.Join(append(g.seen, g.log.String()), "\n"); strings.Contains(said, "canary") {
		t.Errorf("a secret shows in:\n%s", said)
	}
}

func basicOf(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("sailpoint:"+password))
}

// TestHookFirstClick: the role is not in effect when the first push comes. It is asked to come
// again, log and health say why, and once the role is in effect it is admitted, without a restart.
func TestHookFirstClick(t *testing.T) {
	for name, c := range map[string]struct {
		source                config.Source
		setting, path, header string
	}{
		"token":    {&config.EventTriggers{Token: inVault("WEBHOOK_TOKEN", "webhook-token")}, "WEBHOOK_TOKEN", "sailpoint", "Bearer " + hookToken},
		"password": {&config.EventTriggers{Username: "sailpoint", Password: inVault("WEBHOOK_PASSWORD", "webhook-token")}, "WEBHOOK_PASSWORD", "sailpoint", basicOf(hookToken)},
		"reports":  {&config.SaaS{Secret: inVault("SAAS_WEBHOOK_SECRET", "webhook-token")}, "SAAS_WEBHOOK_SECRET", "saas", "Bearer " + hookToken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(t, c.source)
				g.vault.Deny(2)
				why := c.setting + " can't be read from the secret webhook-token of the vault https://" + vaultHost
				for range 3 {
					g.want(t, c.path, c.header, "later")
				}
				synctest.Wait()
				if log := g.log.String(); strings.Count(log, why) != 1 || !strings.Contains(log, "Key Vault Secrets User") {
					t.Errorf("the log does not say why, once: %s", log)
				}
				<-time.After(time.Minute)
				if warned := fmt.Sprint(g.polled(t)); !strings.Contains(warned, "answered with 503") || !strings.Contains(warned, why) {
					t.Errorf("the reports do not say why: %s", warned)
				}
				<-time.After(time.Minute)
				for _, r := range g.polled(t) {
					if len(r.Warnings) != 0 || r.State != pipeline.Drained {
						t.Errorf("%+v", r)
					}
				}
				for range 100 {
					g.want(t, c.path, c.header, "yes")
				}
				if n := len(g.vault.Reads()); n != 3 {
					t.Errorf("%d reads, want 3", n)
				}
				g.silent(t)
			})
		})
	}
}

// TestHookTokenRotated: a token that was replaced in the vault is admitted when it is first
// presented, and the one that it replaced no more.
func TestHookTokenRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, &config.EventTriggers{
			Token: inVault("WEBHOOK_TOKEN", "webhook-token"), TokenPrevious: inVault("WEBHOOK_TOKEN_PREVIOUS", "webhook-token-previous"),
		})
		g.vault.Set("webhook-token-previous", "canary-webhook-token-of-last-year")
		g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
		<-time.After(time.Minute)
		g.vault.Set("webhook-token-previous", hookToken)
		g.vault.Set("webhook-token", newToken)
		g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
		g.want(t, "sailpoint", "Bearer "+newToken, "yes")
		g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
		g.want(t, "sailpoint", "Bearer canary-webhook-token-of-last-year", "no")
		if n := len(g.vault.Reads()); n != 4 {
			t.Errorf("%d reads, want 4: two of each", n)
		}
		g.silent(t)
	})
}

// TestReplacedTokenEnds: a token that was replaced is not accepted forever if its holder is the only
// one who comes.
func TestReplacedTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
		g.vault.Set("webhook-token", newToken)
		<-time.After(gate.Fresh)
		if _, took, _ := g.knock(t.Context(), t, "sailpoint", "Bearer "+hookToken); took != 0 {
			t.Errorf("waited %v for a read that could be done besides", took)
		}
		synctest.Wait()
		g.want(t, "sailpoint", "Bearer "+hookToken, "no")
		g.silent(t)
	})
}

// TestStrangers: requests with wrong credentials read the vault as often as its bound allows,
// whether they wait for the answer or not, and delay no one else's.
func TestStrangers(t *testing.T) {
	const minutes = 10
	for name, patient := range map[string]bool{"they wait": true, "they hang up": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(t)
				g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
				held, begun := make(chan struct{}), time.Now()
				reads := func() int64 { return int64(time.Since(begun)/keyvault.Pause) + 1 }
				for second := range minutes * 60 {
					if second == 300 { // and now the vault does not answer either
						if n := g.asked.Load(); n > reads() || n < reads()-1 {
							t.Errorf("%d requests to the vault in %v, want %d", n, time.Since(begun), reads())
						}
						g.vault.Hold(held)
					}
					var all sync.WaitGroup
					for i := range 20 {
						all.Go(func() {
							ctx, cancel := context.WithCancel(t.Context())
							defer cancel()
							if !patient {
								cancel()
							}
							ok, took, _ := g.knock(ctx, t, "sailpoint", fmt.Sprintf("Bearer wrong-%d-%d-0123456789", second, i))
							if ok || took > gate.Patience {
								t.Errorf("admitted: %v after %v", ok, took)
							}
						})
					}
					synctest.Wait()
					if ok, took, err := g.knock(t.Context(), t, "sailpoint", "Bearer "+hookToken); !ok || took != 0 || err != nil {
						t.Fatalf("second %d: the right token: %v after %v: %v", second, ok, took, err)
					}
					all.Wait()
					<-time.After(time.Second)
				}
				close(held)
				<-time.After(time.Minute)
				if n, most := g.asked.Load(), 2*reads(); n > most { // one that is not answered is tried twice
					t.Errorf("%d requests to the vault, want at most %d", n, most)
				}
				g.silent(t)
			})
		})
	}
}

// TestHookSecretTrouble: what is wrong with a secret is named, and nothing is admitted that the
// settings themselves would not accept. What was known stays in use.
func TestHookSecretTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*guarded)
		header  string
		says    string
	}{
		"empty":          {func(g *guarded) { g.vault.Set("webhook-token", "") }, "", "the secret is empty"},
		"short":          {func(g *guarded) { g.vault.Set("webhook-token", "canary") }, "canary", "has 6 characters"},
		"a whole header": {func(g *guarded) { g.vault.Set("webhook-token", "Bearer "+newToken) }, newToken, "begins with the word Bearer"},
		"a blank inside": {func(g *guarded) { g.vault.Set("webhook-token", "canary canary canary") }, "canary canary canary", "can't be sent in a header"},
		"deleted":        {func(g *guarded) { g.vault.Delete("webhook-token") }, "", "webhook-token"},
		"disabled":       {func(g *guarded) { g.vault.Change("webhook-token", true, time.Time{}) }, "", "disabled"},
		"walled off":     {func(g *guarded) { g.vault.Wall(true) }, "", "network rules"},
	} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, known before %v", name, known), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGuarded(t)
					if known {
						g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
						<-time.After(time.Minute)
					}
					c.arrange(g)
					for range 2 {
						_, _, err := g.knock(t.Context(), t, "sailpoint", "Bearer "+c.header+"-")
						if err == nil || !strings.Contains(err.Error(), "WEBHOOK_TOKEN") || !strings.Contains(err.Error(), c.says) {
							t.Errorf("got %v, want WEBHOOK_TOKEN and %q", err, c.says)
						}
						g.want(t, "sailpoint", "Bearer "+c.header, "later")
					}
					if known {
						g.want(t, "sailpoint", "Bearer "+hookToken, "yes")
					}
					<-time.After(time.Minute)
					g.vault.Wall(false)
					g.vault.Set("webhook-token", newToken+"\r\n")
					g.want(t, "sailpoint", "Bearer "+newToken, "yes")
					g.want(t, "sailpoint", "Bearer "+hookToken, "no")
					g.silent(t)
				})
			})
		}
	}
}

// TestNoCredentialReadsNothing: who presents none, or another kind, is refused without the vault.
func TestNoCredentialReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.vault.Deny(99)
		for _, header := range []string{"", "Token x", basicOf(hookToken)} {
			g.want(t, "sailpoint", header, "no")
		}
		if n := len(g.vault.Reads()); n != 0 {
			t.Errorf("%d reads", n)
		}
	})
}

// TestCheckOfHookSecrets: check reads them, and names what is wrong.
func TestCheckOfHookSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*guarded)
		want    map[string]string // words by item; "!" in front: failed
	}{
		"all is well": {nil, map[string]string{"secret WEBHOOK_TOKEN": "read from the secret webhook-token", "secret SAAS_WEBHOOK_SECRET": "read from the secret saas-webhook-secret", "hook": "/api/hooks/sailpoint", "saas hook": "/api/hooks/saas"}},
		"no role":     {func(g *guarded) { g.vault.Deny(99) }, map[string]string{"secret WEBHOOK_TOKEN": `!"Key Vault Secrets User"`, "hook": "!WEBHOOK_TOKEN", "saas hook": "!SAAS_WEBHOOK_SECRET"}},
		"short":       {func(g *guarded) { g.vault.Set("webhook-token", "canary") }, map[string]string{"hook": "!6 characters", "saas hook": "/api/hooks/saas"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(t, &config.EventTriggers{Token: inVault("WEBHOOK_TOKEN", "webhook-token")}, &config.SaaS{Secret: inVault("SAAS_WEBHOOK_SECRET", "saas-webhook-secret")})
				g.vault.Set("saas-webhook-secret", newToken)
				g.store = &mem.Store{}
				if c.arrange != nil {
					c.arrange(g)
				}
				found := map[string]check.Finding{}
				app.Check(t.Context(), g.settings, g.options(), func(f check.Finding) {
					found[f.Item] = f
					g.seen = append(g.seen, fmt.Sprintf("%+v", f))
				})
				for item, words := range c.want {
					words, failed := strings.CutPrefix(words, "!")
					if f := found[item]; !strings.Contains(f.Detail, words) || (f.State == check.Failed) != failed {
						t.Errorf("%s: %+v, want %q", item, f, words)
					}
				}
				g.silent(t)
			})
		})
	}
}

// TestHookCredential: commands present the text of a secret in a vault.
func TestHookCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		o := app.Options{HTTP: &http.Client{Transport: g}, Credential: g.credential, Log: slog.New(slog.DiscardHandler)}
		at := inVault("WEBHOOK_TOKEN", "webhook-token")
		if got, err := app.HookCredential(t.Context(), o, at); got.Reveal() != hookToken || err != nil {
			t.Errorf("got %d characters, %v", len(got.Reveal()), err)
		}
		g.vault.Set("webhook-token", "canary")
		if _, err := app.HookCredential(t.Context(), o, at); err == nil || !strings.Contains(err.Error(), "WEBHOOK_TOKEN") || strings.Contains(err.Error(), "canary") {
			t.Errorf("a short one: %v", err)
		}
	})
}
