package solution

import (
	"fmt"
	"strings"
)

// packageForm is the form of the portal that goes with a package: it says what is installed, and asks for
// the workspace alone.
func (s *Solution) packageForm(counts map[string]int, v Variant) ([]byte, error) {
	steps := s.steps(counts)
	const listWorkspaces = "[concat(subscription().id,'/providers/Microsoft.OperationalInsights/workspaces?api-version=2020-08-01')]"
	const inGroup = "(item) => contains(toLower(item.id), concat('/resourcegroups/', toLower(resourceGroup().name), '/'))"
	return pretty(object{
		"$schema": "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#",
		"handler": "Microsoft.Azure.CreateUIDef", "version": "0.1.2-preview",
		"parameters": object{
			"config": object{
				"isWizard": false,
				"basics": object{
					"description": `<img src="` + v.Logo + `" width="75px" height="75px">` + "\n\n**Note:** There may be [known issues](https://aka.ms/sentinelsolutionsknownissues) pertaining to this Solution, please refer to them before installing.\n\n" +
						s.about(counts) + "\n\n[Learn more about Microsoft Sentinel](https://aka.ms/azuresentinel) | [Learn more about Solutions](https://aka.ms/azuresentinelsolutionsdoc)",
					"subscription":  object{"resourceProviders": []string{"Microsoft.OperationsManagement/solutions", "Microsoft.OperationalInsights/workspaces/providers/alertRules", "Microsoft.Insights/workbooks", "Microsoft.Logic/workflows"}},
					"location":      object{"metadata": object{"hidden": "The region of the workspace is taken"}, "visible": false},
					"resourceGroup": object{"allowExisting": true},
				},
			},
			"basics": []object{
				{
					"name": "getLAWorkspace", "type": "Microsoft.Solutions.ArmApiControl", "toolTip": "Lists the workspaces of the subscription",
					"condition": "[greater(length(resourceGroup().name),0)]", "request": object{"method": "GET", "path": listWorkspaces},
				},
				{
					"name": "workspace", "type": "Microsoft.Common.DropDown", "label": "Workspace", "placeholder": "Select a workspace",
					"toolTip": "The Log Analytics workspaces in the chosen resource group",
					"constraints": object{
						"allowedValues": "[map(filter(basics('getLAWorkspace').value, " + inGroup + "), (item) => parse(concat('{\"label\":\"', item.name, '\",\"value\":\"', item.name, '\"}')))]",
						"required":      true,
					},
					"visible": true,
				},
			},
			"steps": steps,
			"outputs": object{
				"workspace-location": "[first(map(filter(basics('getLAWorkspace').value, (item) => and(contains(toLower(item.id), concat('/resourcegroups/', toLower(resourceGroup().name), '/')),equals(item.name,basics('workspace')))), (item) => item.location))]",
				"location":           "[location()]",
				"workspace":          "[basics('workspace')]",
			},
		},
	})
}

// steps are the pages of the form, one for each kind of content.
func (s *Solution) steps(counts map[string]int) []object {
	steps := []object{}
	step := func(name, label, text, more string, elements ...object) {
		first := []object{
			{"name": name + "-text", "type": "Microsoft.Common.TextBlock", "options": object{"text": text}},
			{"name": name + "-link", "type": "Microsoft.Common.TextBlock", "options": object{"link": object{"label": "Learn more", "uri": more}}},
		}
		steps = append(steps, object{"name": name, "label": label, "bladeTitle": label, "subLabel": object{"preValidation": "See the " + strings.ToLower(label), "postValidation": "Done"}, "elements": append(first, elements...)})
	}
	section := func(name, label, text string) object {
		return object{"name": name, "type": "Microsoft.Common.Section", "label": label, "elements": []object{{"name": name + "-text", "type": "Microsoft.Common.TextBlock", "options": object{"text": text}}}}
	}
	step("dataconnectors", "Data Connectors", "This solution installs the page of the data connector, with the button that deploys it, and the functions that read its tables. After installing, open the page and follow it.", "https://learn.microsoft.com/azure/sentinel/connect-data-sources")
	var books, rules, hunts []object
	for i, w := range s.Workbooks {
		books = append(books, section(fmt.Sprintf("workbook%d", i+1), title(w), about(w)))
	}
	step("workbooks", "Workbooks", "This solution installs templates of workbooks. After installing, save those you want.", "https://learn.microsoft.com/azure/sentinel/tutorial-monitor-your-data", books...)
	for i, r := range s.Rules {
		rules = append(rules, section(fmt.Sprintf("analytic%d", i+1), r.Name, oneLine(r.Description)))
	}
	step("analytics", "Analytics", "This solution installs templates of analytic rules. Nothing alerts until you create rules of those you want.", "https://learn.microsoft.com/azure/sentinel/tutorial-detect-threats-custom", rules...)
	for i, h := range s.Hunts {
		hunts = append(hunts, section(fmt.Sprintf("huntingquery%d", i+1), h.Name, oneLine(h.Description)))
	}
	step("huntingqueries", "Hunting Queries", "This solution installs hunting queries. Run them in Microsoft Sentinel under Hunting.", "https://learn.microsoft.com/azure/sentinel/hunting", hunts...)
	if counts["Watchlist"] > 0 {
		step("watchlists", "Watchlists", "This solution installs watchlists without entries. Rules read them where they have entries.", "https://learn.microsoft.com/azure/sentinel/watchlists")
	}
	if counts["Playbook"]+counts["LogicAppsCustomConnector"] > 0 {
		step("playbooks", "Playbooks", "This solution installs templates of playbooks. Each asks before it changes anything, and is deployed and configured under Automation.", "https://learn.microsoft.com/azure/sentinel/tutorial-respond-threats-playbook")
	}
	return steps
}
