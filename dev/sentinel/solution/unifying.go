package solution

import (
	"fmt"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// What the parameter asimFunctions takes.
const (
	asimNone   = "none"
	asimCreate = "create"
	asimExtend = "extend"
)

// asimParameter is how one chooses whether the workspace's custom unifying functions
// read the ASIM parsers.
func asimParameter() object {
	return object{
		"type": "string", "defaultValue": asimNone, "allowedValues": []string{asimNone, asimCreate, asimExtend},
		"metadata": object{"description": "How _Im_Authentication, _Im_AuditEvent, _Im_UserManagement and their _ASim_ forms find the SailPoint parsers: by the custom unifying functions of the workspace (Im_AuthenticationCustom and so on). " +
			"create: those that are missing are made, and existing ones are left alone. extend: also, the parsers are added to existing ones, whose own text stays. none: nothing is changed; the output asimLines has what to add yourself. " +
			"Leave it at none if the connector fills the native ASIM tables (alsoAsimTables): events would count twice."},
	}
}

// asimChoice is the parameter in the form.
func asimChoice() object {
	option := func(label, value string) object { return object{"label": label, "value": value} }
	return object{
		"name": "asimFunctions", "type": "Microsoft.Common.DropDown", "label": "ASIM",
		"toolTip":      "How _Im_Authentication, _Im_AuditEvent and _Im_UserManagement find the SailPoint parsers: by the custom unifying functions of the workspace (Im_AuthenticationCustom and so on). Existing ones are never replaced. Choose the last if the connector fills the native ASIM tables: events would count twice.",
		"defaultValue": "Create the functions that are missing",
		"constraints": object{
			"allowedValues": []object{
				option("Create the functions that are missing", asimCreate),
				option("Create them, and add the parsers to existing ones", asimExtend),
				option("Change nothing", asimNone),
			},
			"required": true,
		},
		"visible": true,
	}
}

// unifying makes the custom unifying functions that are missing, and adds the
// parsers to existing ones if that is asked for. No function is ever replaced: see
// docs/adr/0044. A function is looked up by the name that Microsoft's own template gives
// it, which is that of its alias.
func (s *Solution) unifying() object {
	functions, after := s.customFunctions()
	const (
		one       = "parameters('functions')[copyIndex()]"
		name      = "[format('{0}/{1}', parameters('workspace'), " + one + ".name)]"
		inMissing = "missing"
	)
	return object{
		"condition": "[not(equals(parameters('asimFunctions'), '" + asimNone + "'))]",
		"type":      "Microsoft.Resources/deployments", "apiVersion": "2022-09-01",
		"name":      "[format('sailpoint-asim-{0}', uniqueString(variables('workspaceId')))]",
		"dependsOn": after,
		"properties": object{
			"mode":                        "Incremental",
			"expressionEvaluationOptions": object{"scope": "inner"},
			"parameters": object{
				"workspace": object{"value": "[parameters('workspace')]"},
				"prefix":    object{"value": "[format('sailpoint-asim-{0}', uniqueString(variables('workspaceId')))]"},
				"extend":    object{"value": "[equals(parameters('asimFunctions'), '" + asimExtend + "')]"},
				"functions": object{"value": functions},
			},
			"template": object{
				"$schema":         "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
				"languageVersion": "2.0",
				"contentVersion":  "1.0.0.0",
				"parameters":      object{"workspace": object{"type": "string"}, "prefix": object{"type": "string"}, "extend": object{"type": "bool"}, "functions": object{"type": "array"}},
				"resources": object{
					inMissing: object{
						"type": savedSearches, "apiVersion": insightsVersion,
						"@options":   object{"onlyIfNotExists": []string{}},
						"name":       name,
						"copy":       object{"name": inMissing, "count": "[length(parameters('functions'))]"},
						"properties": "[" + one + ".properties]",
					},
					"extended": object{
						"condition": "[parameters('extend')]",
						"type":      "Microsoft.Resources/deployments", "apiVersion": "2022-09-01",
						"name":      "[format('{0}-{1}', parameters('prefix'), copyIndex())]",
						"copy":      object{"name": "extended", "count": "[length(parameters('functions'))]"},
						"dependsOn": []string{inMissing},
						"properties": object{
							"mode":                        "Incremental",
							"expressionEvaluationOptions": object{"scope": "inner"},
							"parameters": object{
								"workspace": object{"value": "[parameters('workspace')]"},
								"name":      object{"value": "[" + one + ".name]"},
								"calls":     object{"value": "[" + one + ".calls]"},
								"standing":  object{"value": fmt.Sprintf("[reference(resourceId('%s', parameters('workspace'), %s.name), '%s')]", savedSearches, one, insightsVersion)},
							},
							"template": extension(),
						},
					},
				},
			},
		},
	}
}

// customFunctions are the functions as the template takes them, and what they call.
func (s *Solution) customFunctions() (functions []object, after []string) {
	for _, f := range s.Unifying {
		var calls []object
		for _, p := range s.Functions {
			if len(content.Calls(f.Body, []content.Function{p})) > 0 {
				calls = append(calls, object{"name": p.Name, "arguments": asim.Parameters(p)})
			}
		}
		functions = append(functions, object{
			"name":  f.Name,
			"calls": calls,
			"properties": object{
				"category": f.Head["category"], "displayName": f.Head["title"], "functionAlias": f.Name,
				"functionParameters": f.Params, "query": literal(f.Body), "version": 2,
			},
		})
		for _, id := range s.after(f.Body, f.Name) {
			if !slices.Contains(after, id) {
				after = append(after, id)
			}
		}
	}
	return functions, after
}

// extension is the template that adds parsers to one function, if it lacks some.
func extension() object {
	joined := func(parts ...string) string { return "concat(" + strings.Join(parts, ", ") + ")" }
	return object{
		"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
		"contentVersion": "1.0.0.0",
		"parameters": object{
			"workspace": object{"type": "string"}, "name": object{"type": "string"}, "calls": object{"type": "array"}, "standing": object{"type": "object"},
		},
		"variables": object{
			"text":  "[trim(parameters('standing').query)]",
			"body":  "[if(endsWith(variables('text'), ';'), substring(variables('text'), 0, sub(length(variables('text')), 1)), variables('text'))]",
			"added": "[filter(parameters('calls'), lambda('c', not(contains(toLower(variables('text')), toLower(lambdaVariables('c').name)))))]",
			// One that was made before a parameter was invented does not have it to pass on.
			"known": "[replace(coalesce(tryGet(parameters('standing'), 'functionParameters'), ''), ' ', '')]",
			"line":  "\n",
		},
		"resources": []object{{
			"condition": "[not(empty(variables('added')))]",
			"type":      savedSearches, "apiVersion": insightsVersion, "etag": "*",
			"name": "[format('{0}/{1}', parameters('workspace'), parameters('name'))]",
			"properties": "[union(parameters('standing'), createObject('query', " + joined("'let BeforeSailPoint = () {'", "variables('line')", "variables('body')", "variables('line')", "'};'", "variables('line')",
				"'union isfuzzy=true'", "variables('line')", "'    BeforeSailPoint(),'", "variables('line')", "'    '",
				"join(map(variables('added'), lambda('c', format('{0}({1})', lambdaVariables('c').name, join(map(filter(lambdaVariables('c').arguments, lambda('a', contains(variables('known'), concat(lambdaVariables('a'), ':')))), lambda('a', format('{0} = {0}', lambdaVariables('a')))), ', ')))), concat(',', variables('line'), '    '))", "variables('line')") + "))]",
		}},
	}
}

// lines are what to add to the custom unifying functions by hand.
func (s *Solution) lines() []string {
	var lines []string
	for _, f := range s.Unifying {
		for _, p := range s.Functions {
			if len(content.Calls(f.Body, []content.Function{p})) > 0 {
				lines = append(lines, f.Name+": "+asim.Call(p))
			}
		}
	}
	return lines
}
