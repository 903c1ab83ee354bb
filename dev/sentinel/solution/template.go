package solution

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
)

const (
	connectorFile = "Data Connectors/SailPointIdentityNow_FunctionApp.json"

	savedSearches = "Microsoft.OperationalInsights/workspaces/savedSearches"

	// Versions of the resource types; none is a preview but that of the
	// near-real-time rules, a kind that no other version has.
	insightsVersion  = "2025-07-01"
	sentinelVersion  = "2025-06-01"
	nearRealTime     = "2025-07-01-preview"
	workbooksVersion = "2023-06-01"
)

// template makes the one template that deploys everything. Functions come
// first: a rule is refused whose query calls a function that does not exist.
func (s *Solution) template() (map[string][]byte, error) {
	var resources []object
	for _, f := range s.Functions {
		resources = append(resources, s.function(f))
	}
	for _, h := range s.Hunts {
		resources = append(resources, s.hunt(h))
	}
	for _, r := range s.Rules {
		rule, err := s.rule(r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.File, err)
		}
		resources = append(resources, rule)
	}
	for _, w := range s.Workbooks {
		resources = append(resources, workbook(w))
	}
	for _, w := range playbooks.Watchlists() {
		resources = append(resources, watchlist(w))
	}
	page, err := s.page()
	if err != nil {
		return nil, err
	}
	resources = append(resources, page, s.unifying())
	text, err := pretty(object{
		"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
		"contentVersion": s.Version + ".0",
		"metadata":       object{"comments": "Sentinel content for SailPoint. Generated from the folder sentinel by make solution. DO NOT EDIT."},
		"parameters": object{
			"workspace": object{
				"type": "string", "minLength": 4,
				"metadata": object{"description": "Name of the Log Analytics workspace in this resource group that has Microsoft Sentinel."},
			},
			"location": object{
				"type": "string", "defaultValue": "[resourceGroup().location]",
				"metadata": object{"description": "Region of the workbooks. Everything else belongs to the workspace."},
			},
			"tags": object{
				"type": "object", "defaultValue": object{},
				"metadata": object{"description": "Tags of the workbooks. Nothing else here has tags of its own."},
			},
			"enableRules": object{
				"type": "bool", "defaultValue": false,
				"metadata": object{"description": "Whether to enable the analytic rules immediately. Otherwise, enable the ones you want in the portal."},
			},
			"asimFunctions": asimParameter(),
			"createWatchlists": object{
				"type": "bool", "defaultValue": false,
				"metadata": object{"description": "Whether to create the watchlists that rules and playbooks read, without rows. Choose it once: whether a later deployment keeps your rows is not documented."},
			},
		},
		"variables": object{"workspaceId": "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace'))]"},
		"resources": resources,
		"outputs":   object{"asimLines": object{"type": "array", "value": s.lines()}},
	})
	return map[string][]byte{"sentinel/Package/mainTemplate.json": text}, err
}

// after are the functions that a query calls, as dependencies.
func (s *Solution) after(query, own string) []string {
	ids := []string{}
	for _, name := range content.Calls(query, s.Functions) {
		if name != own {
			ids = append(ids, fmt.Sprintf("[resourceId('%s', parameters('workspace'), '%s')]", savedSearches, name))
		}
	}
	return ids
}

func (s *Solution) function(f content.Function) object {
	return unblank(object{
		"type": savedSearches, "apiVersion": insightsVersion, "etag": "*",
		"name":      fmt.Sprintf("[concat(parameters('workspace'), '/%s')]", f.Name),
		"dependsOn": s.after(f.Body, f.Name),
		"properties": object{
			"category": f.Head["category"], "displayName": f.Head["title"], "functionAlias": f.Name,
			"functionParameters": f.Params, "query": literal(f.Body), "version": 2,
		},
	})
}

// unblank leaves out what is empty: a template says nothing rather than "" or [].
func unblank(o object) object {
	for name, v := range o {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(o, name)
			}
		case []string:
			if len(v) == 0 {
				delete(o, name)
			}
		case object:
			unblank(v)
		}
	}
	return o
}

func (s *Solution) hunt(h content.Hunt) object {
	return object{
		"type": savedSearches, "apiVersion": insightsVersion, "etag": "*",
		"name":      fmt.Sprintf("[concat(parameters('workspace'), '/%s')]", h.ID),
		"dependsOn": s.after(h.Query, ""),
		"properties": object{
			"category": "Hunting Queries", "displayName": h.Name, "query": literal(h.Query), "version": 2,
			"tags": []object{
				{"name": "description", "value": oneLine(h.Description)},
				{"name": "tactics", "value": strings.Join(h.Tactics, ",")},
				{"name": "techniques", "value": strings.Join(h.RelevantTechniques, ",")},
			},
		},
	}
}

func (s *Solution) rule(r content.Rule) (object, error) {
	properties := object{
		"displayName": r.Name, "description": oneLine(r.Description), "severity": r.Severity,
		"enabled": "[parameters('enableRules')]",
		"query":   literal(r.Query),
		"tactics": r.Tactics, "techniques": content.Parents(r.RelevantTechniques),
		"entityMappings": r.EntityMappings, "customDetails": r.CustomDetails,
		"alertDetailsOverride": r.AlertDetailsOverride, "eventGroupingSettings": r.EventGroupingSettings,
		"suppressionEnabled": false, "suppressionDuration": "PT5H",
		"incidentConfiguration": object{
			"createIncident": r.CreatesIncident(),
			"groupingConfiguration": object{
				"enabled": true, "matchingMethod": "AllEntities", "lookbackDuration": fmt.Sprintf("PT%gH", content.GroupingLookback.Hours()), "reopenClosedIncident": false,
			},
		},
	}
	version := nearRealTime
	if r.Kind == content.Scheduled {
		version = sentinelVersion
		var err error
		if properties["queryFrequency"], err = isoDuration(r.QueryFrequency); err != nil {
			return nil, err
		}
		if properties["queryPeriod"], err = isoDuration(r.QueryPeriod); err != nil {
			return nil, err
		}
		properties["triggerOperator"], properties["triggerThreshold"] = "GreaterThan", r.TriggerThreshold
	}
	return object{
		"type": "Microsoft.SecurityInsights/alertRules", "apiVersion": version, "kind": r.Kind, "name": r.ID,
		"scope":      "[variables('workspaceId')]",
		"dependsOn":  s.after(r.Query, ""),
		"properties": properties,
	}, nil
}

// isoDuration turns 1h into PT1H and 14d into P14D.
func isoDuration(s string) (string, error) {
	if _, err := content.Duration(s); err != nil {
		return "", err
	}
	if strings.HasSuffix(s, "d") {
		return "P" + strings.ToUpper(s), nil
	}
	return "PT" + strings.ToUpper(s), nil
}

// titles of the workbooks in the portal.
func title(w content.Workbook) string {
	switch w.File {
	case "SailPointISCIdentityActivity":
		return "SailPoint - Identity activity"
	case "SailPointISCConnectorHealth":
		return "SailPoint - Connector health"
	}
	return w.File
}

func watchlist(w playbooks.Watchlist) object {
	return object{
		"type": "Microsoft.SecurityInsights/watchlists", "apiVersion": sentinelVersion, "name": w.Alias,
		"condition": "[parameters('createWatchlists')]", "scope": "[variables('workspaceId')]", "properties": w.Properties(),
	}
}

func workbook(w content.Workbook) object {
	return object{
		"type": "Microsoft.Insights/workbooks", "apiVersion": workbooksVersion, "kind": "shared",
		"name":     fmt.Sprintf("[guid(variables('workspaceId'), '%s')]", w.File),
		"location": "[parameters('location')]",
		"tags":     "[if(empty(parameters('tags')), null(), parameters('tags'))]",
		"properties": object{
			"displayName": title(w), "category": "sentinel", "version": "Notebook/1.0",
			"sourceId": "[variables('workspaceId')]", "serializedData": w.Text,
		},
	}
}

// page makes the connector page of a template from that of the repository:
// the same in the terms of a newer resource type, which has a stable version.
func (s *Solution) page() (object, error) {
	var page object
	if err := json.Unmarshal(s.Connector, &page); err != nil {
		return nil, fmt.Errorf("read %s: %w", connectorFile, err)
	}
	page["connectivityCriteria"] = page["connectivityCriterias"]
	// What the template's type does not know. Sample queries are in the cookbook.
	for _, member := range []string{"connectivityCriterias", "metadata", "sampleQueries"} {
		delete(page, member)
	}
	return object{
		"type": "Microsoft.SecurityInsights/dataConnectorDefinitions", "apiVersion": sentinelVersion, "kind": "Customizable",
		"name": Name, "scope": "[variables('workspaceId')]",
		"properties": object{"connectorUiConfig": page},
	}, nil
}

// oneLine joins the lines of a description.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
