package config

import (
	"net/url"
	"strings"
)

// ReadBack is where the workspace can be asked what has arrived.
type ReadBack struct {
	// WorkspaceID is "" if CUSTOMER_ID is not set: then nobody can be asked.
	WorkspaceID string
	// URL is the query endpoint, without the version.
	URL *url.URL
	// Audience is for what a token is asked: the endpoint of the cloud, also where
	// URL is another one.
	Audience string
	// ClientID selects a user-assigned identity; "" means the system-assigned one.
	ClientID string
}

// readBack finds the cloud by the addresses that records are sent to.
func (v *validator) readBack(s *Settings) {
	r := ReadBack{WorkspaceID: v.raw.CustomerID, ClientID: v.raw.AzureClientID, Audience: "https://api.loganalytics.io"}
	for _, text := range []string{v.raw.LogAnalyticsURI, v.raw.LogsEndpoint} {
		host := ""
		if u, err := url.Parse(text); err == nil {
			host = strings.ToLower(u.Hostname())
		}
		switch {
		case strings.HasSuffix(host, ".azure.us"):
			r.Audience = "https://api.loganalytics.us"
		case strings.HasSuffix(host, ".azure.cn"):
			r.Audience = "https://api.loganalytics.azure.cn"
		}
	}
	switch u := s.DataCollector.URL; {
	case v.raw.QueryURL != "":
		r.URL = v.address("LOG_ANALYTICS_QUERY_URL", strings.TrimSuffix(strings.TrimRight(v.raw.QueryURL, "/"), "/v1"))
	case u != nil && loopback(u.Hostname()):
		r.URL = u // a stand-in is both
	case s.LogsIngestion.Endpoint != nil && loopback(s.LogsIngestion.Endpoint.Hostname()):
		r.URL = s.LogsIngestion.Endpoint
	default:
		r.URL, _ = url.Parse(r.Audience) // a constant
	}
	s.ReadBack = r
}
