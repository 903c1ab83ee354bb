package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// services of SailPoint, as paths with a version of their own. The older form has the version in front.
func path(service, version string) string {
	name := map[string]string{"tokens": "personal-access-tokens", "requests": "access-requests"}[service]
	if name == "" {
		name = service
	}
	if version == "v1" {
		return "/" + name + "/v1"
	}
	return "/" + version + "/" + name
}

const (
	connectionVersion = "2016-06-01"
	workflowVersion   = "2017-07-01"
	managedAPI        = "[concat(subscription().id, '/providers/Microsoft.Web/locations/', resourceGroup().location, '/managedApis/%s')]"
)

func text(about, value string) object {
	return object{"type": "string", "defaultValue": value, "metadata": object{"description": about}}
}

func required(about string, least int) object {
	return object{"type": "string", "minLength": least, "metadata": object{"description": about}}
}

// asks reports whether a playbook asks before it acts.
func (p playbook) asks() bool { return p.name != "SailPoint-IdentityDetails" }

func (p playbook) office() bool { return p.mail || p.asks() }

func (p playbook) templateParameters(name string) object {
	all := object{
		"PlaybookName":  text("Name of the Logic App.", name),
		"SailPointUrl":  required("Address of the API of the SailPoint tenant, such as https://acme.api.identitynow.com", 12),
		"ClientId":      required("Client id of the personal access token that the playbook signs in with. Its secret is in the key vault.", 1),
		"KeyVaultName":  required("Name of the key vault that holds the secret of that client.", 3),
		"SecretName":    text("Name of the secret in the key vault.", "sailpoint-playbooks"),
		"ApiVersion":    object{"type": "string", "defaultValue": "v1", "allowedValues": []any{"v1", "v2025"}, "metadata": object{"description": "Paths of the API of SailPoint: v1 has a version for each service. Choose v2025 if the tenant answers 404."}},
		"Approval":      object{"type": "string", "defaultValue": "Task", "allowedValues": []any{"Task", "Email", "None"}, "metadata": object{"description": "Who is asked before anything is done. Task: a task of the incident is to be completed. Email: a message with buttons goes to the approver. None: nobody is asked."}},
		"ApproverEmail": text("For the approval by e-mail: the address of the approver.", ""),
		"ApprovalHours": object{"type": "int", "defaultValue": 8, "minValue": 1, "maxValue": 48, "metadata": object{"description": "Hours until a request for approval is void."}},
	}
	if !p.asks() {
		delete(all, "Approval")
		delete(all, "ApproverEmail")
		delete(all, "ApprovalHours")
	}
	maps.Copy(all, p.parameters)
	return all
}

// workflowParameters are those of the workflow: their types, and the values that the template gives them.
func (p playbook) workflowParameters() (types, values object) {
	types = object{"$connections": object{"type": "Object", "defaultValue": object{}}}
	managed := func(name, variable string) object {
		return object{
			"connectionId": "[resourceId('Microsoft.Web/connections', variables('" + variable + "'))]", "connectionName": "[variables('" + variable + "')]",
			"id": fmt.Sprintf(managedAPI, name),
		}
	}
	sentinel := managed("azuresentinel", "MicrosoftSentinelConnectionName")
	sentinel["connectionProperties"] = object{"authentication": object{"type": "ManagedServiceIdentity"}}
	connections := object{"azuresentinel": sentinel}
	if p.office() {
		connections["office365"] = managed("office365", "Office365ConnectionName")
	}
	values = object{"$connections": object{"value": connections}}
	add := func(name, kind, value string) {
		types[name] = object{"type": kind}
		values[name] = object{"value": value}
	}
	add("SailPointUrl", "String", "[variables('SailPointUrl')]")
	add("Api", "Object", "[variables('Api')]")
	add("ClientId", "String", "[parameters('ClientId')]")
	add("SecretUri", "String", "[concat('https://', parameters('KeyVaultName'), environment().suffixes.keyvaultDns, '/secrets/', parameters('SecretName'))]")
	add("VaultAudience", "String", "[replace(environment().suffixes.keyvaultDns, '.vault.', 'https://vault.')]")
	if p.asks() {
		add("ResourceManager", "String", "[concat('https://', split(environment().resourceManager, '/')[2])]")
		add("Approval", "String", "[parameters('Approval')]")
		add("ApproverEmail", "String", "[parameters('ApproverEmail')]")
		add("ApprovalHours", "Int", "[parameters('ApprovalHours')]")
	}
	for name, value := range p.values {
		add(name, p.types[name].(string), value.(string))
	}
	return types, values
}

func (p playbook) variablesOf() object {
	var now, older []string
	for _, service := range slices.Concat([]string{"identities"}, p.services) {
		now = append(now, fmt.Sprintf("'%s', concat(variables('SailPointUrl'), '%s')", service, path(service, "v1")))
		older = append(older, fmt.Sprintf("'%s', concat(variables('SailPointUrl'), '%s')", service, path(service, "v2025")))
	}
	all := object{
		"MicrosoftSentinelConnectionName": "[concat('azuresentinel-', parameters('PlaybookName'))]",
		"SailPointUrl":                    "[replace(replace(concat(parameters('SailPointUrl'), '|'), '/|', ''), '|', '')]",
		"Api":                             "[if(equals(parameters('ApiVersion'), 'v1'), createObject(" + strings.Join(now, ", ") + "), createObject(" + strings.Join(older, ", ") + "))]",
	}
	if p.office() {
		all["Office365ConnectionName"] = "[concat('office365-', parameters('PlaybookName'))]"
	}
	return all
}

func managedConnection(api, variable string) object {
	properties := object{"displayName": "[variables('" + variable + "')]", "customParameterValues": object{}, "api": object{"id": fmt.Sprintf(managedAPI, api)}}
	r := object{"type": "Microsoft.Web/connections", "apiVersion": connectionVersion, "name": "[variables('" + variable + "')]", "location": "[resourceGroup().location]", "properties": properties}
	if api == "azuresentinel" {
		r["kind"] = "V1"
		properties["parameterValueType"] = "Alternative"
	}
	return r
}

// template makes the ARM template of a playbook.
func (p playbook) template(t trigger) object {
	name := p.name + t.suffix
	types, values := p.workflowParameters()
	resources := []any{managedConnection("azuresentinel", "MicrosoftSentinelConnectionName")}
	depends := []any{"[resourceId('Microsoft.Web/connections', variables('MicrosoftSentinelConnectionName'))]"}
	if p.office() {
		resources = append(resources, managedConnection("office365", "Office365ConnectionName"))
		depends = append(depends, "[resourceId('Microsoft.Web/connections', variables('Office365ConnectionName'))]")
	}
	steps := p.steps(t)
	for _, v := range p.variables {
		steps = append([]step{initialize(v, "string")}, steps...)
	}
	resources = append(resources, object{
		"type": "Microsoft.Logic/workflows", "apiVersion": workflowVersion, "name": "[parameters('PlaybookName')]", "location": "[resourceGroup().location]",
		"tags":     object{"hidden-SentinelTemplateName": name, "hidden-SentinelTemplateVersion": "1.0"},
		"identity": object{"type": "SystemAssigned"}, "dependsOn": depends,
		"properties": object{
			"state": "Enabled",
			"definition": object{
				"$schema":        "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
				"contentVersion": "1.0.0.0", "parameters": types, "triggers": t.definition(), "actions": chain(steps...), "outputs": object{},
			},
			"parameters": values,
		},
	})
	return object{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"metadata":   p.metadata(t),
		"parameters": p.templateParameters(name), "variables": p.variablesOf(), "resources": resources,
	}
}

func (p playbook) metadata(t trigger) object {
	title := p.title
	if t.suffix != "" {
		title += " (entity trigger)"
	}
	steps := []any{
		"1. Grant the managed identity of the Logic App the role Microsoft Sentinel Responder in the resource group of the workspace, and the role Key Vault Secrets User on the key vault.",
		"2. Grant Microsoft Sentinel permission to run playbooks in this resource group (Settings, Playbook permissions).",
	}
	if p.office() {
		steps = append(steps, "3. Where e-mail is sent, open the API connection office365-... and authorize it with a mailbox.")
	}
	return object{
		"title": title, "description": p.about,
		"prerequisites": []any{
			"1. A personal access token of a SailPoint administrator with the scopes " + strings.Join(p.allScopes(), ", ") + ".",
			"2. A key vault with the secret of that token.",
		},
		"postDeployment": steps,
		"lastUpdateTime": p.updated + "T00:00:00.000Z", "entities": []any{"Account"}, "tags": p.tags,
		"support": object{"tier": "community"}, "author": object{"name": "Community"},
		"releaseNotes": []any{object{"version": "1.0.0", "title": p.title, "notes": []any{"Initial version"}}},
	}
}

func (p playbook) allScopes() []string { return append([]string{"idn:identity:read"}, p.scopes...) }

// readme is the page that goes with the template in the repository.
func (p playbook) readme(t trigger) []byte {
	var b strings.Builder
	start := "an incident, by hand or by an automation rule"
	if t.suffix != "" {
		start = "an account entity of an incident, by hand"
	}
	fmt.Fprintf(&b, "<!-- Generated by make solution. DO NOT EDIT. -->\n# %s\n\n%s\nIt starts from %s.\n\n## Before you deploy\n\n", p.name+t.suffix, strings.ReplaceAll(p.about, ". ", ".\n"), start)
	meta := p.metadata(t)
	for _, line := range meta["prerequisites"].([]any) {
		fmt.Fprintln(&b, line)
	}
	b.WriteString("\n## After you have deployed\n\n")
	for _, line := range meta["postDeployment"].([]any) {
		fmt.Fprintln(&b, line)
	}
	b.WriteString("\n## Parameters\n\n| Parameter | Default | Meaning |\n|---|---|---|\n")
	parameters := p.templateParameters(p.name + t.suffix)
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		q := parameters[name].(object)
		value := "-"
		if v, ok := q["defaultValue"]; ok {
			data, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			value = "`" + string(data) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, value, q["metadata"].(object)["description"])
	}
	return []byte(b.String())
}

// Files returns the generated files by their path from the root of the checkout.
func Files() (map[string][]byte, error) {
	files, err := watchlistFiles()
	if err != nil {
		return nil, err
	}
	for _, p := range all() {
		for _, t := range p.triggers {
			folder := "sentinel/Playbooks/" + p.name + t.suffix + "/"
			data, err := json.Marshal(p.template(t), json.Deterministic(true), jsontext.WithIndent("  "), jsontext.EscapeForHTML(false))
			if err != nil {
				return nil, fmt.Errorf("playbook %s: %w", p.name, err)
			}
			files[folder+"azuredeploy.json"] = append(data, '\n')
			files[folder+"readme.md"] = p.readme(t)
		}
	}
	return files, nil
}
