package okta_test

import (
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*okta.Org)
		log    check.Verdict
		says   string
	}{
		"well":     {func(*okta.Org) {}, check.Passed, "120 requests a minute"},
		"small":    {func(o *okta.Org) { o.RateLimit = 20 }, check.Passed, "10,000 events"},
		"shared":   {func(o *okta.Org) { o.Others = 100 }, check.Passed, "other clients"},
		"silent":   {func(o *okta.Org) { o.OmitRateLimit = true }, check.Passed, "does not state"},
		"token":    {func(o *okta.Org) { o.APIToken = "another" }, check.Failed, "OKTA_API_TOKEN"},
		"role":     {func(o *okta.Org) { o.NoRole = true }, check.Failed, "Read-only Administrator"},
		"clock":    {func(o *okta.Org) { o.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) } }, check.Failed, "clock is 10m0s off"},
		"web page": {func(o *okta.Org) { o.Page = []byte("<html><title>Sign In</title></html>") }, check.Failed, "OKTA_ORG_URL"},
		"no links": {func(o *okta.Org) { o.NoLinks = true }, check.Failed, "Link"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := newOrg()
				fill(o, 10)
				test.change(o)
				var found []check.Finding
				source.Connect(config(o)).Check(t.Context(), func(f check.Finding) { found = append(found, f) })
				if len(found) != 2 || found[0].State != test.log || found[1].State == check.Failed {
					t.Fatalf("%+v", found)
				}
				all := found[0].Detail + " " + found[1].Detail
				if !strings.Contains(all, test.says) || strings.Contains(all, apiToken) {
					t.Errorf("it says %q, want %q", all, test.says)
				}
			})
		})
	}
}
