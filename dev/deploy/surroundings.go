package deploy

import (
	"cmp"
	"fmt"
	"strings"
)

// Ids that a played deployment runs under.
const (
	Subscription = "11111111-1111-1111-1111-111111111111"
	Directory    = "22222222-2222-2222-2222-222222222222"
	// ClientID and PrincipalID are those of the identity that the template makes.
	ClientID    = "33333333-3333-3333-3333-333333333333"
	PrincipalID = "44444444-4444-4444-4444-444444444444"
	// WorkspaceID is the customer id of the workspace.
	WorkspaceID = "55555555-5555-5555-5555-555555555555"
	// RuleID and RuleEndpoint are those of the data collection rule; in another cloud
	// the end of the address differs.
	RuleID       = "dcr-00112233445566778899aabbccddeeff"
	RuleEndpoint = "https://rule-x1y2.northeurope-1.ingest.monitor.azure.com"
)

// Surroundings are what a deployment meets in Azure.
type Surroundings struct {
	// Cloud is AzureCloud (also when empty), AzureUSGovernment or AzureChinaCloud.
	Cloud string
	// WorkspaceKey is what the workspace's shared keys are.
	WorkspaceKey string
	// Principal is that of the identity that the template makes; "" means [PrincipalID].
	Principal string
	// World is what stands there already, and what the deployment changes; nil is an empty one.
	World *World
	// Linked are the templates that a deployment can fetch, by address.
	Linked map[string]Template
	// Late is the place in the template, from 1, of a resource that is made as late as its
	// dependencies allow. Azure makes resources side by side, and any one may take long.
	Late int
}

func (Surroundings) group() string {
	return "/subscriptions/" + Subscription + "/resourceGroups/connector"
}

func (a Surroundings) environment() (any, error) {
	name := cmp.Or(a.Cloud, "AzureCloud")
	manager := map[string]string{"AzureCloud": "https://management.azure.com/", "AzureUSGovernment": "https://management.usgovcloudapi.net/", "AzureChinaCloud": "https://management.chinacloudapi.cn/"}[name]
	suffixes, ok := map[string]map[string]any{
		"AzureCloud":        {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
		"AzureUSGovernment": {"storage": "core.usgovcloudapi.net", "keyvaultDns": ".vault.usgovcloudapi.net"},
		"AzureChinaCloud":   {"storage": "core.chinacloudapi.cn", "keyvaultDns": ".vault.azure.cn"},
	}[name]
	if !ok {
		return nil, fmt.Errorf("cloud %q is not known", a.Cloud)
	}
	return map[string]any{"name": name, "suffixes": suffixes, "resourceManager": manager}, nil
}

func (a Surroundings) keys(args []any) (any, error) {
	id := args[0].(string)
	if !strings.Contains(id, "/Microsoft.OperationalInsights/workspaces/") {
		return nil, fmt.Errorf("keys of %s", id)
	}
	return map[string]any{"primarySharedKey": a.WorkspaceKey, "secondarySharedKey": "c2Vjb25kYXJ5LQ=="}, nil
}
