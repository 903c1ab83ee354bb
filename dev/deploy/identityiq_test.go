package deploy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// IdentityIQ is read beside the tenant, or beside the first of several; its secret stays in the
// vault, and its tables are made, and in the rule, only then.
func TestIdentityIQ(t *testing.T) {
	const secret = canaryClient + "-iiq"
	for _, several := range []bool{false, true} {
		given := map[string]any{"iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "sentinel", "iiqClientSecret": secret, "ingestionApi": "LogsIngestion"}
		if several {
			given["moreTenants"], given["moreTenantSecrets"] = moreTenants, moreSecrets
		}
		d := deployed(t, "", given)
		s, err := load(resolved(t, d))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i, c := range s.Connections {
			for _, one := range c.Sources {
				own, ok := one.(*config.IdentityIQ)
				if !ok {
					continue
				}
				n++
				if reveal(own.ClientSecret.Text()) != secret || own.ClientID != "sentinel" || own.BaseURL.String() != "https://iiq.acme.example/identityiq" || i > 0 {
					t.Errorf("connection %s: client %s at %s, or another secret", c.Name, own.ClientID, own.BaseURL)
				}
				if diff := cmp.Diff([]string{"audit", "tasks", "violations", "alerts"}, own.Streams); diff != "" {
					t.Errorf("streams (-want +got):\n%s", diff)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d connections read IdentityIQ", n)
		}
		for name, value := range appSettings(t, d) {
			if strings.Contains(value, secret) {
				t.Errorf("the secret is in the setting %s", name)
			}
		}
	}
	count := func(given map[string]any) (tables, streams int) {
		d := deployed(t, "", given)
		for _, r := range ofType(d, "Microsoft.OperationalInsights/workspaces/tables") {
			if strings.Contains(r.Name, "SailPointIIQ_") {
				tables++
			}
		}
		for name := range dig(only(t, d, "Microsoft.Insights/dataCollectionRules").Body["properties"], "streamDeclarations").(map[string]any) {
			if strings.HasPrefix(name, "Custom-SailPointIIQ_") {
				streams++
			}
		}
		return tables, streams
	}
	if tables, streams := count(map[string]any{"ingestionApi": "LogsIngestion"}); tables+streams > 0 {
		t.Errorf("%d tables and %d streams of IdentityIQ without it", tables, streams)
	}
	if tables, streams := count(map[string]any{"iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "sentinel", "iiqClientSecret": secret, "ingestionApi": "LogsIngestion", "alsoIscTable": true}); tables != 5 || streams != 5 {
		t.Errorf("%d tables and %d streams of IdentityIQ, want 5 each", tables, streams)
	}
	for says, given := range map[string]map[string]any{
		"iiqClientId":    {"iiqUrl": "https://iiq.acme.example/identityiq"},
		"10 data flows":  {"iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "sentinel", "ingestionApi": "LogsIngestion", "alsoAsimTables": true},
		"alsoAsimTables": {"iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "sentinel", "ingestionApi": "LogsIngestion", "alsoAsimTables": true},
		"alsoIscTable":   {"iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "sentinel", "ingestionApi": "LogsIngestion", "alsoIscTable": true, "oktaOrgUrl": "https://acme.okta.com", "oktaApiToken": "0123456789"},
	} {
		if _, err := read(t).Resolve(deploy.Surroundings{}, needed(given)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
