package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The first minutes of a deployment: the role on the vault is not in effect when the process
// starts. It listens, its run says which role is missing, and a minute later the same process
// delivers everything. The identity of the settings is used, for the audience of vaults.
func TestRoleOnTheVaultComesLate(t *testing.T) {
	if testing.Short() {
		t.Skip("waits a minute")
	}
	t.Parallel()
	w := newWorld(t, 500, time.Hour, synth.Options{Seed: 47, Rate: 1})
	w.serve()
	kv := &vault.Vault{}
	kv.Set("client-secret", w.env["CLIENT_SECRET"])
	kv.Set("workspace-key", w.env["SHARED_KEY"])
	kv.Deny(2)
	server, id := httptest.NewServer(kv), &managedIdentity{}
	defer server.Close()
	signIn := httptest.NewServer(id)
	defer signIn.Close()
	w.env["CLIENT_SECRET"], w.env["SHARED_KEY"] = server.URL+"/secrets/client-secret", "@Microsoft.KeyVault(SecretUri="+server.URL+"/secrets/workspace-key)"
	w.env["IDENTITY_ENDPOINT"], w.env["IDENTITY_HEADER"], w.env["AZURE_CLIENT_ID"] = signIn.URL+"/msi/token", workspace.IdentityHeader, identityID

	h := w.start()
	if n := len(kv.Reads()); n != 0 {
		t.Errorf("the vault was asked %d times before the first run", n)
	}
	inv := w.fire(h)
	if rep := report(t, inv, events); inv.Status != http.StatusInternalServerError || rep.State != pipeline.Failed ||
		!strings.Contains(rep.Error, "CLIENT_SECRET can't be read") || !strings.Contains(rep.Error, `role "Key Vault Secrets User"`) {
		t.Errorf("without the role: %d %+v", inv.Status, rep)
	}
	w.fire(h) // at once: the vault is not asked again
	if n := len(kv.Reads()); n != 2 {
		t.Errorf("the vault was asked %d times for two secrets", n)
	}
	<-time.After(51 * time.Second)
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent != 500 {
		t.Errorf("with the role: %+v", rep)
	}
	w.complete(0)
	if got := id.asked; len(got) != 1 || got[0] != "https://vault.azure.net "+identityID {
		t.Errorf("the identity was asked for %q", got)
	}
}
