package config

import (
	"net/url"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

// ReadBack says where to query what has arrived in the workspace.
type ReadBack struct {
	// WorkspaceID is "" if CUSTOMER_ID is not set: then queries are impossible.
	WorkspaceID string
	// URL is the query endpoint, without the version.
	URL *url.URL
	// Audience is the audience of tokens: the endpoint of the cloud, even if URL is a
	// different one.
	Audience string
	// Daily is what runs do with it.
	Daily DailyReadBack
	// Identity is who queries.
	Identity entra.Identity
}

// DailyReadBack is the choice in READ_BACK: what runs do once a day about missing events.
type DailyReadBack string

// The choices of READ_BACK.
const (
	NoReadBack     DailyReadBack = "off"
	ReportReadBack DailyReadBack = "report"
	RepairReadBack DailyReadBack = "repair"
)

// daily reads READ_BACK.
func (v *sinkReader) daily(s Sink) DailyReadBack {
	const setting = "READ_BACK"
	choice := DailyReadBack(strings.ToLower(v.text.ReadBack))
	switch choice {
	case NoReadBack:
	case ReportReadBack, RepairReadBack:
		if s.IngestionAPI == UseNDJSON {
			v.Problem(setting, "queries a workspace, but INGESTION_API is NDJSON: use off")
		} else if v.text.CustomerID == "" && !v.Reported("CUSTOMER_ID") {
			v.Problem(setting, "needs CUSTOMER_ID, the ID of the workspace to query")
		}
	default:
		if !v.Reported(setting) {
			v.Problemf(setting, "is %s: use off, report or repair", shown(v.text.ReadBack))
		}
	}
	return choice
}

// readBack determines the cloud from the addresses that records are sent to.
func (v *sinkReader) readBack(s Sink) ReadBack {
	r := ReadBack{WorkspaceID: v.text.CustomerID, Identity: v.identity(), Audience: "https://api.loganalytics.io"}
	for _, text := range []string{v.text.LogAnalyticsURI, v.text.LogsEndpoint} {
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
	case v.text.QueryURL != "":
		r.URL = v.Address("LOG_ANALYTICS_QUERY_URL", strings.TrimSuffix(strings.TrimRight(v.text.QueryURL, "/"), "/v1"))
	case u != nil && address.Loopback(u.Hostname()):
		r.URL = u // a stand-in serves both
	case s.LogsIngestion.Endpoint != nil && address.Loopback(s.LogsIngestion.Endpoint.Hostname()):
		r.URL = s.LogsIngestion.Endpoint
	default:
		r.URL, _ = url.Parse(r.Audience) // can't fail: a constant
	}
	r.Daily = v.daily(s)
	return r
}
