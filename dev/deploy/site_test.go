package deploy_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

// What a site's siteConfig may hold on each plan. A member that Flex Consumption
// does not know is refused with error 51021, in some regions even as null
// (Azure/azure-cli#31414, microsoft/azure-pipelines-tasks#21032; the list of what a
// Flex site must not have: Azure/terraform-azurerm-avm-res-web-site, pull request
// 345, and learn.microsoft.com, "Flex Consumption plan deprecated properties").
func TestSiteConfigOfEachPlan(t *testing.T) {
	const subnet = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
	always := map[string]any{"minTlsVersion": "1.2"}
	classic := map[string]any{"minTlsVersion": "1.2", "ftpsState": "Disabled", "linuxFxVersion": ""}
	with := func(m map[string]any, name string, v any) map[string]any {
		m = maps.Clone(m)
		m[name] = v
		return m
	}
	for _, tc := range []struct {
		name, plan, subnet string
		want               map[string]any // beside appSettings
	}{
		{"flex", "FlexConsumption", "", always},
		{"flex in a network", "FlexConsumption", subnet, always},
		{"elastic premium", "ElasticPremium", "", classic},
		{"elastic premium in a network", "ElasticPremium", subnet, with(classic, "vnetRouteAllEnabled", true)},
		{"dedicated", "Dedicated", "", with(classic, "alwaysOn", true)},
		{"consumption", "Consumption", "", classic},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := deployed(t, "", map[string]any{"hostingPlan": tc.plan, "subnetResourceId": tc.subnet})
			config, _ := dig(only(t, d, "Microsoft.Web/sites").Body, "properties", "siteConfig").(map[string]any)
			got := maps.Clone(config)
			if got["appSettings"] == nil {
				t.Error("no app settings")
			}
			delete(got, "appSettings")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("siteConfig (-want +got):\n%s", diff)
			}
		})
	}
}

// The service has refused publishing policies that name no location (51008,
// Azure/bicep-types-az#1317 and others), though its schema lists none. There is no
// FTP on Flex Consumption.
func TestPublishingPolicies(t *testing.T) {
	for _, plan := range plans {
		var ways []string
		d := deployed(t, "", map[string]any{"hostingPlan": plan})
		for _, r := range ofType(d, "Microsoft.Web/sites/basicPublishingCredentialsPolicies") {
			ways = append(ways, r.Name[len(r.Name)-3:])
			if r.Body["location"] == nil {
				t.Errorf("%s: %s has no location", plan, r.Name)
			}
		}
		slices.Sort(ways)
		want := []string{"ftp", "scm"}
		if plan == "FlexConsumption" {
			want = []string{"scm"}
		}
		if diff := cmp.Diff(want, ways); diff != "" {
			t.Errorf("%s (-want +got):\n%s", plan, diff)
		}
	}
}

// A role assignment whose name lacks the principal is refused for ever once the
// identity was made anew, where it outlives the identity
// (RoleAssignmentUpdateNotPermitted).
func TestAssignmentElsewhereIsNamedByPrincipal(t *testing.T) {
	changes := map[string]any{"legacyStorageAccountId": "/subscriptions/" + deploy.Subscription + "/resourceGroups/old/providers/Microsoft.Storage/storageAccounts/oldfunction"}
	names := map[string]bool{}
	for _, principal := range []string{"11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"} {
		d := deployedIn(t, deploy.Surroundings{WorkspaceKey: canaryKey, Principal: principal}, changes)
		for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
			if dig(r.Body, "properties", "description") == "Reads where the Python function stopped, for the first run" {
				names[r.Name] = true
			}
		}
	}
	if len(names) != 2 {
		t.Errorf("two principals give the names %v, want two", names)
	}
}
