package sdks

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

const (
	stream   = "Custom-SailPointIDN_Events"
	table    = "SailPointIDN_Events"
	tenantID = "11111111-2222-4333-8444-555555555555"
	clientID = "22222222-3333-4444-8555-666666666666"
	scope    = "https://monitor.azure.com/.default"
)

// script runs a program of this folder in Node, and fails with what it says.
func script(t *testing.T, name string, env ...string) {
	t.Helper()
	if err := nodetools.InstallIn(t.Context(), ".", "sailpoint-api-client", "@azure/monitor-ingestion"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", name)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// SailPoint's own client: token, search, count, paging, one document, invocations.
func TestSailPoint(t *testing.T) {
	begin := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	tn := &tenant.Tenant{
		ClientID: clientID, ClientSecret: "s3cret+/&=",
		Backlog: synth.New(synth.Options{Seed: 1, Plain: true, Start: begin, Rate: 1, Ties: 30, TieEvery: 500}), BacklogSize: 3000,
	}
	for i := range 300 {
		tn.AddInvocation(synth.New(synth.Options{Seed: 2, Start: time.Now().Add(-time.Hour)}).Invocation(i))
	}
	server := httptest.NewServer(tn)
	defer server.Close()
	script(t, "sailpoint.mjs", "BASE="+server.URL, "CLIENT_ID="+tn.ClientID, "CLIENT_SECRET="+tn.ClientSecret,
		fmt.Sprint("EVENTS=", tn.BacklogSize), "BEGIN="+begin.Format("2006-01-02T15:04:05.000Z"))
	if v, u := tn.Violations(), tn.Unknown(); len(v)+len(u) != 0 {
		t.Errorf("violations %q, unknown %q", v, u)
	}
	t.Logf("requests: %v", tn.Requests())
}

// azure is a workspace with a rule, and the services that sign in for it, over https.
func azure(t *testing.T) (w *workspace.Workspace, logs, authority *httptest.Server) {
	t.Helper()
	w = &workspace.Workspace{Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()}}
	logs = httptest.NewTLSServer(w)
	t.Cleanup(logs.Close)
	authority = httptest.NewTLSServer(&workspace.Authority{TenantID: tenantID, ClientID: clientID, ClientSecret: "s3cret"})
	t.Cleanup(authority.Close)
	return w, logs, authority
}

// Microsoft's client for Go, signing in with a secret and with a managed identity.
func TestAzlogs(t *testing.T) {
	for name, sign := range map[string]func(t *testing.T, authority *httptest.Server) (azcore.TokenCredential, error){
		"secret": func(t *testing.T, authority *httptest.Server) (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenantID, clientID, "s3cret", secretOptions(authority))
		},
		"managed_identity": managedIdentity,
	} {
		t.Run(name, func(t *testing.T) {
			w, logs, authority := azure(t)
			credential, err := sign(t, authority)
			if err != nil {
				t.Fatal(err)
			}
			client, err := azlogs.NewClient(logs.URL, credential, &azlogs.ClientOptions{ClientOptions: policy.ClientOptions{Transport: logs.Client()}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Upload(t.Context(), workspace.DefaultRule, stream, []byte(`[{"id":"a","created":"2026-09-01T10:00:00Z"},{"id":"b"}]`), nil); err != nil {
				t.Fatal(err)
			}
			if n := w.Table(table).Count(); n != 2 {
				t.Errorf("%d rows arrived, want 2", n)
			}
			_, err = client.Upload(t.Context(), "dcr-0000000000000000000000000000dead", stream, []byte(`[{"id":"a"}]`), nil)
			if failed := (*azcore.ResponseError)(nil); !errors.As(err, &failed) || failed.StatusCode != http.StatusNotFound {
				t.Errorf("another rule: %v, want 404", err)
			}
			t.Logf("azlogs with azidentity (%s): 2 of 2 rows arrived; another rule is refused with 404", name)
		})
	}
}

func secretOptions(authority *httptest.Server) *azidentity.ClientSecretCredentialOptions {
	return &azidentity.ClientSecretCredentialOptions{
		ClientOptions:            policy.ClientOptions{Transport: authority.Client(), Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: authority.URL + "/"}},
		DisableInstanceDiscovery: true,
	}
}

func managedIdentity(t *testing.T, _ *httptest.Server) (azcore.TokenCredential, error) {
	t.Helper()
	server := httptest.NewServer(workspace.Identity())
	t.Cleanup(server.Close)
	t.Setenv("IDENTITY_ENDPOINT", server.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", workspace.IdentityHeader)
	return azidentity.NewManagedIdentityCredential(nil)
}

// A secret that is not the app's is refused as Entra ID refuses it.
func TestWrongSecret(t *testing.T) {
	_, _, authority := azure(t)
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, "no", secretOptions(authority))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}}); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Fatalf("got %v, want AADSTS7000215", err)
	}
	t.Log("azidentity: a wrong secret is refused with AADSTS7000215")
}

// Microsoft's client for JavaScript, which wants a certificate that Node trusts.
func TestMonitorIngestion(t *testing.T) {
	w, logs, authority := azure(t)
	credential, err := azidentity.NewClientSecretCredential(tenantID, clientID, "s3cret", secretOptions(authority))
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: logs.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const rows = 5000 // several requests
	script(t, "monitor-ingestion.mjs", "ENDPOINT="+logs.URL, "TOKEN="+token.Token, "RULE="+workspace.DefaultRule, "STREAM="+stream,
		fmt.Sprint("ROWS=", rows), "NODE_EXTRA_CA_CERTS="+roots)
	if got := w.Table(table); got.Count() != rows || len(got.IDs()) != rows || w.Stats().Batches < 2 {
		t.Errorf("%d rows of %d ids in %d batches arrived, want %d in several", got.Count(), len(got.IDs()), w.Stats().Batches, rows)
	}
}
