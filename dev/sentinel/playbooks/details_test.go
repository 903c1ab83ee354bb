package playbooks_test

import (
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// TestNamedAccessIsThatOfTheAccount: what SailPoint-RevokeAccess takes as named belongs to an account of
// the alert that received it, not only to who granted it to others.
func TestNamedAccessIsThatOfTheAccount(t *testing.T) {
	rules, err := content.Rules(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, r := range rules {
		for _, name := range []string{"Access", "AccessItem", "AccessItems"} {
			if _, ok := r.CustomDetails[name]; !ok {
				continue
			}
			found++
			if !strings.Contains(r.Query, "tostring(split(TargetName, '@')[0])") {
				t.Errorf("%s: the detail %s is of others than the account of the alert", r.File, name)
			}
		}
	}
	if found == 0 {
		t.Error("no rule names access")
	}
}
