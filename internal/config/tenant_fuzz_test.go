package config_test

import (
	"regexp"
	"strings"
	"testing"
)

// tenantKeys are what every kind of store takes as one element of a key, whatever it folds or drops.
var tenantKeys = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Whatever is taken for a tenant has a key that every store takes, and every spelling of the
// same address has the same.
func FuzzTenantKey(f *testing.F) {
	for _, text := range []string{
		"acme", "ACME", "https://acme.identitynow.com/ui/d/mysailpoint", "acme.api.identitynow.com", "acme.api.identitynow-demo.com",
		"https://acme.api.identitynow.com", "http://[::1]:8080", "http://127.0.0.1:8080/a", "https://proxy.example:8443/idn/", "https://-.-", "..", "a/../b", "acme.", "A%2fB", "ácme",
	} {
		f.Add(text, "")
		f.Add("", text)
		f.Add("acme", text)
	}
	f.Fuzz(func(t *testing.T, tenant, base string) {
		if strings.ContainsRune(tenant+base, 0) {
			t.Skip("no environment holds it")
		}
		s, err := load(with(map[string]string{"TENANT_ID": tenant, "SAILPOINT_BASE_URL": base}))
		if err != nil {
			return
		}
		if !tenantKeys.MatchString(s.Tenant) {
			t.Errorf("TENANT_ID %q and SAILPOINT_BASE_URL %q: the key %q", tenant, base, s.Tenant)
		}
		if tenant != "" {
			return
		}
		if again, err := load(with(map[string]string{"TENANT_ID": "-", "SAILPOINT_BASE_URL": s.BaseURL.String()})); err != nil || again.Tenant != s.Tenant {
			t.Errorf("%q leads to %q, and %q to %q: %v", base, s.Tenant, s.BaseURL, again.Tenant, err)
		}
	})
}
