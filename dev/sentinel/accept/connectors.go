package accept

import (
	"fmt"
	"reflect"
	"strings"
)

// connectorPages takes the files that the repository takes for pages of connectors.
func connectorPages(t Tree, f func(name string, page object) []string) []string {
	return t.each(func(name string) bool {
		return strings.HasSuffix(name, ".json") && (strings.HasPrefix(name, "DataConnectors") || strings.HasPrefix(name, "Solutions")) && !strings.Contains(name, "Templates")
	}, func(name string, raw []byte) []string {
		page := parsedObject(raw)
		if page["id"] == nil || page["connectivityCriterias"] == nil {
			return nil
		}
		return f(name, page)
	})
}

// Category is what kind of connector a page is taken for. Event is not looked at further by the
// repository, but what it would have to say is worth knowing.
func Category(page map[string]any) string {
	types := list(page, "dataTypes")
	if len(types) == 0 {
		return ""
	}
	first := text(types[0], "name")
	for _, k := range [][2]string{{"CommonSecurityLog", "CEF"}, {"Syslog", "SysLog"}, {"Event", "Event"}} {
		if strings.Contains(first, k[0]) {
			return k[1]
		}
	}
	if !strings.HasSuffix(first, "_CL") {
		return ""
	}
	return ownTables(page)
}

func ownTables(page object) string {
	for _, step := range list(page, "instructionSteps") {
		if strings.Contains(text(step, "description"), "[Deploy To Azure]") {
			return "AzureFunction"
		}
	}
	return "RestAPI"
}

// keys of a page, which the schema of each kind of connector requires.
func pageKeys() []string {
	return []string{"id", "title", "publisher", "descriptionMarkdown", "graphQueries", "sampleQueries", "dataTypes", "connectivityCriterias", "availability", "permissions", "instructionSteps"}
}

func connectors() []Check {
	return []Check{
		{"connector page: form", ".script/utils/schemas/Azure_Function_ConnectorSchema.json", func(t Tree) []string {
			return connectorPages(t, func(_ string, page object) []string {
				var problems []string
				for _, key := range pageKeys() {
					if page[key] == nil {
						problems = append(problems, "no "+key)
					}
				}
				for kind, members := range map[string][]string{"graphQueries": {"metricName", "legend", "baseQuery"}, "sampleQueries": {"description", "query"}, "dataTypes": {"name", "lastDataReceivedQuery"}, "connectivityCriterias": {"type"}} {
					for i, one := range list(page, kind) {
						for _, m := range members {
							if text(one, m) == "" {
								problems = append(problems, fmt.Sprintf("%s[%d] has no %s", kind, i, m))
							}
						}
					}
				}
				if _, ok := at(page, "availability", "isPreview").(bool); !ok {
					problems = append(problems, "availability.isPreview is no boolean")
				}
				return problems
			})
		}},
		{"connector page: id and tables", ".script/utils/dataConnectorCheckers/idChecker.ts and dataTypeChecker.ts", func(t Tree) []string {
			return connectorPages(t, func(_ string, page object) []string {
				var problems []string
				if strings.ContainsAny(text(page, "id"), " \t\n") {
					problems = append(problems, "the id has spaces")
				}
				for _, d := range list(page, "dataTypes") {
					if strings.Contains(text(d, "name"), " ") {
						problems = append(problems, text(d, "name")+" has spaces")
					}
				}
				return problems
			})
		}},
		{"connector page: button", ".script/dataConnectorValidator.ts, which takes a page of tables of its own without [Deploy To Azure] for a REST connector", func(t Tree) []string {
			return connectorPages(t, func(_ string, page object) []string {
				if kind := ownTables(page); kind != "AzureFunction" {
					return []string{"it is taken for " + kind}
				}
				return nil
			})
		}},
		{"connector page: permissions", ".script/utils/dataConnectorCheckers/permissionsChecker.ts", func(t Tree) []string {
			return connectorPages(t, func(_ string, page object) []string { return permissions(page) })
		}},
	}
}

// permissions holds a page to one of the two profiles of the repository: that of Azure Functions with the
// keys of the workspace, or that of the Logs Ingestion API, without keys. The repository knows the second
// for REST connectors only; it does not look at pages whose first table is called Event, as ours is.
func permissions(page object) []string {
	workspace := object{
		"provider": "Microsoft.OperationalInsights/workspaces", "providerDisplayName": "Workspace", "scope": "Workspace",
		"permissionsDisplayText": "read and write permissions on the workspace are required.",
		"requiredPermissions":    object{"write": true, "read": true, "delete": true},
	}
	customs := map[string]string{}
	for _, c := range list(page, "permissions", "customs") {
		customs[text(c, "name")] = text(c, "description")
	}
	var problems []string
	providers := list(page, "permissions", "resourceProvider")
	if len(providers) == 0 || !reflect.DeepEqual(providers[0], any(workspace)) {
		problems = append(problems, "the permission for the workspace is not as in the template of the repository")
	}
	if want := "Read and write permissions to Azure Functions to create a Function App is required. [See the documentation to learn more about Azure Functions](https://docs.microsoft.com/azure/azure-functions/)."; customs["Microsoft.Web/sites permissions"] != want {
		problems = append(problems, "the permission for Microsoft.Web/sites is not as in the template of the repository")
	}
	const role = "The sending application requires the Monitoring Metrics Publisher role on the data collection rule (DCR). Workspace shared keys are not used."
	keys := len(providers) == 2 && text(providers[1], "provider") == "Microsoft.OperationalInsights/workspaces/sharedKeys"
	if !keys && (len(providers) != 1 || customs["Azure Monitor Logs Ingestion API"] != role) {
		problems = append(problems, "neither the keys of the workspace nor the role for the Logs Ingestion API")
	}
	return problems
}
