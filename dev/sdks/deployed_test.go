package sdks

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appservice/armappservice/v5"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	standin "github.com/idn-sentinel/idn-sentinel/dev/sandbox/arm"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// Microsoft's clients of App Service and Resource Graph: an app is found, read, and its settings
// replaced. References are left out: the client expects an object where the service sends the kind
// of the identity as text.
func TestResourceManager(t *testing.T) {
	a := &standin.ARM{}
	site := a.Add(standin.Site{
		Name: "func-acme", Group: "rg-acme", Subscription: standin.Subscription,
		Settings: map[string]string{"TENANT_ID": "acme"}, Functions: map[string]bool{"function": false, "work": true},
	})
	server := httptest.NewTLSServer(a)
	defer server.Close()
	public := cloud.AzurePublic.Services[cloud.ResourceManager]
	o := &arm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: server.Client(), Cloud: cloud.Configuration{
		ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Audience: public.Audience, Endpoint: server.URL}},
	}}}

	graph, err := armresourcegraph.NewClient(workspace.Credential{}, o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := graph.Resources(t.Context(), armresourcegraph.QueryRequest{Query: to.Ptr("resources | where type =~ 'microsoft.web/sites' and name =~ 'FUNC-acme'")}, nil)
	if err != nil || *found.Count != 1 {
		t.Fatalf("%+v, %v", found, err)
	}

	apps, err := armappservice.NewWebAppsClient(standin.Subscription, workspace.Credential{}, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := apps.Get(t.Context(), "RG-acme", "func-acme", nil)
	if err != nil || *got.Properties.State != "Running" || *got.Kind != "functionapp,linux" || *got.Properties.DefaultHostName != "func-acme.azurewebsites.net" {
		t.Fatalf("%+v, %v", got, err)
	}
	settings, err := apps.ListApplicationSettings(t.Context(), "rg-acme", "func-acme", nil)
	if err != nil || *settings.Properties["TENANT_ID"] != "acme" {
		t.Fatalf("%+v, %v", settings, err)
	}
	settings.Properties["LIMIT"] = to.Ptr("50")
	if _, err := apps.UpdateApplicationSettings(t.Context(), "rg-acme", "func-acme", settings.StringDictionary, nil); err != nil || site.Settings["LIMIT"] != "50" || site.Settings["TENANT_ID"] != "acme" {
		t.Fatalf("%v, %v", site.Settings, err)
	}
	functions := map[string]bool{}
	for pager := apps.NewListFunctionsPager("rg-acme", "func-acme", nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Value {
			functions[*f.Name] = *f.Properties.IsDisabled
		}
	}
	if len(functions) != 2 || !functions["func-acme/work"] {
		t.Errorf("%v", functions)
	}
	a.Allow(standin.Reader)
	_, err = apps.ListApplicationSettings(t.Context(), "rg-acme", "func-acme", nil)
	if failed := (*azcore.ResponseError)(nil); !errors.As(err, &failed) || failed.StatusCode != http.StatusForbidden || failed.ErrorCode != "AuthorizationFailed" {
		t.Errorf("a reader: %v, want 403 AuthorizationFailed", err)
	}
	t.Log("armappservice, armresourcegraph: an app is found, read and written; a reader is refused with 403")
}

// Microsoft's client of Key Vault: a secret is stored, and read again.
func TestVault(t *testing.T) {
	v := &vault.Vault{}
	server := httptest.NewTLSServer(v)
	defer server.Close()
	client, err := azsecrets.NewClient(server.URL, workspace.Credential{}, &azsecrets.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: server.Client()}, DisableChallengeResourceVerification: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SetSecret(t.Context(), "client-secret", azsecrets.SetSecretParameters{Value: to.Ptr("s3cret")}, nil); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetSecret(t.Context(), "client-secret", "", nil)
	if err != nil || *got.Value != "s3cret" || got.ID.Version() == "" {
		t.Errorf("%+v, %v", got, err)
	}
	t.Log("azsecrets: a secret is stored and read")
}
