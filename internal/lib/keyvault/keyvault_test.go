package keyvault_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const canary = "canary-kept-secret-8d41c0"

// world is a vault and a client of it.
type world struct {
	vault *vault.Vault
	*keyvault.Vaults
}

func newWorld() world {
	w := world{vault: &vault.Vault{}}
	w.vault.Set("client-secret", canary)
	w.Vaults = reading(w.vault)
	return w
}

func reading(h http.Handler) *keyvault.Vaults {
	cfg := keyvault.Config{Credential: func(entra.Identity, cloud.Configuration) (azcore.TokenCredential, error) {
		return workspace.Credential{}, nil
	}}
	cfg.ClientOptions.Transport = &http.Client{Transport: fault.Transport(h)}
	return keyvault.New(cfg)
}

func at(setting, version string) secret.Reference {
	return secret.Reference{Setting: setting, Vault: "https://acme-kv.vault.azure.net", Name: "client-secret", Version: version}
}

// get reads, and notes an error as text.
func get(t *testing.T, s secret.Keeper) (text, problem string) {
	t.Helper()
	got, err := s.Get(t.Context())
	if err != nil {
		problem = err.Error()
	}
	return got.Reveal(), problem
}

// TestReadOnce: a secret is read when it is needed, and then no more, whoever needs it.
func TestReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		acme, globex := w.Secret(at("ACME_CLIENT_SECRET", "")), w.Secret(at("GLOBEX_CLIENT_SECRET", ""))
		if n := len(w.vault.Reads()); n != 0 {
			t.Errorf("%d reads before the first need", n)
		}
		var all sync.WaitGroup
		for _, s := range []*keyvault.Secret{acme, globex, acme, globex} {
			all.Go(func() {
				if text, problem := get(t, s); text != canary || problem != "" {
					t.Errorf("got %q, %s", text, problem)
				}
			})
		}
		all.Wait()
		wait(48 * time.Hour)
		get(t, acme)
		if n := len(w.vault.Reads()); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

// TestStore: a person's secret becomes a new version. A refusal says what the person lacks, and nothing
// shows the secret.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		version, err := w.Store(t.Context(), at("CLIENT_SECRET", ""), secret.New(canary+"-new"))
		if err != nil || !strings.HasSuffix(version, "2") || w.vault.Value("client-secret") != canary+"-new" {
			t.Errorf("version %q, %v", version, err)
		}
		w.vault.ReadOnly(true)
		_, err = w.Store(t.Context(), at("CLIENT_SECRET", ""), secret.New(canary))
		if err == nil || !strings.Contains(err.Error(), `the role "Key Vault Secrets Officer"`) || strings.Contains(err.Error(), canary) {
			t.Error(err)
		}
		w.vault.Busy(100)
		if _, err = w.Store(t.Context(), at("CLIENT_SECRET", ""), secret.New(canary)); err == nil || !strings.Contains(err.Error(), "overloaded or down") || strings.Contains(err.Error(), canary) {
			t.Error(err)
		}
	})
}

// TestRoleInEffectLater: the first reads are refused, and a minute after the role is in
// effect the secret is there. In between, the vault is asked once a minute.
func TestRoleInEffectLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vault.Deny(3)
		s := w.Secret(at("CLIENT_SECRET", ""))
		for run := range 4 {
			for range 20 { // every stream, every retry
				text, problem := get(t, s)
				if green := run == 3; green != (text == canary) || green != (problem == "") {
					t.Fatalf("run %d: %q, %s", run, text, problem)
				}
				if run < 3 && (!strings.HasPrefix(problem, "CLIENT_SECRET can't be read") || !strings.Contains(problem, `the role "Key Vault Secrets User"`)) {
					t.Fatalf("run %d: %s", run, problem)
				}
			}
			if n := len(w.vault.Reads()); n != run+1 {
				t.Errorf("%d reads after run %d", n, run)
			}
			wait(time.Minute)
		}
	})
}

// TestRotation: a refused secret is read again, at most once in a pause; a wrong one and the
// way back need no restart.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, other := w.Secret(at("CLIENT_SECRET", "")), w.Secret(at("GLOBEX_CLIENT_SECRET", ""))
		first, _ := s.Get(t.Context())
		renew := func(s *keyvault.Secret, refused secret.String) secret.String {
			next, err := s.Renew(t.Context(), refused)
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		if next := renew(s, first); next.Reveal() != canary || len(w.vault.Reads()) != 1 {
			t.Errorf("read again at once: %d reads", len(w.vault.Reads()))
		}
		w.vault.Set("client-secret", "wrong\n")
		wait(keyvault.Pause)
		wrong := renew(s, first)
		if wrong.Reveal() != "wrong" {
			t.Errorf("got %q", wrong.Reveal())
		}
		if next := renew(other, first); next.Reveal() != "wrong" || len(w.vault.Reads()) != 2 {
			t.Errorf("another connection reads again: %d reads", len(w.vault.Reads()))
		}
		for range 50 {
			renew(s, wrong)
		}
		if n := len(w.vault.Reads()); n != 2 {
			t.Errorf("%d reads: a storm", n)
		}
		w.vault.Set("client-secret", "right")
		wait(keyvault.Pause)
		if next := renew(s, wrong); next.Reveal() != "right" {
			t.Errorf("got %q", next.Reveal())
		}
		if n := len(w.vault.Reads()); n != 3 {
			t.Errorf("%d reads, want 3", n)
		}
		wait(keyvault.Pause)
		if next := renew(other, wrong); next.Reveal() != "right" || len(w.vault.Reads()) != 3 {
			t.Errorf("what another caller has read is read again: %d reads", len(w.vault.Reads()))
		}
		var known []string
		for _, k := range s.Known() {
			known = append(known, k.Reveal())
		}
		if diff := cmp.Diff([]string{canary, "wrong", "right"}, known); diff != "" {
			t.Errorf("what is masked (-want +got):\n%s", diff)
		}
	})
}

// TestVaultDownDuringRotation: what is known stays in use until the vault answers.
func TestVaultDownDuringRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.Secret(at("CLIENT_SECRET", ""))
		first, _ := s.Get(t.Context())
		w.vault.Wall(true)
		w.vault.Set("client-secret", "next")
		wait(time.Hour)
		if next, err := s.Renew(t.Context(), first); err == nil || next.Reveal() != canary {
			t.Errorf("got %q, %v", next.Reveal(), err)
		}
		if text, problem := get(t, s); text != canary || problem != "" {
			t.Errorf("got %q, %s", text, problem)
		}
		w.vault.Wall(false)
		wait(keyvault.Pause)
		if next, err := s.Renew(t.Context(), first); err != nil || next.Reveal() != "next" {
			t.Errorf("got %q, %v", next.Reveal(), err)
		}
	})
}

// TestRefusals: each is blamed on the vault, with its remedy, by the name of the setting.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*vault.Vault)
		version string
		says    []string
	}{
		"no role":         {func(v *vault.Vault) { v.Deny(99) }, "", []string{"answered 403 Forbidden ForbiddenByRbac", `role "Key Vault Secrets User"`, "AZURE_CLIENT_ID", "some minutes", "without a restart"}},
		"no policy":       {func(v *vault.Vault) { v.DenyByPolicy(99) }, "", []string{"access policies", "permission Get"}},
		"network":         {func(v *vault.Vault) { v.Wall(true) }, "", []string{"network rules block this app", "private endpoint"}},
		"disabled":        {func(v *vault.Vault) { v.Change("client-secret", true, time.Time{}) }, "", []string{"the secret is disabled: enable it"}},
		"missing":         {func(v *vault.Vault) { v.Delete("client-secret") }, "", []string{"answered 404 SecretNotFound", "no secret of that name", "recover it"}},
		"missing version": {nil, strings.Repeat("9", 32), []string{"no secret of that name and version"}},
		"other cloud":     {func(v *vault.Vault) { v.Audience = "https://vault.azure.cn" }, "", []string{"answered 401", "does not accept the sign-in"}},
		"empty":           {func(v *vault.Vault) { v.Set("client-secret", "") }, "", []string{"the secret is empty: store a new version"}},
		"blank":           {func(v *vault.Vault) { v.Set("client-secret", " \n") }, "", []string{"the secret is empty"}},
		"two lines":       {func(v *vault.Vault) { v.Set("client-secret", "a\nb") }, "", []string{"line break"}},
		"a reference":     {func(v *vault.Vault) { v.Set("client-secret", "@Microsoft.KeyVault(x)") }, "", []string{"itself a Key Vault reference"}},
		"busy":            {func(v *vault.Vault) { v.Busy(99) }, "", []string{"answered 429", "overloaded or down"}},
		"slow":            {func(v *vault.Vault) { v.Hold(make(chan struct{})) }, "", []string{"acme-kv.vault.azure.net", "the next run asks again"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				if c.prepare != nil {
					c.prepare(w.vault)
				}
				start := time.Now()
				text, problem := get(t, w.Secret(at("ACME_CLIENT_SECRET", c.version)))
				if text != "" || !strings.HasPrefix(problem, "ACME_CLIENT_SECRET can't be read from the secret client-secret") {
					t.Errorf("got %q, %s", text, problem)
				}
				for _, want := range c.says {
					if !strings.Contains(problem, want) {
						t.Errorf("%q is not in: %s", want, problem)
					}
				}
				if strings.Contains(problem, "canary") || strings.Contains(problem, "appid") || strings.Contains(problem, "\n") || len(problem) > 700 {
					t.Errorf("unfit to be shown: %q", problem)
				}
				if d := time.Since(start); d > 31*time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

// TestCaller: the end of a caller's context is no answer of the vault: the next caller asks.
func TestCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		gate := make(chan struct{})
		w.vault.Hold(gate)
		s := w.Secret(at("CLIENT_SECRET", ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Get(ctx); err == nil || ctx.Err() == nil {
			t.Errorf("got %v", err)
		}
		close(gate)
		if text, problem := get(t, s); text != canary {
			t.Errorf("got %q, %s", text, problem)
		}
	})
}

// TestAudience: a token is for the cloud of the vault, and asked for as the identity in the
// settings.
func TestAudience(t *testing.T) {
	for host, want := range map[string]struct {
		audience string
		in       cloud.Configuration
	}{
		"https://acme.vault.azure.net":         {"https://vault.azure.net", cloud.AzurePublic},
		"https://acme.vault.usgovcloudapi.net": {"https://vault.usgovcloudapi.net", cloud.AzureGovernment},
		"https://acme.vault.azure.cn":          {"https://vault.azure.cn", cloud.AzureChina},
		"http://127.0.0.1:9":                   {"https://vault.azure.net", cloud.AzurePublic},
	} {
		v := &vault.Vault{Audience: want.audience}
		v.Set("s", canary)
		var asked []string
		cfg := keyvault.Config{Credential: func(who entra.Identity, in cloud.Configuration) (azcore.TokenCredential, error) {
			asked = append(asked, who.Managed+" "+in.ActiveDirectoryAuthorityHost)
			return workspace.Credential{}, nil
		}}
		cfg.ClientOptions.Transport = &http.Client{Transport: fault.Transport(v)}
		vaults := keyvault.New(cfg)
		for range 2 {
			got, err := vaults.Secret(secret.Reference{Setting: "S", Vault: host, Name: "s", Identity: entra.Identity{Managed: "me"}}).Get(t.Context())
			if err != nil || got.Reveal() != canary {
				t.Errorf("%s: %q, %v", host, got.Reveal(), err)
			}
		}
		if diff := cmp.Diff([]string{"me " + want.in.ActiveDirectoryAuthorityHost}, asked); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

// TestNothingShowsIt: neither a setting nor what reads it prints the secret.
func TestNothingShowsIt(t *testing.T) {
	w := newWorld()
	s := w.Secret(at("CLIENT_SECRET", ""))
	if _, err := s.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []any{s, *s, state, s.Known(), s.Note(), secret.Plain(canary), &struct{ v secret.Value }{secret.Plain(canary)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, canary) {
				t.Errorf("%T with %s: %s", value, verb, text)
			}
		}
	}
	if note := s.Note(); !strings.Contains(note, "vault https://acme-kv.vault.azure.net") || !strings.Contains(note, "version 0000") {
		t.Errorf("note %q", note)
	}
}

// wait lets virtual time pass.
func wait(d time.Duration) { <-time.After(d) }
