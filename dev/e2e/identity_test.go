package e2e_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	storageAudience = "https://storage.azure.com"
	monitorAudience = "https://monitor.azure.com"
	identityID      = "33333333-3333-3333-3333-333333333333"
)

// managedIdentity is the endpoint of an identity that may have a role on the
// storage account, or none. It notes who was asked for, and for what.
type managedIdentity struct {
	noRole bool

	mu    sync.Mutex
	asked []string
}

func (m *managedIdentity) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	resource := strings.TrimRight(r.URL.Query().Get("resource"), "/")
	m.mu.Lock()
	m.asked = append(m.asked, resource+" "+r.URL.Query().Get("client_id"))
	m.mu.Unlock()
	if resource != storageAudience {
		workspace.Identity().ServeHTTP(rw, r)
		return
	}
	c := azurite.Credential{}
	if m.noRole {
		c.Audience = "https://elsewhere.example" // the emulator knows no roles, and answers 403 to this
	}
	token, err := c.GetToken(r.Context(), policy.TokenRequestOptions{})
	if err != nil || r.Header.Get("X-IDENTITY-HEADER") != workspace.IdentityHeader {
		http.Error(rw, "{}", http.StatusBadRequest)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"access_token":%q,"expires_on":%q,"resource":%q,"token_type":"Bearer"}`, token.Token, strconv.FormatInt(token.ExpiresOn.Unix(), 10), resource)
}

// certificateOf writes the certificate of an emulator into a file.
func certificateOf(t *testing.T, s *azurite.Server) string {
	t.Helper()
	u, err := url.Parse(s.ServiceURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: s.Roots}}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	path := filepath.Join(t.TempDir(), "roots.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// As the template sets it up: no key anywhere, one user-assigned identity opens
// the storage account, over https, and the rule. Without its role on the account the run says
// which one is missing, and nothing moves.
func TestManagedIdentity(t *testing.T) {
	w := newWorld(t, 2000, time.Hour, synth.Options{Seed: 46, Rate: 1})
	w.serveRule()
	account := azurite.StartOAuth(t)
	id := &managedIdentity{noRole: true}
	server := httptest.NewServer(id)
	defer server.Close()
	for name, value := range map[string]string{
		"IDENTITY_ENDPOINT": server.URL + "/msi/token", "AZURE_CLIENT_ID": identityID, "STATE_URL": "azblob://sailpoint-connector",
		"AzureWebJobsStorage__blobServiceUri": account.ServiceURL, "AzureWebJobsStorage__credential": "managedidentity",
		"AzureWebJobsStorage__clientId": identityID,
		"WEBSITE_SITE_NAME":             "app", // as on Azure
		"SSL_CERT_FILE":                 certificateOf(t, account),
	} {
		w.env[name] = value
	}
	h := w.start()
	inv := w.fire(h)
	if rep := report(t, inv, events); inv.Status != http.StatusInternalServerError || rep.State != pipeline.Failed ||
		!strings.Contains(rep.Error, "403") || !strings.Contains(rep.Error, `role "Storage Blob Data Contributor"`) {
		t.Errorf("without the role: %d %+v", inv.Status, rep)
	}
	if n := w.workspace.Table(events).Count() + w.workspace.Table(triggers).Count(); n != 0 { // the health rows come
		t.Errorf("without the role: %d rows arrived", n)
	}
	h.Close() // the library keeps its token
	id.noRole = false
	h = w.start()
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent != 2000 {
		t.Errorf("%+v", rep)
	}
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent != 0 {
		t.Errorf("second run: %+v", rep)
	}
	w.complete(0)
	for _, resource := range []string{storageAudience, monitorAudience} {
		if !slices.Contains(id.asked, resource+" "+identityID) {
			t.Errorf("the identity was not asked for %s: %q", resource, id.asked)
		}
	}
}
