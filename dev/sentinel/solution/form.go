package solution

import "fmt"

// form makes the form of the portal that goes with the template.
func (s *Solution) form() (map[string][]byte, error) {
	const listWorkspaces = "[concat(subscription().id, '/providers/Microsoft.OperationalInsights/workspaces?api-version=2023-09-01')]"
	text, err := pretty(object{
		"$schema": "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#",
		"handler": "Microsoft.Azure.CreateUIDef",
		"version": "0.1.2-preview",
		"parameters": object{
			"config": object{
				"isWizard": false,
				"basics": object{
					"description": "Functions, ASIM parsers, analytic rules, hunting queries, workbooks and the connector page for SailPoint Identity Security Cloud (IdentityNow). Choose the resource group of the workspace. The connector itself is deployed separately.\n\n" +
						fmt.Sprintf("**Functions and parsers:** %d, **Analytic rules:** %d, **Hunting queries:** %d, **Workbooks:** %d", len(s.Functions), len(s.Rules), len(s.Hunts), len(s.Workbooks)),
					"resourceGroup": object{"allowExisting": true},
				},
			},
			"basics": []object{
				{
					"name": "getLAWorkspace", "type": "Microsoft.Solutions.ArmApiControl",
					"toolTip":   "Lists the workspaces of the subscription",
					"condition": "[greater(length(resourceGroup().name), 0)]",
					"request":   object{"method": "GET", "path": listWorkspaces},
				},
				{
					"name": "workspace", "type": "Microsoft.Common.DropDown", "label": "Workspace",
					"placeholder": "Select a workspace",
					"toolTip":     "The Log Analytics workspaces in the chosen resource group",
					"constraints": object{
						"allowedValues": "[map(filter(basics('getLAWorkspace').value, (item) => contains(toLower(item.id), concat('/resourcegroups/', toLower(resourceGroup().name), '/'))), (item) => parse(concat('{\"label\":\"', item.name, '\",\"value\":\"', item.name, '\"}')))]",
						"required":      true,
					},
					"visible": true,
				},
				{
					"name": "enableRules", "type": "Microsoft.Common.CheckBox", "label": "Enable the analytic rules immediately", "defaultValue": false,
					"toolTip": "Otherwise they are created disabled, and you enable the ones you want",
				},
				asimChoice(),
				{
					"name": "createWatchlists", "type": "Microsoft.Common.CheckBox", "label": "Create the watchlists, without rows", "defaultValue": false,
					"toolTip": "Rules and playbooks read them where they exist. Choose this once",
				},
			},
			"steps": []object{},
			"outputs": object{
				"workspace":        "[basics('workspace')]",
				"location":         "[location()]",
				"enableRules":      "[basics('enableRules')]",
				"asimFunctions":    "[basics('asimFunctions')]",
				"createWatchlists": "[basics('createWatchlists')]",
			},
		},
	})
	return map[string][]byte{"sentinel/Package/createUiDefinition.json": text}, err
}
