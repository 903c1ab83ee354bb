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
}

func (Surroundings) group() string {
	return "/subscriptions/" + Subscription + "/resourceGroups/connector"
}

func (a Surroundings) environment() (any, error) {
	suffix, ok := map[string]string{
		"": "core.windows.net", "AzureCloud": "core.windows.net",
		"AzureUSGovernment": "core.usgovcloudapi.net", "AzureChinaCloud": "core.chinacloudapi.cn",
	}[a.Cloud]
	if !ok {
		return nil, fmt.Errorf("cloud %q is not known", a.Cloud)
	}
	name := a.Cloud
	if name == "" {
		name = "AzureCloud"
	}
	return map[string]any{"name": name, "suffixes": map[string]any{"storage": suffix}}, nil
}

// reference returns the properties of a resource that the template asks for.
func (a Surroundings) reference(args []any) (any, error) {
	id := args[0].(string)
	full := len(args) > 2 && args[2] == "Full"
	switch {
	case strings.Contains(id, "/Microsoft.OperationalInsights/workspaces/"):
		properties := map[string]any{"customerId": WorkspaceID}
		if full {
			return map[string]any{"location": "northeurope", "properties": properties}, nil
		}
		return properties, nil
	case strings.Contains(id, "/Microsoft.ManagedIdentity/userAssignedIdentities/"):
		return map[string]any{"clientId": ClientID, "principalId": cmp.Or(a.Principal, PrincipalID)}, nil
	case strings.Contains(id, "/Microsoft.Insights/components/"):
		return map[string]any{"ConnectionString": "InstrumentationKey=66666666-6666-6666-6666-666666666666"}, nil
	}
	if strings.Contains(id, "/Microsoft.Insights/dataCollectionRules/") {
		endpoint := RuleEndpoint
		if domain := map[string]string{"AzureUSGovernment": ".us", "AzureChinaCloud": ".cn"}[a.Cloud]; domain != "" {
			endpoint = strings.TrimSuffix(RuleEndpoint, ".com") + domain
		}
		return map[string]any{"immutableId": RuleID, "endpoints": map[string]any{"logsIngestion": endpoint}}, nil
	}
	return nil, fmt.Errorf("nothing is known of %s", id)
}

func (a Surroundings) keys(args []any) (any, error) {
	id := args[0].(string)
	if !strings.Contains(id, "/Microsoft.OperationalInsights/workspaces/") {
		return nil, fmt.Errorf("keys of %s", id)
	}
	return map[string]any{"primarySharedKey": a.WorkspaceKey}, nil
}
