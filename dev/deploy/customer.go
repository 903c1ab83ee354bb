package deploy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ForWorkspace makes the template of one workspace, deploy/workspace.json, from azuredeploy.json: the
// same tables and the same rule, for an identity that is given. A customer deploys it in their own
// subscription.
func ForWorkspace(whole []byte) ([]byte, error) {
	var main original
	if err := json.Unmarshal(whole, &main); err != nil {
		return nil, err
	}
	tables, rule := deploymentOf(main.Resources, "[variables('tablesName')]"), deploymentOf(main.Resources, "[variables('ruleDeployment')]")
	if tables == nil || rule == nil {
		return nil, errors.New("the template has no deployment of tables, or none of the rule")
	}
	delete(tables, "condition")
	tables["condition"] = "[not(equals(parameters('makeTables'), 'none'))]"
	delete(rule, "condition")
	rule["dependsOn"] = []any{"[variables('tablesId')]"}
	given := rule["properties"].(map[string]any)["parameters"].(map[string]any)
	given["tags"] = map[string]any{"value": "[parameters('tags')]"}
	given["principalId"] = map[string]any{"value": "[parameters('principalId')]"}

	parameters := map[string]any{
		"principalId": parameter("string", nil, "Object ID, in the directory of this subscription, of who sends: the service principal of the connector's app registration (az ad sp show --id APP_ID --query id), or the managed identity of a function app in this directory."),
		"okta":        parameter("bool", false, "Also make the table of Okta."),
		"iiq":         parameter("bool", false, "Also make the tables of IdentityIQ."),
		"readBack":    parameter("bool", false, "Also let it query the workspace (role Log Analytics Reader), for READ_BACK and idnsentinel audit --workspace."),
		"namePrefix":  parameter("string", "idnsentinel", "Prefix of the names of the rule and the deployments."),
		"tags":        parameter("object", map[string]any{}, "Tags of the data collection rule. If empty, tags that exist stay."),
	}
	variables := map[string]any{
		"isOkta":   "[parameters('okta')]",
		"isIIQ":    "[if(and(parameters('iiq'), or(parameters('alsoAsimTables'), and(parameters('okta'), parameters('alsoIscTable')))), fail('iiq: with alsoAsimTables, or with okta and alsoIscTable, a data collection rule would need more than the 10 data flows that it can have.'), parameters('iiq'))]",
		"siteName": "[format('{0}-{1}', parameters('namePrefix'), uniqueString(resourceGroup().id, parameters('namePrefix'), parameters('workspaceResourceId')))]",
		"roles": map[string]any{
			"monitoringMetricsPublisher": main.Variables["roles"].(map[string]any)["monitoringMetricsPublisher"],
			"logAnalyticsReader":         "73c42c96-874c-492b-b04d-ab87d138a893",
		},
	}
	for _, one := range []map[string]any{tables, rule} {
		if err := main.adopt(outside(one), parameters, variables); err != nil {
			return nil, err
		}
	}
	out := func(of string) string {
		return fmt.Sprintf("[reference(resourceId('Microsoft.Resources/deployments', variables('ruleDeployment')), '2022-09-01').outputs.%s.value]", of)
	}
	data, err := json.Marshal(map[string]any{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"metadata":   map[string]any{"description": "Tables, data collection rule and roles in the workspace of one customer, for a connector that runs elsewhere (docs/workspaces.md). Generated from azuredeploy.json by go test ./dev/deploy -run ForWorkspace -update. DO NOT EDIT."},
		"parameters": parameters, "variables": variables,
		"resources": []any{tables, rule, readerRole()},
		"outputs": map[string]any{
			"directoryId":           output("[subscription().tenantId]"),
			"workspaceId":           output("[reference(parameters('workspaceResourceId'), '2022-10-01').customerId]"),
			"dcrImmutableId":        output(out("immutableId")),
			"logsIngestionEndpoint": output(out("endpoint")),
		},
	}, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(data, '\n'), err
}

// original is what is taken over from azuredeploy.json.
type original struct {
	Parameters map[string]map[string]any `json:"parameters"`
	Variables  map[string]any            `json:"variables"`
	Resources  []map[string]any          `json:"resources"`
}

var used = regexp.MustCompile(`\b(parameters|variables)\('(\w+)'\)`)

// adopt adds the parameters and variables that an expression, or an object of them, uses and that are not
// there yet.
func (o *original) adopt(of any, parameters, variables map[string]any) error {
	text, err := json.Marshal(of)
	if err != nil {
		return err
	}
	for _, m := range used.FindAllSubmatch(text, -1) {
		kind, name := string(m[1]), string(m[2])
		if kind == "parameters" {
			if parameters[name] == nil {
				parameters[name] = o.Parameters[name]
			}
			continue
		}
		if variables[name] == nil {
			variables[name] = o.Variables[name]
			if err := o.adopt(o.Variables[name], parameters, variables); err != nil {
				return err
			}
		}
	}
	return nil
}

// outside is a nested deployment without its template, which has a scope of its own.
func outside(deployment map[string]any) map[string]any {
	own, properties := maps.Clone(deployment), maps.Clone(deployment["properties"].(map[string]any))
	delete(properties, "template")
	own["properties"] = properties
	return own
}

// deploymentOf returns a copy of a nested deployment.
func deploymentOf(resources []map[string]any, name string) map[string]any {
	for _, r := range resources {
		if r["type"] == "Microsoft.Resources/deployments" && r["name"] == name {
			return maps.Clone(r)
		}
	}
	return nil
}

func parameter(kind string, value any, description string) map[string]any {
	p := map[string]any{"type": kind, "metadata": map[string]any{"description": description}}
	if value != nil {
		p["defaultValue"] = value
	}
	return p
}

func output(value string) map[string]any { return map[string]any{"type": "string", "value": value} }

// readerRole lets the identity query the workspace, in the workspace's own group.
func readerRole() map[string]any {
	id := "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspaceName'))]"
	return map[string]any{
		"condition": "[parameters('readBack')]", "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01",
		"name": "[format('{0}-reader', variables('siteName'))]", "subscriptionId": "[variables('workspace')[2]]", "resourceGroup": "[variables('workspace')[4]]",
		"properties": map[string]any{
			"mode": "Incremental", "expressionEvaluationOptions": map[string]any{"scope": "inner"},
			"parameters": map[string]any{
				"workspaceName": map[string]any{"value": "[last(variables('workspace'))]"}, "principalId": map[string]any{"value": "[parameters('principalId')]"},
				"role": map[string]any{"value": "[variables('roles').logAnalyticsReader]"},
			},
			"template": map[string]any{
				"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
				"parameters": map[string]any{"workspaceName": map[string]any{"type": "string"}, "principalId": map[string]any{"type": "string"}, "role": map[string]any{"type": "string"}},
				"variables":  map[string]any{"workspaceId": id},
				"resources": []any{map[string]any{
					"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "scope": "[variables('workspaceId')]",
					"name": "[guid(variables('workspaceId'), parameters('principalId'), parameters('role'))]",
					"properties": map[string]any{
						"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', parameters('role'))]",
						"principalId":      "[parameters('principalId')]", "principalType": "ServicePrincipal", "description": "Queries which records have arrived",
					},
				}},
			},
		},
	}
}
