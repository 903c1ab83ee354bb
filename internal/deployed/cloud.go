package deployed

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	_ "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime" // fills in where the clouds' resource managers are
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// Cloud is where an app runs.
type Cloud struct {
	sdk cloud.Configuration
}

// Identity is what a credential for this cloud must know.
func (c Cloud) Identity() cloud.Configuration { return c.sdk }

// ParseCloud returns a cloud by its name here or in the Azure CLI, or, for any other one, by the
// address of its resource manager, which is asked for the rest. Without a text it is the cloud of
// AZURE_AUTHORITY_HOST, or the public one.
func ParseCloud(ctx context.Context, text string, client *http.Client) (Cloud, error) {
	if text == "" {
		switch host := hostName(os.Getenv("AZURE_AUTHORITY_HOST")); {
		case strings.HasSuffix(host, ".us"):
			text = "usgovernment"
		case strings.HasSuffix(host, ".cn"):
			text = "china"
		default:
			text = "public"
		}
	}
	switch strings.ToLower(text) {
	case "public", "azurecloud":
		return Cloud{cloud.AzurePublic}, nil
	case "usgovernment", "azureusgovernment":
		return Cloud{cloud.AzureGovernment}, nil
	case "china", "azurechinacloud":
		return Cloud{cloud.AzureChina}, nil
	}
	if !strings.Contains(text, "://") {
		return Cloud{}, &Error{Text: fmt.Sprintf("there is no cloud %q: use public, usgovernment or china, or the address of the cloud's resource manager", text), Usage: true}
	}
	u, err := address.Parse(text)
	if err != nil {
		return Cloud{}, &Error{Text: "the address of --cloud " + err.Error(), Usage: true}
	}
	return askCloud(ctx, u, client)
}

// metadata is what a resource manager says about its cloud.
// https://learn.microsoft.com/azure-stack/user/azure-stack-version-profiles-python
type metadata struct {
	Authentication struct {
		LoginEndpoint string   `json:"loginEndpoint"`
		Audiences     []string `json:"audiences"`
	} `json:"authentication"`
}

// askCloud asks a resource manager about its cloud, which takes no sign-in.
func askCloud(ctx context.Context, at *url.URL, client *http.Client) (Cloud, error) {
	endpoint := strings.TrimRight(at.String(), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/metadata/endpoints?api-version=2022-09-01", http.NoBody)
	if err != nil {
		return Cloud{}, &Error{Text: "the address of --cloud can't be used", Usage: true}
	}
	resp, err := client.Do(req) //nolint:bodyclose // ReadAll closes it
	if err != nil {
		return Cloud{}, &Error{Text: transport.Explain(err, transport.Peer{Host: at.Host, Settings: "--cloud"}).Error()}
	}
	var m metadata
	text, err := transport.ReadAll(resp, maxMetadata)
	if resp.StatusCode != http.StatusOK || err != nil || json.Unmarshal(text, &m) != nil || m.Authentication.LoginEndpoint == "" || len(m.Authentication.Audiences) == 0 {
		return Cloud{}, &Error{Text: fmt.Sprintf("%s does not describe a cloud (status %d): --cloud must be the address of a resource manager, such as https://management.azure.com", at.Host, resp.StatusCode)}
	}
	audience := m.Authentication.Audiences[0]
	if !address.Loopback(at.Hostname()) && ofKnownCloud(audience) && !ofKnownCloud(endpoint) {
		return Cloud{}, &Error{Text: at.Host + " asks for tokens of another cloud's resource manager, which it must not get: check the address of --cloud", Usage: true}
	}
	return Cloud{cloud.Configuration{
		ActiveDirectoryAuthorityHost: m.Authentication.LoginEndpoint,
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: endpoint, Audience: audience}},
	}}, nil
}

// ofKnownCloud reports whether an address or an audience belongs to a resource manager of
// Azure's own clouds.
func ofKnownCloud(text string) bool {
	name := hostName(text)
	for _, suffix := range []string{"azure.com", "windows.net", "usgovcloudapi.net", "chinacloudapi.cn"} {
		if strings.HasSuffix(name, "."+suffix) {
			return true
		}
	}
	return false
}

// maxMetadata is more than a description of a cloud needs.
const maxMetadata = 256 << 10

// hostOf returns the host of an address, with its port.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// hostName returns the host of an address, in lower case and without its port.
func hostName(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}
