package sentinel_test

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// TestSummaryRule: the query is executed on a day, and what it leaves answers who was active.
// Such a rule may not call saved functions, so it reads a table.
func TestSummaryRule(t *testing.T) {
	text, err := os.ReadFile(kqltest.Root(t, "sentinel", "Summary Rules", "SailPointDailyActivity.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources []struct {
			Type       string
			Properties struct {
				RuleType       string
				RuleDefinition struct {
					Query            string
					BinSize          int
					DestinationTable string
				}
			}
		}
	}
	if err := json.Unmarshal(text, &template, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	rule := template.Resources[0].Properties
	if rule.RuleType != "User" || rule.RuleDefinition.BinSize != 1440 || !strings.HasSuffix(rule.RuleDefinition.DestinationTable, "_CL") {
		t.Errorf("%+v", rule)
	}
	s := kqltest.NewScene(t, now, "events-isc")
	s.ISC(
		kqltest.Doc{"id": "1", "created": "2026-09-01T10:00:00Z", "type": "AUTH", "action": "AUTHENTICATION-100", "org": "acme", "actor": kqltest.Doc{"name": "Ann"}, "ipAddress": "203.0.113.7"},
		kqltest.Doc{"id": "2", "created": "2026-09-01T11:00:00Z", "type": "AUTH", "action": "AUTHENTICATION-100", "org": "acme", "actor": kqltest.Doc{"name": "ann"}, "ipAddress": "203.0.113.8"},
		kqltest.Doc{"id": "3", "created": "2026-09-01T12:00:00Z", "type": "AUTH", "action": "AUTHENTICATION-100", "org": "acme"},
	)
	got := s.Run(t, rule.RuleDefinition.Query).Pick("Org", "Actor", "Action", "Events", "Addresses", "LastSeen")
	want := []kqltest.Row{{"Org": "acme", "Actor": "ann", "Action": "AUTHENTICATION-100", "Events": 2.0, "Addresses": 2.0, "LastSeen": "2026-09-01T11:00:00Z"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
