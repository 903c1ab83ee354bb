package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readBack is what TestReadBack compares.
type readBack struct{ Workspace, URL, Audience, ID string }

func TestReadBack(t *testing.T) {
	type env = map[string]string
	const public = "https://api.loganalytics.io"
	for _, tc := range []struct {
		name string
		env  env
		want readBack
	}{
		{"public cloud", env{}, readBack{workspace, public, public, ""}},
		{
			"US Government, user-assigned identity",
			env{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.us", "AZURE_CLIENT_ID": identity},
			readBack{workspace, "https://api.loganalytics.us", "https://api.loganalytics.us", identity},
		},
		{
			"China",
			env{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.cn/"},
			readBack{workspace, "https://api.loganalytics.azure.cn", "https://api.loganalytics.azure.cn", ""},
		},
		{
			"another endpoint keeps the audience of the cloud",
			env{"LOG_ANALYTICS_QUERY_URL": "https://api.monitor.example/v1/"},
			readBack{workspace, "https://api.monitor.example", public, ""},
		},
		{
			"a stand-in answers questions, too",
			env{"logAnalyticsUri": "http://127.0.0.1:8081"},
			readBack{workspace, "http://127.0.0.1:8081", public, ""},
		},
		{
			"without a workspace",
			env{"INGESTION_API": "NDJSON", "CUSTOMER_ID": "-", "SHARED_KEY": "-"},
			readBack{"", public, public, ""},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(with(tc.env))
			if err != nil {
				t.Fatal(err)
			}
			got := readBack{s.ReadBack.WorkspaceID, s.ReadBack.URL.String(), s.ReadBack.Audience, s.ReadBack.Identity.Managed}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
