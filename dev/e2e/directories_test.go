package e2e_test

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Two customers with workspaces in two directories, and the real handler between them: its managed identity
// signs in to both as one multi-tenant app. Each row arrives in the workspace of its customer only. The
// second customer adds the app after the first run, and the next run of the same process delivers.
func TestTwoDirectories(t *testing.T) {
	const app, n = "aaaaaaaa-0000-4000-a000-00000000000a", 300
	w := newWorld(t, 1, time.Hour, synth.Options{Seed: 71, Rate: 1})
	for _, name := range []string{"CLIENT_ID", "CLIENT_SECRET", "CUSTOMER_ID", "SHARED_KEY"} {
		delete(w.env, name)
	}
	cloud := entra.New()
	home := cloud.Directory(uuid.NewString())
	identity, registered := home.Managed(identityID), home.Register(app)
	platform, signIn := httptest.NewServer(cloud.Platform()), httptest.NewTLSServer(cloud.SignIn())
	defer platform.Close()
	defer signIn.Close()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signIn.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	registered.Trust(identity.Credential())
	names := []string{"acme", "globex"}
	workspaces, directories := map[string]*workspace.Workspace{}, map[string]*entra.Directory{}
	for i, name := range names {
		directory, rule := cloud.Directory(uuid.NewString()), workspace.NewRule()
		principal := directory.Consent(registered)
		rule.Directory, rule.Senders = directory.ID, []string{principal}
		ws := &workspace.Workspace{ID: uuid.NewString(), Rules: map[string]*workspace.Rule{workspace.DefaultRule: rule}, Identify: w.workspace.Identify}
		gen := synth.New(synth.Options{Seed: int64(72 + i), Org: name + "-org", Plain: true, Start: time.Now().Add(-time.Hour), Rate: 1})
		source := &tenant.Tenant{Name: name + "-org", ClientID: "id-" + name, ClientSecret: secretCanary + name, Backlog: gen, BacklogSize: n}
		reads, writes := httptest.NewServer(source), httptest.NewServer(ws)
		t.Cleanup(reads.Close)
		t.Cleanup(writes.Close)
		for setting, value := range map[string]string{
			"TENANT_ID": name + "-org", "SAILPOINT_BASE_URL": reads.URL, "CLIENT_ID": source.ClientID, "CLIENT_SECRET": source.ClientSecret,
			"WORKSPACE_DIRECTORY_ID": directory.ID, "CUSTOMER_ID": ws.ID, "DCR_IMMUTABLE_ID": workspace.DefaultRule, "LOGS_INGESTION_ENDPOINT": writes.URL,
		} {
			w.env[strings.ToUpper(name)+"_"+setting] = value
		}
		workspaces[name], directories[name] = ws, directory
	}
	for setting, value := range map[string]string{
		"CONNECTIONS": strings.Join(names, ","), "AZURE_CLIENT_ID": identityID, "WORKSPACE_APP_ID": app, "AZURE_AUTHORITY_HOST": signIn.URL + "/",
		"IDENTITY_ENDPOINT": platform.URL + "/msi/token", "IDENTITY_HEADER": entra.PlatformHeader, "SSL_CERT_FILE": roots,
	} {
		w.env[setting] = value
	}
	directories["globex"].Remove(registered)
	h := w.start()
	var said strings.Builder
	run := func() map[string]string {
		got := map[string]string{}
		for _, r := range w.fire(h).Runs {
			if r.Stream == events {
				got[r.Connection] = fmt.Sprintf("%s %d", r.State, r.Sent)
			}
			if said.WriteString(r.Error); r.Stream == events && r.State == pipeline.Failed && !strings.Contains(r.Error, "az ad sp create --id "+app) {
				t.Errorf("%s: %s", r.Connection, r.Error)
			}
		}
		return got
	}
	if got := run(); got["acme"] != fmt.Sprintf("drained %d", n) || got["globex"] != "failed 0" {
		t.Errorf("without consent: %v", got)
	}
	directories["globex"].Consent(registered)
	if got := run(); got["acme"] != "drained 0" || got["globex"] != fmt.Sprintf("drained %d", n) {
		t.Errorf("with consent: %v", got)
	}
	for name, ws := range workspaces {
		for _, table := range ws.Tables() {
			for _, row := range table.Rows() {
				if org, _, _ := strings.Cut(row["org_s"], "."); org != name+"-org" {
					t.Fatalf("the workspace of %s has a row of %q in %s", name, org, row["Type"])
				}
			}
		}
		if got := ws.Table(events).Count(); got != n {
			t.Errorf("the workspace of %s has %d events", name, got)
		}
	}
	h.Close()
	for _, text := range append(append(h.Stdout(), h.Stderr()...), said.String()) {
		if strings.Contains(text, "eyJ") {
			t.Errorf("a token is shown: %s", text)
		}
	}
}
