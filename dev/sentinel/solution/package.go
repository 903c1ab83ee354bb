package solution

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// The form of a package is version 3 of the solution repository's: a content template for each piece of
// content, a content package that names them all, and at once what works without anybody choosing it:
// the functions and the connector page.
const (
	contentTemplates = "Microsoft.OperationalInsights/workspaces/providers/contentTemplates"
	contentPackages  = "Microsoft.OperationalInsights/workspaces/providers/contentPackages"
	metadataType     = "Microsoft.OperationalInsights/workspaces/providers/metadata"
	dataConnectors   = "Microsoft.OperationalInsights/workspaces/providers/dataConnectors"
	ruleTemplates    = "Microsoft.SecurityInsights/AlertRuleTemplates"

	contentVersion   = "2023-04-01-preview"
	metadataVersion  = "2023-04-01-preview"
	rulesVersion     = "2023-02-01-preview"
	searchesVersion  = "2025-07-01"
	connectorVersion = "2021-03-01-preview"

	templateSchema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
	inRegion       = "[parameters('workspace-location')]"
)

// part is a piece of content in a package.
type part struct {
	kind, short string // AnalyticsRule, ar
	name        string // of its variable: letters, digits and _
	id          string // content id
	version     string
	title       string // shown
	text        string // description
	resource    string // expression of the resource's id
	resources   []object
	// fixed are resources that are deployed at once, not when somebody chooses the template.
	fixed []object
	// parameters are those of the template itself; others read those of the package.
	parameters object
}

func (p part) variable() string { return p.short + "_" + p.name }
func (p part) of(member string) string {
	return fmt.Sprintf("variables('%s').%s", p.variable(), member)
}
func (p part) ref(member string) string { return "[" + p.of(member) + "]" }

// variables are what a template refers to. Ids come from variables because arm-ttk wants no literal in a
// property that is called an id.
func (p part) variables() object {
	return object{
		"contentId":    p.id,
		"version":      p.version,
		"resourceId":   "[" + p.resource + "]",
		"templateName": fmt.Sprintf("[concat(parameters('workspace'),'/Microsoft.SecurityInsights/',concat(parameters('workspace'),'-%s-',uniqueString('%s')))]", p.short, p.id),
		"productId":    fmt.Sprintf("[concat(take(variables('_solutionId'),50),'-','%s','-', uniqueString(concat(variables('_solutionId'),'-','%s','-','%s','-', '%s')))]", p.short, p.kind, p.id, p.version),
	}
}

// metadata ties a resource to the solution.
func (p part) metadata(v Variant) object {
	return object{
		"type": metadataType, "apiVersion": metadataVersion,
		"name": fmt.Sprintf("[concat(parameters('workspace'),'/Microsoft.SecurityInsights/',concat('%s-', last(split(%s,'/'))))]", p.kind, p.of("resourceId")),
		"properties": object{
			"description": p.text, "parentId": p.ref("resourceId"), "contentId": p.ref("contentId"), "kind": p.kind, "version": p.ref("version"),
			"source": object{"kind": "Solution", "name": v.Folder, "sourceId": "[variables('_solutionId')]"},
			"author": object{"name": v.Author}, "support": v.Metadata.Support,
		},
	}
}

func (p part) template(v Variant) object {
	inner := object{
		"$schema": templateSchema, "contentVersion": p.ref("version"),
		"parameters": object{}, "variables": object{},
		"resources": append(slices.Clone(p.resources), p.metadata(v)),
	}
	if p.parameters != nil {
		inner["parameters"] = p.parameters
	}
	return object{
		"type": contentTemplates, "apiVersion": contentVersion, "name": p.ref("templateName"), "location": inRegion,
		"dependsOn": []string{"[extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/contentPackages', variables('_solutionId'))]"},
		"properties": object{
			"description": p.title + ", template of version " + p.version, "mainTemplate": inner,
			"packageKind": "Solution", "packageVersion": "[variables('_solutionVersion')]", "packageName": "[variables('_solutionName')]", "packageId": "[variables('_solutionId')]",
			"contentSchemaVersion": "3.0.0", "contentId": p.ref("contentId"), "contentKind": p.kind, "displayName": p.title,
			"contentProductId": p.ref("productId"), "id": p.ref("productId"), "version": p.ref("version"),
		},
	}
}

// parts lists the content of a variant.
func (s *Solution) parts(v Variant) ([]part, error) {
	connector, err := s.connectorPart(v)
	if err != nil {
		return nil, err
	}
	all := []part{connector}
	for _, f := range s.Functions {
		all = append(all, s.functionPart(f, v))
	}
	for _, r := range s.Rules {
		p, err := s.rulePart(r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.File, err)
		}
		all = append(all, p)
	}
	for _, h := range s.Hunts {
		all = append(all, s.huntPart(h))
	}
	for _, w := range s.Workbooks {
		all = append(all, s.workbookPart(w))
	}
	for _, p := range s.Playbooks {
		one, err := playbookPart(p, s.Version)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (s *Solution) rulePart(r content.Rule) (part, error) {
	rule, err := s.rule(r)
	if err != nil {
		return part{}, err
	}
	properties, ok := rule["properties"].(object)
	if !ok {
		return part{}, fmt.Errorf("no properties in the resource of rule %s", r.File)
	}
	properties = maps.Clone(properties)
	properties["enabled"], properties["status"] = false, r.Status
	var required []object
	for _, c := range r.RequiredDataConnectors {
		required = append(required, object{"connectorId": "[variables('dc_connector').contentId]", "dataTypes": c.DataTypes})
	}
	properties["requiredDataConnectors"] = required
	p := part{
		kind: "AnalyticsRule", short: "ar", name: r.File, id: r.ID, version: r.Version, title: r.Name, text: oneLine(r.Description),
		resource: fmt.Sprintf("resourceId('%s', '%s')", ruleTemplates, r.ID),
	}
	p.resources = []object{{
		"type": ruleTemplates, "apiVersion": rulesVersion, "kind": r.Kind, "name": p.ref("contentId"), "location": inRegion, "properties": unblank(properties),
	}}
	return p, nil
}

func (s *Solution) huntPart(h content.Hunt) part {
	hunt := s.hunt(h)
	p := part{
		kind: "HuntingQuery", short: "hq", name: h.File, id: h.ID, version: cmp.Or(h.Version, s.Version), title: h.Name, text: oneLine(h.Description),
		resource: fmt.Sprintf("resourceId('Microsoft.OperationalInsights/savedSearches', '%s')", h.ID),
	}
	p.resources = []object{{
		"type": "Microsoft.OperationalInsights/savedSearches", "apiVersion": searchesVersion, "name": h.File, "location": inRegion, "properties": hunt["properties"],
	}}
	return p
}

func (s *Solution) functionPart(f content.Function, v Variant) part {
	function := s.function(f)
	properties, _ := function["properties"].(object)
	properties = maps.Clone(properties)
	properties["category"], properties["eTag"] = "Microsoft Sentinel Parser", "*"
	p := part{
		kind: "Parser", short: "pr", name: f.Name, id: f.Name + "-Parser", version: s.Version, title: f.Head["title"], text: f.Head["title"],
		resource: fmt.Sprintf("resourceId('%s', parameters('workspace'), '%s')", savedSearches, f.Name),
	}
	saved := object{
		"type": savedSearches, "apiVersion": searchesVersion, "name": fmt.Sprintf("[concat(parameters('workspace'),'/','%s')]", f.Name),
		"location": inRegion, "properties": properties,
	}
	p.resources = []object{saved}
	// What calls a function is refused where it does not exist: so the functions are there at once.
	fixed := maps.Clone(saved)
	if after := s.after(f.Body, f.Name); len(after) > 0 {
		fixed["dependsOn"] = after
	}
	meta := p.metadata(v)
	meta["location"], meta["dependsOn"] = inRegion, []string{p.ref("resourceId")}
	p.fixed = []object{fixed, meta}
	return p
}

func (s *Solution) workbookPart(w content.Workbook) part {
	p := part{
		kind: "Workbook", short: "wb", name: w.File, id: w.File + "Workbook", version: s.Version, title: title(w), text: about(w),
		resource: fmt.Sprintf("resourceId('Microsoft.Insights/workbooks', '%sWorkbook')", w.File),
	}
	p.resources = []object{{
		"type": "Microsoft.Insights/workbooks", "apiVersion": workbooksVersion, "kind": "shared", "name": p.ref("contentId"), "location": inRegion,
		"metadata": object{"description": p.text},
		"properties": object{
			"displayName": p.title, "serializedData": w.Text, "version": "1.0", "sourceId": "[variables('workspaceResourceId')]", "category": "sentinel",
		},
	}}
	return p
}

func (s *Solution) connectorPart(v Variant) (part, error) {
	text := s.pageOf(v)
	var page object
	if err := json.Unmarshal(text, &page); err != nil {
		return part{}, fmt.Errorf("read %s: %w", connectorFile, err)
	}
	delete(page, "metadata")
	name, _ := page["title"].(string)
	about, _ := page["descriptionMarkdown"].(string)
	p := part{
		kind: "DataConnector", short: "dc", name: "connector", id: Name, version: s.Version, title: name, text: about,
		resource: fmt.Sprintf("extensionResourceId(resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace')), 'Microsoft.SecurityInsights/dataConnectors', '%s')", Name),
	}
	page["id"] = p.ref("contentId")
	connector := object{
		"type": dataConnectors, "apiVersion": connectorVersion, "kind": "GenericUI", "location": inRegion,
		"name":       fmt.Sprintf("[concat(parameters('workspace'),'/Microsoft.SecurityInsights/',%s)]", p.of("contentId")),
		"properties": object{"connectorUiConfig": page},
	}
	p.resources = []object{connector}
	meta := p.metadata(v)
	meta["location"], meta["dependsOn"] = inRegion, []string{p.ref("resourceId")}
	p.fixed = []object{meta, connector}
	return p, nil
}

// button is a link of the connector page to the portal.
var button = regexp.MustCompile(`\(https://portal\.azure\.(com|us)/#create/Microsoft\.Template/[^)\s]*\)`)

// pageOf is the connector page of a variant.
func (s *Solution) pageOf(v Variant) []byte {
	if v.OneClick {
		return s.Connector
	}
	// One button is enough for one page.
	text := button.ReplaceAll(s.Connector, []byte("("+home+"#readme)"))
	second := `\n[![Deploy To Azure Government](https://aka.ms/deploytoazuregovbutton)](` + home + `#readme)`
	return []byte(strings.ReplaceAll(string(text), second, ""))
}

// Playbook is a Logic App as an ARM template that can be deployed by itself.
type Playbook struct {
	Path string // below Playbooks: Folder/azuredeploy.json
	Text []byte
}

var notInNames = regexp.MustCompile(`\W+`)

// playbookPart makes the template of a playbook: what it computes it computes when somebody deploys it, so
// its expressions are kept from those of the package by a second bracket.
func playbookPart(p Playbook, version string) (part, error) {
	var doc struct {
		Metadata struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"metadata"`
		Parameters object   `json:"parameters"`
		Variables  object   `json:"variables"`
		Resources  []object `json:"resources"`
	}
	if err := json.Unmarshal(p.Text, &doc); err != nil {
		return part{}, fmt.Errorf("read playbook %s: %w", p.Path, err)
	}
	folder := path.Dir(p.Path)
	one := part{
		kind: "Playbook", short: "pl", name: notInNames.ReplaceAllString(folder, "_"), id: path.Base(folder), version: version,
		title: doc.Metadata.Title, text: doc.Metadata.Description,
		resource: fmt.Sprintf("resourceId('Microsoft.Logic/workflows', '%s')", path.Base(folder)),
	}
	if one.title == "" {
		one.title = one.id
	}
	// The inner variables become values of the place where they are used: the package has one list of variables.
	parameters, _ := quoted(doc.Parameters).(object)
	one.parameters = parameters
	for _, r := range doc.Resources {
		resource, _ := quoted(inlined(r, doc.Variables, 8)).(object)
		filled(resource)
		one.resources = append(one.resources, resource)
	}
	return one, nil
}

var innerVariable = regexp.MustCompile(`variables\('([^']*)'\)`)

// inlined puts the values of a template's own variables where they are used.
func inlined(v any, variables object, depth int) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, m := range v {
			out[k] = inlined(m, variables, depth)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = inlined(m, variables, depth)
		}
		return out
	case string:
		if !strings.HasPrefix(v, "[") || strings.HasPrefix(v, "[[") || depth == 0 {
			return v
		}
		if m := innerVariable.FindStringSubmatch(v); m != nil && v == "["+m[0]+"]" {
			return inlined(variables[m[1]], variables, depth-1)
		}
		changed := innerVariable.ReplaceAllStringFunc(v, func(call string) string {
			value, ok := variables[innerVariable.FindStringSubmatch(call)[1]].(string)
			if !ok {
				return call // not a text: the test of the package finds what is left
			}
			if strings.HasPrefix(value, "[") {
				return strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
			}
			return "'" + value + "'"
		})
		if changed != v {
			return inlined(changed, variables, depth-1)
		}
		return v
	}
	return v
}

// quoted keeps expressions from being evaluated by the template around them.
func quoted(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, m := range v {
			out[k] = quoted(m)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = quoted(m)
		}
		return out
	case string:
		return literal(v)
	}
	return v
}

// filled puts expressions in place of what is empty, as the tools of the repository do: arm-ttk refuses an
// empty member, and Logic Apps need some. The package evaluates them.
func filled(o object) {
	may := []string{"resources", "outputs", "variables", "parameters", "functions", "properties", "defaultValue", "value", "inputs"}
	for name, v := range o {
		switch v := v.(type) {
		case object:
			if len(v) == 0 && !slices.Contains(may, name) {
				o[name] = "[variables('TemplateEmptyObject')]"
			}
			filled(v)
		case []any:
			if len(v) == 0 && !slices.Contains(may, name) {
				o[name] = "[variables('TemplateEmptyArray')]"
			}
			for _, one := range v {
				if inner, ok := one.(object); ok {
					filled(inner)
				}
			}
		case string:
			if v == "" && !slices.Contains(may, name) {
				o[name] = "[variables('blanks')]"
			}
		}
	}
}

// packed is a package before it is text.
type packed struct {
	parameters, variables object
	resources             []object
	criteria              []object
	counts                map[string]int // parts by kind
}

// pack makes the package of a variant.
func (s *Solution) pack(v Variant) (packed, error) {
	parts, err := s.parts(v)
	if err != nil {
		return packed{}, err
	}
	out := packed{
		parameters: object{
			"location": object{
				"type": "string", "minLength": 1, "defaultValue": "[resourceGroup().location]",
				"metadata": object{"description": "Not used: everything is where the workspace is. The form of the portal and arm-ttk want it."},
			},
			"workspace-location": object{
				"type": "string", "defaultValue": "",
				"metadata": object{"description": "[concat('Region of the workspace, in which the content is, whatever is chosen as ',parameters('location'))]"},
			},
			"workspace": object{
				"type": "string", "defaultValue": "",
				"metadata": object{"description": "Name of the Log Analytics workspace in this resource group that has Microsoft Sentinel."},
			},
		},
		variables: object{
			"_solutionName": v.Folder, "_solutionVersion": s.Version,
			"solutionId": v.ID(), "_solutionId": "[variables('solutionId')]",
			"workspaceResourceId":       "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace'))]",
			"_solutioncontentProductId": "[concat(take(variables('_solutionId'),50),'-','sl','-', uniqueString(concat(variables('_solutionId'),'-','Solution','-',variables('_solutionId'),'-', variables('_solutionVersion'))))]",
		},
		counts: map[string]int{},
	}
	for _, p := range parts {
		if _, ok := out.variables[p.variable()]; ok {
			return packed{}, fmt.Errorf("two parts are called %s", p.variable())
		}
		out.variables[p.variable()] = p.variables()
		out.resources = append(append(out.resources, p.template(v)), p.fixed...)
		out.criteria = append(out.criteria, object{"kind": p.kind, "contentId": p.ref("contentId"), "version": p.ref("version")})
		out.counts[p.kind]++
	}
	// Those that a part uses; a package has no variable that is not used.
	text, err := pretty(out.resources)
	if err != nil {
		return packed{}, err
	}
	empties := object{"TemplateEmptyObject": "[json('{}')]", "TemplateEmptyArray": "[json('[]')]", "blanks": "[replace('b', 'b', '')]"}
	for name, value := range empties {
		if strings.Contains(string(text), "variables('"+name+"')") {
			out.variables[name] = value
		}
	}
	for _, file := range slices.Sorted(maps.Keys(s.Watchlists)) {
		resource, name, err := watchlistPart(s.Watchlists[file])
		if err != nil {
			return packed{}, err
		}
		out.variables["wl_"+name] = name
		out.resources = append(out.resources, resource)
		out.criteria = append(out.criteria, object{"kind": "Watchlist", "contentId": "[variables('wl_" + name + "')]", "version": s.Version})
		out.counts["Watchlist"]++
	}
	return out, nil
}

// about is the description of the solution, in Markdown.
func (s *Solution) about(counts map[string]int) string {
	var numbers []string
	for _, c := range [][2]string{{"DataConnector", "Data Connectors"}, {"Parser", "Parsers"}, {"Workbook", "Workbooks"}, {"AnalyticsRule", "Analytic Rules"}, {"HuntingQuery", "Hunting Queries"}, {"Watchlist", "Watchlists"}, {"LogicAppsCustomConnector", "Custom Azure Logic Apps Connectors"}, {"Playbook", "Playbooks"}} {
		if n := counts[c[0]]; n > 0 {
			numbers = append(numbers, fmt.Sprintf("**%s:** %d", c[1], n))
		}
	}
	return s.Description() + "\n\n" + strings.Join(numbers, ", ")
}

// Description says what the solution is, without numbers.
func (s *Solution) Description() string {
	return "Audit events, event triggers and SaaS Management reports of [SailPoint Identity Security Cloud](https://www.sailpoint.com/) (IdentityNow), and optionally audit data of IdentityIQ and the Okta System Log: connector page, functions, ASIM parsers, analytic rules, hunting queries, playbooks and workbooks for Microsoft Sentinel.\n\n" +
		"**Underlying Microsoft Technologies used:**\n\n" +
		"[Azure Functions](https://azure.microsoft.com/services/functions/), and the [Logs Ingestion API](https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview) of Azure Monitor. Both, and what is ingested, are charged."
}

// bold and link are the Markdown that descriptions use.
var (
	bold = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
)

func toHTML(markdown string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(markdown, "\n\n") {
		text := html.EscapeString(paragraph)
		text = bold.ReplaceAllString(link.ReplaceAllString(text, `<a href="$2">$1</a>`), "<strong>$1</strong>")
		b.WriteString("<p>" + text + "</p>\n")
	}
	return b.String()
}

// text finishes a package.
func (s *Solution) text(p packed, v Variant) ([]byte, error) {
	resources := append(slices.Clone(p.resources), object{
		"type": contentPackages, "apiVersion": contentVersion, "location": inRegion,
		"name": "[concat(parameters('workspace'),'/Microsoft.SecurityInsights/', variables('_solutionId'))]",
		"properties": object{
			"version": s.Version, "kind": "Solution", "contentSchemaVersion": "3.0.0", "displayName": v.Folder, "publisherDisplayName": v.Metadata.Support.Name + ", " + v.Metadata.Support.Tier,
			"descriptionHtml": toHTML("**Note:** There may be [known issues](https://aka.ms/sentinelsolutionsknownissues) pertaining to this Solution, please refer to them before installing.\n\n" + s.about(p.counts)),
			"contentKind":     "Solution", "contentProductId": "[variables('_solutioncontentProductId')]", "id": "[variables('_solutioncontentProductId')]",
			"icon": v.Logo, "contentId": "[variables('_solutionId')]", "parentId": "[variables('_solutionId')]",
			"source": object{"kind": "Solution", "name": v.Folder, "sourceId": "[variables('_solutionId')]"},
			"author": object{"name": v.Author}, "support": v.Metadata.Support,
			"dependencies":     object{"operator": "AND", "criteria": p.criteria},
			"firstPublishDate": v.Metadata.FirstPublishDate, "lastPublishDate": v.Metadata.LastPublishDate,
			"providers": v.Metadata.Providers, "categories": v.Metadata.Categories,
		},
	})
	return pretty(object{
		"$schema": templateSchema, "contentVersion": "1.0.0.0",
		"metadata":   object{"author": v.Author, "comments": "Solution template for " + v.Folder + ". Generated by make solution of " + home},
		"parameters": p.parameters, "variables": p.variables, "resources": resources, "outputs": object{},
	})
}
