package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// Each value has its origin; no secret is shown, wherever it was pasted within an address.
func TestEffective(t *testing.T) {
	const canary = "canary-secret-5c1d"
	flag := config.Values("--state", map[string]string{"STATE_URL": "file:///flag"})
	flag.Overrides = true
	environment := config.Values("the environment", map[string]string{
		"CONNECTIONS": "acme,globex", "ACME_LIMIT": "50", "CLIENT_SECRET": canary, "GLOBEX_CLIENT_SECRET": "https://v.vault.azure.net/secrets/globex/",
		"LOG_LEVEL": " debug ", "STATE_URL": "file:///environment",
	})
	file := config.Values("local.settings.json", map[string]string{
		"LIMIT": "70", "LOG_LEVEL": "warn",
		"ACME_SAILPOINT_BASE_URL":     "https://user:" + canary + "@acme.example/?sig=" + canary + "#" + canary,
		"AZURE_STORAGE_BLOB_ENDPOINT": "https://a.blob.core.windows.net/?sv=1&sig=" + canary,
	})
	got := map[string]string{}
	for _, v := range config.Effective(app.SettingKinds(), flag, environment, file) {
		got[strings.TrimPrefix(v.Connection+"/"+v.Name, "/")] = fmt.Sprintf("%s|%s|%s", v.Text, v.Found, v.Origin)
	}
	if all := fmt.Sprint(got); strings.Contains(all, canary) {
		t.Errorf("a secret is shown: %s", all)
	}
	want := map[string]string{
		"STATE_URL":                   "file:///flag|STATE_URL|--state",
		"LOG_LEVEL":                   "debug|LOG_LEVEL|the environment",
		"POLL_SCHEDULE":               "0 * * * * *||",
		"AZURE_STORAGE_BLOB_ENDPOINT": "https://a.blob.core.windows.net/?…|AZURE_STORAGE_BLOB_ENDPOINT|local.settings.json",
		"acme/LIMIT":                  "50|ACME_LIMIT|the environment",
		"globex/LIMIT":                "70|LIMIT|local.settings.json",
		"acme/CLIENT_SECRET":          "|CLIENT_SECRET|the environment",
		"globex/CLIENT_SECRET":        "secret globex of the vault https://v.vault.azure.net|GLOBEX_CLIENT_SECRET|the environment",
		"acme/SAILPOINT_BASE_URL":     "https://…@acme.example/?…|ACME_SAILPOINT_BASE_URL|local.settings.json",
		"globex/SETTLE_DELAY":         "60s||",
	}
	for name := range want {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, there := got["globex/NDJSON_PATH"]; !there {
		t.Error("a setting whose default is in words is missing")
	}
	if _, there := got["acme/CUSTOMER_ID"]; there {
		t.Error("a setting with neither value nor default is listed")
	}
}
