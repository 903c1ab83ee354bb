package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const (
	vaultHost = "acme-kv.vault.azure.net"
	newSecret = "canary-rotated-secret-51ab"
)

// newKey is a second key of the workspace.
func newKey() string {
	return base64.StdEncoding.EncodeToString([]byte("canary-rotated-key-" + strings.Repeat("0123456789", 5)[:45]))
}

// vaulted is a scene whose secrets are in a vault.
type vaulted struct {
	*scene
	vault *vault.Vault
	log   bytes.Buffer
	poll  func() pipeline.Report
	sent  int          // events so far
	asked atomic.Int64 // requests to the vault, also those without an answer
	// down, if set, makes the vault unreachable.
	down error
	seen []string // all that was said
}

func newVaulted() *vaulted {
	v := &vaulted{scene: newScene(), vault: &vault.Vault{}}
	v.credential = workspace.Credential{}
	v.vault.Set("client-secret", canary)
	v.vault.Set("workspace-key", workspace.DefaultKey)
	v.source().ClientSecret = inVault("CLIENT_SECRET", "client-secret")
	v.connection().DataCollector.SharedKey = inVault("SHARED_KEY", "workspace-key")
	v.tenant.TokenTTL = 2 * time.Minute
	return v
}

func inVault(setting, name string) secret.Value {
	return secret.Kept(secret.Reference{Setting: setting, Vault: "https://" + vaultHost, Name: name})
}

// RoundTrip adds the vault to the scene.
func (v *vaulted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != vaultHost {
		return v.scene.RoundTrip(req)
	}
	v.asked.Add(1)
	if v.down != nil {
		return nil, v.down
	}
	return fault.Transport(v.vault).RoundTrip(req)
}

func (v *vaulted) options() app.Options {
	return app.Options{
		HTTP: &http.Client{Transport: v}, Store: v.store, Credential: v.credential,
		Log: slog.New(slog.NewJSONHandler(&v.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// run adds two events and polls once; a run comes every minute.
func (v *vaulted) run(t *testing.T) pipeline.Report {
	t.Helper()
	if v.poll == nil {
		a, err := app.Open(v.settings, v.options())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(v.vault.Reads()); n != 0 {
			t.Errorf("%d reads of the vault before the first run", n)
		}
		v.poll = func() pipeline.Report {
			ctx, cancel := context.WithTimeout(t.Context(), v.settings.RunBudget)
			defer cancel()
			reports := a.Poll(ctx)
			v.seen = append(v.seen, fmt.Sprintf("%+v", reports))
			return reports[0]
		}
	}
	for range 2 {
		v.addEvent(fmt.Sprintf("e%05d", v.sent))
		v.sent++
	}
	r := v.poll()
	<-time.After(time.Minute)
	return r
}

// red and green hold a run to how it ended.
func (v *vaulted) red(t *testing.T, says ...string) {
	t.Helper()
	r := v.run(t)
	if r.State != pipeline.Failed || r.Quarantined != 0 {
		t.Fatalf("not failed: %+v", r)
	}
	for _, want := range says {
		if !strings.Contains(r.Error, want) {
			t.Errorf("%q is not in: %s", want, r.Error)
		}
	}
}

func (v *vaulted) green(t *testing.T) pipeline.Report {
	t.Helper()
	r := v.run(t)
	if r.State != pipeline.Drained || r.Quarantined != 0 {
		t.Fatalf("not drained: %+v", r)
	}
	return r
}

// finish checks that all events arrived once, and that nothing shows a secret.
func (v *vaulted) finish(t *testing.T) {
	t.Helper()
	table := v.workspace.Table(events)
	if table.Count() != v.sent || len(table.IDs()) != v.sent {
		t.Errorf("%d rows of %d events, want %d", table.Count(), len(table.IDs()), v.sent)
	}
	if kept := v.keys(t, quarantined); kept != nil {
		t.Errorf("in quarantine: %q", kept)
	}
	said := append(slices.Clone(v.seen), v.log.String())
	for entry, err := range v.store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		o, err := v.store.Get(t.Context(), entry.Key)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, entry.Key, string(o.Data))
	}
	for _, s := range append(v.tenant.Tokens(), canary, newSecret, "canary", workspace.DefaultKey, newKey(), "eyJ") {
		if strings.Contains(strings.Join(said, "\n"), s) {
			t.Errorf("%.10q… is shown", s)
		}
	}
}

// TestFirstClick: the role of the identity is not in effect when the app starts. Runs are red
// and say why, and the first one after that is green, without a restart.
func TestFirstClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVaulted()
		v.vault.Deny(6) // both secrets, three runs: the health row needs the key
		for range 3 {
			v.red(t, "CLIENT_SECRET can't be read from the secret client-secret of the vault https://"+vaultHost, `the role "Key Vault Secrets User"`, "ForbiddenByRbac")
		}
		if n := len(v.vault.Reads()); n != 6 {
			t.Errorf("%d reads in three runs, want 6", n)
		}
		if r := v.green(t); r.Sent != 8 {
			t.Errorf("%+v", r)
		}
		for range 30 {
			v.green(t)
		}
		if n := len(v.vault.Reads()); n != 8 {
			t.Errorf("%d reads, want 8: one of each secret after the refusals", n)
		}
		v.finish(t)
	})
}

// TestClientSecretRotated: a new secret is used in the run in which the old one is refused;
// a wrong one fails runs until it is corrected.
func TestClientSecretRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVaulted()
		v.green(t)
		v.vault.Set("client-secret", newSecret)
		v.tenant.ClientSecret = newSecret
		for range 5 { // longer than a token lives
			v.green(t)
		}
		if n := len(v.vault.Reads()); n != 3 {
			t.Errorf("%d reads, want 3", n)
		}
		v.vault.Set("client-secret", "canary-wrong-secret")
		v.tenant.ClientSecret = canary // the client's secret was replaced, but another one was stored
		failed := 0
		for range 5 {
			if v.run(t).State == pipeline.Failed {
				failed++
			}
		}
		v.red(t, "CLIENT_ID or CLIENT_SECRET is wrong", "CLIENT_SECRET was read from the secret client-secret of the vault", "without a restart")
		if n := len(v.vault.Reads()); failed < 3 || n > 3+failed+2 {
			t.Errorf("%d runs failed, %d reads", failed, n)
		}
		v.vault.Set("client-secret", canary+"\n")
		v.green(t)
		v.finish(t)
	})
}

// TestWorkspaceKeyRotated: the same for the workspace's key. A refused key costs no record:
// nothing goes into quarantine, and nothing is sent twice.
func TestWorkspaceKeyRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVaulted()
		v.green(t)
		v.workspace.Key = newKey()
		v.vault.Set("workspace-key", newKey())
		if r := v.green(t); r.Sent != 2 || r.Retries != 0 {
			t.Errorf("%+v", r)
		}
		v.workspace.Key = ""
		v.vault.Set("workspace-key", "not base64!")
		for range 3 {
			v.red(t, "SHARED_KEY is not base64", "without a restart")
		}
		v.vault.Set("workspace-key", workspace.DefaultKey)
		v.green(t)
		v.finish(t)
	})
}

// TestSecondKey: when a key is regenerated, the other one is used in the same run, and the
// reports say so until the first is correct again.
func TestSecondKey(t *testing.T) {
	for name, second := range map[string]secret.Value{"in the vault": inVault("SHARED_KEY_SECONDARY", "second-key"), "in the setting": secret.Plain(newKey())} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVaulted()
				v.vault.Set("second-key", newKey())
				v.connection().DataCollector.Secondary = second
				v.workspace.SecondaryKey = newKey()
				v.green(t) // warns that there is no checkpoint yet
				if r := v.green(t); len(r.Warnings) != 0 {
					t.Errorf("warnings %q", r.Warnings)
				}
				v.workspace.Key = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 64)) // regenerated
				for range 3 {
					r := v.green(t)
					if r.Sent != 2 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "accepts SHARED_KEY_SECONDARY") {
						t.Errorf("%+v", r)
					}
				}
				v.vault.Set("workspace-key", v.workspace.Key)
				for range 12 {
					v.green(t)
				}
				if r := v.green(t); len(r.Warnings) != 0 {
					t.Errorf("warnings %q after the key was corrected", r.Warnings)
				}
				v.workspace.Key, v.workspace.SecondaryKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 64)), "" // both
				v.red(t, "SHARED_KEY and SHARED_KEY_SECONDARY do not belong")
				v.workspace.Key = newKey()
				v.green(t)
				v.finish(t)
			})
		})
	}
}

// TestVaultTrouble: a vault that can't be reached, and a secret that is not there, fail the
// run with the remedy; later runs deliver everything.
func TestVaultTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		begin, end func(*vaulted)
		says       []string
	}{
		"unknown name": {
			func(v *vaulted) { v.down = &net.DNSError{Err: "no such host", Name: vaultHost, IsNotFound: true} },
			func(v *vaulted) { v.down = nil },
			[]string{"there is no host " + vaultHost, "the name of the vault"},
		},
		"refused connection": {
			func(v *vaulted) { v.down = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} },
			func(v *vaulted) { v.down = nil },
			[]string{"no answer from " + vaultHost, "the next run asks again"},
		},
		"slow": {
			func(v *vaulted) { v.vault.Hold(make(chan struct{})) },
			func(v *vaulted) { v.vault.Hold(nil) },
			[]string{vaultHost, "the next run asks again"},
		},
		"missing secret": {
			func(v *vaulted) { v.vault.Delete("client-secret") },
			func(v *vaulted) { v.vault.Set("client-secret", canary) },
			[]string{"no secret of that name", "CLIENT_SECRET"},
		},
		"empty secret": {
			func(v *vaulted) { v.vault.Set("client-secret", "") },
			func(v *vaulted) { v.vault.Set("client-secret", canary) },
			[]string{"the secret is empty", "CLIENT_SECRET"},
		},
		"disabled secret": {
			func(v *vaulted) { v.vault.Change("client-secret", true, time.Time{}) },
			func(v *vaulted) { v.vault.Change("client-secret", false, time.Time{}) },
			[]string{"the secret is disabled"},
		},
		"network rules": {
			func(v *vaulted) { v.vault.Wall(true) },
			func(v *vaulted) { v.vault.Wall(false) },
			[]string{"network rules block this app"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVaulted()
				c.begin(v)
				for range 3 {
					v.red(t, c.says...)
				}
				c.end(v)
				v.green(t)
				v.finish(t)
			})
		})
	}
}

// TestConnectionsShareAVault: a secret that several connections refer to is read once, and a
// missing one fails only its own connection.
func TestConnectionsShareAVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "globex")
		kv := &vault.Vault{}
		kv.Set("acme", canary+"-acme")
		kv.Set("workspace-key", workspace.DefaultKey)
		for i, name := range []string{"acme", "globex"} {
			one := &c.settings.Connections[i]
			setting := strings.ToUpper(name) + "_CLIENT_SECRET"
			one.Sources[0].(*config.SailPoint).ClientSecret = inVault(setting, name)
			one.DataCollector.SharedKey = inVault("SHARED_KEY", "workspace-key")
		}
		o := c.options()
		o.Credential = workspace.Credential{}
		o.HTTP = &http.Client{Transport: hostTrip{vaultHost: fault.Transport(kv), "": c}}
		a, err := app.Open(c.settings, o)
		if err != nil {
			t.Fatal(err)
		}
		poll := func() (states map[string]string) {
			c.event("acme", len(kv.Reads()))
			states = map[string]string{}
			for _, r := range a.Poll(t.Context()) {
				states[r.Connection] += string(r.State) + " " + r.Error
			}
			<-time.After(time.Minute)
			return states
		}
		got := poll()
		if strings.Contains(got["acme"], "failed") || !strings.Contains(got["globex"], "GLOBEX_CLIENT_SECRET can't be read") || strings.Contains(got["globex"], "ACME") {
			t.Errorf("got %q", got)
		}
		reads := map[string]int{}
		for _, r := range kv.Reads() {
			reads[r.Secret]++
		}
		if reads["workspace-key"] != 1 || reads["acme"] != 1 || reads["globex"] != 1 {
			t.Errorf("reads %v", reads)
		}
		kv.Set("globex", canary+"-globex")
		if got := poll(); strings.Contains(got["acme"]+got["globex"], "failed") {
			t.Errorf("got %q", got)
		}
	})
}

// TestCheckOfSecrets: a check says where secrets come from, reads them, and says which key is
// in use.
func TestCheckOfSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*vaulted)
		want    map[string]string // words by item; "!" in front: failed
	}{
		"all is well": {nil, map[string]string{
			"settings: secrets":    "CLIENT_SECRET is the secret client-secret of the vault https://" + vaultHost + "; SHARED_KEY is the secret workspace-key",
			"secret CLIENT_SECRET": "read from the secret client-secret of the vault https://" + vaultHost + ", version 0000",
			"secret SHARED_KEY":    "stored at ", "token": "are accepted", "workspace": "CUSTOMER_ID and SHARED_KEY are accepted;",
		}},
		"no role": {func(v *vaulted) { v.vault.Deny(99) }, map[string]string{
			"secret CLIENT_SECRET": `!the role "Key Vault Secrets User"`, "secret SHARED_KEY": `!SHARED_KEY can't be read`, "token": "!CLIENT_SECRET can't be read",
		}},
		"expired": {func(v *vaulted) { v.vault.Change("client-secret", false, time.Unix(1000, 0)) }, map[string]string{
			"secret CLIENT_SECRET": "its expiry date, 1970-01-01, has passed",
		}},
		"spare key": {func(v *vaulted) {
			v.connection().DataCollector.Secondary, v.workspace.SecondaryKey = secret.Plain(newKey()), newKey()
		}, map[string]string{
			"workspace": "CUSTOMER_ID and SHARED_KEY are accepted and in use; SHARED_KEY_SECONDARY is accepted, too",
		}},
		"spare key in use": {func(v *vaulted) {
			v.connection().DataCollector.Secondary, v.workspace.Key = secret.Plain(newKey()), newKey()
		}, map[string]string{
			"workspace": "SHARED_KEY_SECONDARY are accepted and in use, but SHARED_KEY is refused",
		}},
		"wrong spare key": {func(v *vaulted) { v.connection().DataCollector.Secondary = secret.Plain(newKey()) }, map[string]string{
			"workspace": "SHARED_KEY are accepted and in use, but SHARED_KEY_SECONDARY is refused",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVaulted()
				v.store = &mem.Store{}
				if c.arrange != nil {
					c.arrange(v)
				}
				found := map[string]check.Finding{}
				app.Check(t.Context(), v.settings, v.options(), func(f check.Finding) {
					found[f.Item] = f
					v.seen = append(v.seen, fmt.Sprintf("%+v", f))
				})
				for item, words := range c.want {
					words, failed := strings.CutPrefix(words, "!")
					if f := found[item]; !strings.Contains(f.Detail, words) || (f.State == check.Failed) != failed {
						t.Errorf("%+v, want %q", f, words)
					}
				}
				v.finish(t)
			})
		})
	}
}

// hostTrip sends requests on by their host; "" is for all others.
type hostTrip map[string]http.RoundTripper

func (h hostTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	if to, ok := h[req.URL.Host]; ok {
		return to.RoundTrip(req)
	}
	return h[""].RoundTrip(req)
}
