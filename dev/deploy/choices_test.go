package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// Every resource that can have tags gets those that are given, in either form: as they
// are, or as the form of the portal hands them over. Without any, none are sent, because
// an empty list would remove what somebody set by hand.
func TestTags(t *testing.T) {
	without := []string{ // these have none
		"Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/blobServices/containers", "Microsoft.KeyVault/vaults/secrets",
		"Microsoft.Authorization/roleAssignments", "Microsoft.OperationalInsights/workspaces/tables", "Microsoft.Insights/diagnosticSettings",
		"Microsoft.Web/sites/basicPublishingCredentialsPolicies", "Microsoft.Web/sites/extensions", "Microsoft.Resources/deployments",
	}
	tags := map[string]any{"owner": "soc"}
	f, _ := readForm(t)
	if got := handed(t, f.Parameters.Outputs["tags"], map[string]any{"hosting": map[string]any{"tags": nil}}); text(t, got) != "{}" {
		t.Errorf("the form hands over %v where there are no tags", got)
	}
	for _, tc := range []struct {
		name  string
		given map[string]any
		want  any
	}{
		{"none", map[string]any{}, nil},
		{"some", tags, tags},
		{"from the portal", map[string]any{"Microsoft.Web/sites": tags}, tags},
	} {
		tagged := 0
		for _, r := range deployed(t, "", map[string]any{"tags": tc.given, "alertEmail": "soc@example.com"}).Resources {
			if slices.Contains(without, r.Type) {
				continue
			}
			tagged++
			if diff := cmp.Diff(tc.want, r.Body["tags"]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", tc.name, r.Type, diff)
			}
		}
		if tagged < 10 {
			t.Errorf("%d resources with tags", tagged)
		}
	}
}

// Purge protection is a choice, and a deployment without it does not try to take it back.
func TestPurgeProtection(t *testing.T) {
	world := deploy.NewWorld()
	for _, chosen := range []bool{false, true, false} {
		vault := only(t, deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"purgeProtection": chosen}), "Microsoft.KeyVault/vaults")
		if got := dig(vault.Body, "properties", "enablePurgeProtection"); (got == true) != chosen || got == false {
			t.Errorf("chosen %v, sent %v", chosen, got)
		}
	}
}

// Audit logs go to the workspace of the telemetry.
func TestDiagnostics(t *testing.T) {
	const elsewhere = workspace + "2"
	for choice, want := range map[string]int{"none": 0, "vault": 1, "vaultAndStorage": 2} {
		d := deployed(t, "", map[string]any{"diagnostics": choice, "telemetryWorkspaceResourceId": elsewhere, "ingestionApi": "DataCollector"})
		found := ofType(d, "Microsoft.Insights/diagnosticSettings")
		if len(found) != want {
			t.Errorf("%s: %d diagnostic settings, want %d", choice, len(found), want)
		}
		for _, r := range found {
			if dig(r.Body, "properties", "workspaceId") != elsewhere {
				t.Errorf("%s: logs go to %v", choice, dig(r.Body, "properties", "workspaceId"))
			}
		}
	}
}

// What SailPoint presents comes from the vault. A deployment that leaves the secret out
// keeps the one that is there, and never stores an empty one.
func TestEventTriggers(t *testing.T) {
	for _, tc := range []struct {
		choice string
		given  map[string]any
		want   config.EventTriggers
	}{
		{"token", map[string]any{"webhookToken": canaryClient + "-new-token", "webhookTokenPrevious": canaryClient + "-old-token"}, config.EventTriggers{}},
		{"basic", map[string]any{"webhookUsername": "sailpoint", "webhookPassword": canaryClient + "-password"}, config.EventTriggers{Username: "sailpoint"}},
	} {
		tc.given["eventTriggers"] = tc.choice
		world := deploy.NewWorld()
		first := deployedIn(t, deploy.Surroundings{World: world}, tc.given)
		s, err := load(resolved(t, first))
		if err != nil {
			t.Fatal(err)
		}
		got := s.Connections[0].EventTriggers()
		if got == nil || got.Username != tc.want.Username {
			t.Fatalf("%s: the program loads %+v", tc.choice, got)
		}
		for parameter, loaded := range map[string]string{"webhookToken": reveal(got.Token.Text()), "webhookTokenPrevious": reveal(got.TokenPrevious.Text()), "webhookPassword": reveal(got.Password.Text())} {
			if want, _ := tc.given[parameter].(string); loaded != want {
				t.Errorf("%s: %s is not what the program loads", tc.choice, parameter)
			}
		}
		again := deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"eventTriggers": tc.choice, "webhookUsername": tc.want.Username})
		before, after := appSettings(t, first), appSettings(t, again)
		for _, name := range []string{"WEBHOOK_TOKEN", "WEBHOOK_PASSWORD", "WEBHOOK_USERNAME"} {
			if before[name] != after[name] {
				t.Errorf("%s: %s was %q and is %q after a deployment without the secret", tc.choice, name, before[name], after[name])
			}
		}
	}
	for name := range appSettings(t, deployed(t, "", nil)) {
		if strings.HasPrefix(name, "WEBHOOK_") {
			t.Errorf("%s is set although no event triggers are wanted", name)
		}
	}
}

// What SaaS Management presents comes from the vault, too, and stays there.
func TestReportsSecret(t *testing.T) {
	const secret = canaryClient + "-reports"
	world := deploy.NewWorld()
	first := deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"saasReports": "secret", "saasWebhookSecret": secret})
	s, err := load(resolved(t, first))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, source := range s.Connections[0].Sources {
		if own, ok := source.(*config.SaaS); ok {
			got = reveal(own.Secret.Text())
		}
	}
	if got != secret {
		t.Error("the secret is not what the program loads")
	}
	again := deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"saasReports": "secret"})
	if before, after := appSettings(t, first)["SAAS_WEBHOOK_SECRET"], appSettings(t, again)["SAAS_WEBHOOK_SECRET"]; before == "" || before != after {
		t.Errorf("the setting was %q and is %q after a deployment without the secret", before, after)
	}
	if _, set := appSettings(t, deployed(t, "", nil))["SAAS_WEBHOOK_SECRET"]; set {
		t.Error("the setting is there although no reports are wanted")
	}
}

// Instances that are always ready exist on Flex Consumption, and only if they are wanted.
func TestAlwaysReady(t *testing.T) {
	for _, tc := range []struct {
		plan  string
		count float64
		want  any
	}{
		{"FlexConsumption", 0, nil},
		{"FlexConsumption", 2, []any{map[string]any{"name": "http", "instanceCount": 2.0}}},
		{"ElasticPremium", 2, nil},
	} {
		site := only(t, deployed(t, "", map[string]any{"hostingPlan": tc.plan, "alwaysReadyHttp": tc.count}), "Microsoft.Web/sites").Body
		if diff := cmp.Diff(tc.want, dig(site, "properties", "functionAppConfig", "scaleAndConcurrency", "alwaysReady")); diff != "" {
			t.Errorf("%s, %v (-want +got):\n%s", tc.plan, tc.count, diff)
		}
	}
}

// The plan is the first thing that a region can refuse: storage, vault and everything that
// holds data wait for it.
func TestPlanIsMadeFirst(t *testing.T) {
	for late := range 40 {
		world := deploy.NewWorld()
		deployedIn(t, deploy.Surroundings{World: world, Late: late}, nil)
		plan := slices.IndexFunc(world.History, func(id string) bool { return strings.Contains(id, "/serverfarms/") })
		for i, id := range world.History {
			if i < plan && (strings.Contains(id, "/storageAccounts/") || strings.Contains(id, "/vaults/") || strings.Contains(id, "/components/")) {
				t.Errorf("resource %d late: %s is made before the plan", late, id)
			}
		}
	}
}

// Reports are forwarded to the workflow in the parameters, with a secret from the vault that stays there;
// with several tenants it is one of the first.
func TestWorkflowSettings(t *testing.T) {
	world := deploy.NewWorld()
	given := func(secret string) map[string]any {
		return map[string]any{
			"saasReports": "secret", "saasWebhookSecret": canaryClient + "-reports", "tenantId": "acme",
			"workflowUrl": "https://acme.api.identitynow.com/beta/workflows/execute/external/d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d", "workflowClientId": "flow-client", "workflowClientSecret": secret,
		}
	}
	const secret = canaryClient + "-workflow"
	first := deployedIn(t, deploy.Surroundings{World: world}, given(secret))
	s, err := load(resolved(t, first))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range s.Connections[0].Sources {
		own, ok := source.(*config.SaaS)
		if !ok {
			continue
		}
		if w := own.Workflow; w == nil || w.ClientID != "flow-client" || reveal(w.ClientSecret.Text()) != secret || w.URL.Host != "acme.api.identitynow.com" {
			t.Errorf("the program loads %+v", w)
		}
	}
	again := appSettings(t, deployedIn(t, deploy.Surroundings{World: world}, given("")))
	if before, after := appSettings(t, first)["WORKFLOW_CLIENT_SECRET"], again["WORKFLOW_CLIENT_SECRET"]; before == "" || before != after {
		t.Errorf("the setting was %q and is %q after a deployment without the secret", before, after)
	}
	several := given(secret)
	several["connectionName"], several["moreTenants"], several["moreTenantSecrets"] = "acme", moreTenants, moreSecrets
	settings := appSettings(t, deployed(t, "", several))
	if settings["ACME_WORKFLOW_URL"] == "" || settings["WORKFLOW_URL"] != "" {
		t.Errorf("with several tenants the address is %q, and %q for all", settings["ACME_WORKFLOW_URL"], settings["WORKFLOW_URL"])
	}
	if _, err := load(resolved(t, deployed(t, "", several))); err != nil {
		t.Error(err)
	}
	if _, set := appSettings(t, deployed(t, "", map[string]any{"saasReports": "secret", "saasWebhookSecret": canaryClient + "-reports"}))["WORKFLOW_URL"]; set {
		t.Error("the setting is there although nothing is forwarded")
	}
}
