package keyvault_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
)

const directory = "22222222-0000-4000-a000-000000000002"

// TestDirectoryOfAVault: an identity that can sign in to another directory does so for a vault that is
// there, which the vault itself says, once. For a vault elsewhere it stays at home, and for one that
// does not say, which is asked again each time; no token is sent to find out.
func TestDirectoryOfAVault(t *testing.T) {
	there := entra.Identity{Managed: "me", Directory: directory, App: "app"}
	for name, tc := range map[string]struct {
		in   string // the challenge
		who  entra.Identity
		want []entra.Identity // who was asked for a token
		bare int              // requests without a token, for two secrets
	}{
		"there":            {`Bearer authorization="https://login.microsoftonline.com/` + strings.ToUpper(directory) + `", resource="https://vault.azure.net"`, there, []entra.Identity{there}, 1},
		"at home":          {`Bearer authorization="https://login.windows.net/11111111-0000-4000-a000-000000000001", resource="https://vault.azure.net"`, there, []entra.Identity{there.Home()}, 1},
		"it does not say":  {"", there, []entra.Identity{there.Home()}, 2},
		"nowhere to go to": {"", there.Home(), []entra.Identity{there.Home()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vault.Vault{}
			v.Set("client-secret", canary)
			v.Set("other", canary)
			var mu sync.Mutex
			var who []entra.Identity
			bare := 0
			cfg := keyvault.Config{Credential: func(i entra.Identity, _ cloud.Configuration) (azcore.TokenCredential, error) {
				who = append(who, i)
				return workspace.Credential{}, nil
			}}
			cfg.ClientOptions.Transport = &http.Client{Transport: fault.Transport(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					v.ServeHTTP(rw, r)
					return
				}
				mu.Lock()
				bare++
				mu.Unlock()
				if tc.in != "" {
					rw.Header().Set("WWW-Authenticate", tc.in)
				}
				rw.WriteHeader(http.StatusUnauthorized)
			}))}
			vaults := keyvault.New(cfg)
			for _, name := range []string{"client-secret", "other"} {
				one := at("CLIENT_SECRET", "")
				one.Name, one.Identity = name, tc.who
				if text, problem := get(t, vaults.Secret(one)); text != canary {
					t.Error(problem)
				}
			}
			if diff := cmp.Diff(tc.want, who); diff != "" || bare != tc.bare {
				t.Errorf("%d requests without a token; who signs in (-want +got):\n%s", bare, diff)
			}
		})
	}
}

// TestVaultThatDoesNotSay: what goes wrong while a vault is asked for its directory is told as the vault's.
func TestVaultThatDoesNotSay(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*vault.Vault)
		says    string
	}{
		"busy": {func(v *vault.Vault) { v.Busy(99) }, "overloaded or down"},
		"slow": {func(v *vault.Vault) { v.Hold(make(chan struct{})) }, "acme-kv.vault.azure.net"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				tc.prepare(w.vault)
				one := at("CLIENT_SECRET", "")
				one.Identity = entra.Identity{Directory: directory, App: "app"}
				if _, problem := get(t, w.Secret(one)); !strings.Contains(problem, tc.says) || !strings.Contains(problem, "CLIENT_SECRET can't be read") {
					t.Error(problem)
				}
			})
		})
	}
}
