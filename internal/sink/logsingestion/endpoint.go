package logsingestion

import (
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// Cloud returns the cloud that an endpoint is in, which a credential must know
// too. An endpoint on this machine counts as the public cloud.
func Cloud(endpoint *url.URL) cloud.Configuration {
	switch {
	case strings.HasSuffix(strings.ToLower(endpoint.Hostname()), ".azure.us"):
		return cloud.AzureGovernment
	case strings.HasSuffix(strings.ToLower(endpoint.Hostname()), ".azure.cn"):
		return cloud.AzureChina
	}
	return cloud.AzurePublic
}

// audience is the resource that tokens are issued for.
func audience(endpoint *url.URL) string {
	switch Cloud(endpoint).ActiveDirectoryAuthorityHost {
	case cloud.AzureGovernment.ActiveDirectoryAuthorityHost:
		return "https://monitor.azure.us"
	case cloud.AzureChina.ActiveDirectoryAuthorityHost:
		return "https://monitor.azure.cn"
	}
	return "https://monitor.azure.com"
}
