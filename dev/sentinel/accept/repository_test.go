package accept_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-json-experiment/json"
)

type object = map[string]any

// repository is a small solution repository: it has of the solution what the real one has, each kind of
// thing once, in the same form, and nothing of its text.
func repository(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	put := func(name string, v any) {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v, json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	put(folder+"Data Connectors/SailPoint_IdentityNow_FunctionApp.json", object{"id": "SailPointIdentityNow", "title": "the old page"})
	put(folder+"Data Connectors/SearchEvent_CCF/ConnectorDefinition.json", object{"name": "SailPointIdentityNowConnector"})
	put(folder+"Data Connectors/SearchEvent/__init__.py", "print('theirs')\n")
	put(folder+"Parsers/parser_Alias.json", object{"properties": object{"functionAlias": "SailPointIDN_Events"}})
	put(folder+"Parsers/parser_V2.json", object{"properties": object{"functionAlias": "SailPointIDN_EventsV2"}})
	put(folder+"Playbooks/Custom Connector/azuredeploy.json", object{"resources": []any{object{"type": "Microsoft.Web/customApis"}}})
	put(folder+"Analytic Rules/Failed_CCF.yaml", "id: 5c8aabdf-8836-4ec4-921c-905535268630\n")
	put(folder+"Analytic Rules/SailPointIdentityNowEventType.yaml", "id: 48bb92e2-bad4-4fd4-9684-26cb188299b7\n")
	put(folder+"Data/Solution_SailpointIdentityNow.json", object{
		"Name": "SailPointIdentityNow", "Version": "3.0.1", "Is1Pconnector": false, "DataConnectorCCFVersion": "3.0.1",
		"Data Connectors": []any{"Data Connectors/SailPoint_IdentityNow_FunctionApp.json", "Data Connectors/SearchEvent_CCF/ConnectorDefinition.json"},
		"Analytic Rules":  []any{"Analytic Rules/SailPointIdentityNowEventType.yaml", "Analytic Rules/Failed_CCF.yaml"},
		"Playbooks":       []any{"Playbooks/Custom Connector/azuredeploy.json"},
		"Parsers":         []any{"Parsers/parser_Alias.json", "Parsers/parser_V2.json"},
	})
	put(folder+"ReleaseNotes.md", "| **Version** | **Date Modified (DD-MM-YYYY)** | **Change History** |\n|---|---|---|\n| 3.0.1       | 07-05-2026                     | Theirs |\n")
	put(folder+"SolutionMetadata.json", object{"publisherId": "sailpoint1582673310610"})
	put(folder+"Package/3.0.1.zip", "an archive")
	put(folder+"Package/createUiDefinition.json", object{})
	const templates = "Microsoft.OperationalInsights/workspaces/providers/contentTemplates"
	place := "[parameters('workspace-location')]"
	content := func(name, kind, id string, resources ...any) object {
		return object{"type": templates, "apiVersion": "2023-04-01-preview", "name": "[concat(parameters('workspace'),'/Microsoft.SecurityInsights/'," + name + ")]", "location": place, "properties": object{"contentKind": kind, "contentId": id, "mainTemplate": object{"resources": resources}}}
	}
	put(folder+"Package/mainTemplate.json", object{
		"parameters": object{
			"workspace": object{"type": "string"}, "workspace-location": object{"type": "string"}, "location": object{"type": "string"},
			"resourceGroupName": object{"type": "string", "defaultValue": "[resourceGroup().name]"},
		},
		"variables": object{
			"_solutionVersion": "3.0.1", "solutionId": "sailpoint1582673310610.sentinel_offering", "_solutionId": "[variables('solutionId')]",
			"dataConnectorContentId1": "SailPointIdentityNow", "_dataConnectorContentId1": "[variables('dataConnectorContentId1')]", "notNeeded": "x",
			"connectorOf2": "SailPointIdentityNowConnector", "connectionsOf2": "[concat('theirs', variables('deep'), parameters('resourceGroupName'))]", "deep": "d",
			"rule1": object{"id": "48bb92e2-bad4-4fd4-9684-26cb188299b7"}, "rule7": object{"id": "5c8aabdf-8836-4ec4-921c-905535268630", "name": "n7"},
			"theirs":  "CustomConnectorOfTheOthers",
			"parser1": object{"id": "SailPointIDN_Events-Parser"}, "parser2": object{"id": "SailPointIDN_EventsV2-Parser"},
		},
		"resources": []any{
			content("'page'", "DataConnector", "[variables('_dataConnectorContentId1')]", object{"title": "the old page"}),
			object{"type": "Microsoft.OperationalInsights/workspaces/providers/dataConnectors", "name": "[concat(parameters('workspace'),'/Microsoft.SecurityInsights/page')]", "properties": object{"connectorUiConfig": object{"id": "[variables('_dataConnectorContentId1')]", "title": "the old page"}}},
			content("'codeless'", "DataConnector", "[variables('connectorOf2')]", object{"x": "[variables('connectionsOf2')]"}),
			content("variables('rule1').id", "AnalyticsRule", "[variables('rule1').id]", object{"x": "the old rule"}),
			content("variables('rule7').name", "AnalyticsRule", "[variables('rule7').id]", object{"x": "rule of the codeless connector"}),
			content("'custom'", "LogicAppsCustomConnector", "[variables('theirs')]", object{"x": "[[parameters('inner')]"}),
			content("'alias'", "Parser", "[variables('parser1').id]"),
			object{"type": "Microsoft.OperationalInsights/workspaces/savedSearches", "name": "[concat(parameters('workspace'),'/alias')]", "properties": object{"functionAlias": "SailPointIDN_Events"}},
			content("'v2'", "Parser", "[variables('parser2').id]"),
			object{"type": "Microsoft.OperationalInsights/workspaces/savedSearches", "name": "[concat(parameters('workspace'),'/v2')]", "properties": object{"functionAlias": "SailPointIDN_EventsV2"}},
			object{"type": "Microsoft.OperationalInsights/workspaces/providers/contentPackages", "name": "package", "properties": object{
				"kind": "Solution", "version": "3.0.1",
				"dependencies": object{"criteria": []any{
					object{"kind": "DataConnector", "contentId": "[variables('_dataConnectorContentId1')]"},
					object{"kind": "DataConnector", "contentId": "[variables('connectorOf2')]"},
					object{"kind": "AnalyticsRule", "contentId": "[variables('rule7').id]"},
					object{"kind": "LogicAppsCustomConnector", "contentId": "[variables('theirs')]"},
				}},
			}},
		},
	})
	entry := func(key string) string {
		return `  {"workbookKey": "` + key + `", "logoFileName": "", "description": "", "dataTypesDependencies": [], "dataConnectorsDependencies": [], "previewImagesFileNames": ["` + key + `Black.png", "` + key + `White.png"], "version": "1.0.0", "title": "", "templateRelativePath": "` + key + `.json", "subtitle": "", "provider": "Theirs"}`
	}
	put("Workbooks/WorkbooksMetadata.json", "[\n"+strings.Join([]string{entry("First"), entry("Other")}, ",\n")+"\n]\n")
	for _, key := range []string{"First", "Other"} {
		put("Workbooks/Images/Preview/"+key+"Black.png", "x")
		put("Workbooks/Images/Preview/"+key+"White.png", "x")
	}
	return files
}
