package logsingestion

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

var (
	// The host of a rule's own endpoint or of a data collection endpoint.
	publicHost = regexp.MustCompile(`(?i)^([\w-]+\.)+ingest\.monitor\.azure\.(com|us|cn)$`)
	ruleID     = regexp.MustCompile(`^dcr-[0-9a-f]{32}$`)
)

const (
	endpointForm = "LOGS_INGESTION_ENDPOINT must be like https://NAME.REGION-1.ingest.monitor.azure.com, or .us or .cn at its end"
	ruleForm     = "DCR_IMMUTABLE_ID must be \"dcr-\" and 32 hexadecimal digits: it is immutableId in the JSON view of the data collection rule, not its name"
)

// ParseEndpoint reads LOGS_INGESTION_ENDPOINT. Plain http is for this machine only.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case text == "":
		return nil, errors.New("LOGS_INGESTION_ENDPOINT is not set: it is the logs ingestion URI of the data collection rule")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "":
		return nil, errors.New(endpointForm + ", with nothing before or after the host")
	case loopback(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
	case u.Scheme != "https":
		return nil, errors.New(endpointForm + "; plain http is for this machine only")
	case !publicHost.MatchString(u.Host):
		return nil, errors.New(endpointForm)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// CheckRuleID reads DCR_IMMUTABLE_ID.
func CheckRuleID(text string) error {
	switch {
	case text == "":
		return errors.New("DCR_IMMUTABLE_ID is not set: it is immutableId in the JSON view of the data collection rule")
	case !ruleID.MatchString(text):
		return errors.New(ruleForm)
	}
	return nil
}

// Cloud returns the cloud that an endpoint is in, which a credential must know,
// too. This machine counts as the public one.
func Cloud(endpoint *url.URL) cloud.Configuration {
	switch {
	case strings.HasSuffix(strings.ToLower(endpoint.Hostname()), ".azure.us"):
		return cloud.AzureGovernment
	case strings.HasSuffix(strings.ToLower(endpoint.Hostname()), ".azure.cn"):
		return cloud.AzureChina
	}
	return cloud.AzurePublic
}

// audience is the resource that tokens are for.
func audience(endpoint *url.URL) string {
	switch Cloud(endpoint).ActiveDirectoryAuthorityHost {
	case cloud.AzureGovernment.ActiveDirectoryAuthorityHost:
		return "https://monitor.azure.us"
	case cloud.AzureChina.ActiveDirectoryAuthorityHost:
		return "https://monitor.azure.cn"
	}
	return "https://monitor.azure.com"
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
