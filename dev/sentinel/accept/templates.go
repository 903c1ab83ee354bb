package accept

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const ttk = "arm-ttk: testcases/deploymentTemplate/"

var (
	blank      = regexp.MustCompile(`"([^"]{1,})"\s*:\s*(?:\{\s*\}|\[\s*\]|"\s*"|null)`)
	idCall     = regexp.MustCompile(`\s*\[\s*(?:extensionResourceId|resourceId|subscriptionResourceId|tenantResourceId|if|parameters|reference|variables|subscription|guid)\s*\(`)
	inVersion  = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)
	cloudHosts = regexp.MustCompile(`(?i)(portal\.azure\.(com|us|cn)|management\.(azure|core\.windows|usgovcloudapi|chinacloudapi)\.(com|net|cn)|login\.microsoftonline\.(com|us)|graph\.windows\.net|gallery\.azure\.com|gallery\.usgovcloudapi\.net|batch\.core\.windows\.net|datalake\.azure\.net|\.vault\.azure\.net|database\.windows\.net)`)
	concatIDs  = regexp.MustCompile(`\[\s*(?:resourceId\s*\(\s*(?:resourceGroup\(|subscription\(|concat\s*\()|(?:tenantResourceId|extensionResourceId|reference|list\w+)\s*\(\s*concat\s*\(|subscriptionResourceId\s*\(\s*(?:subscription\(|concat\s*\())`)
	reference  = regexp.MustCompile(`\b(variables|parameters)\('([^']+)'\)`)
	groupPlace = regexp.MustCompile(`(?i)(?:resourceGroup|deployment)\(\)\.location`)
)

// templates are the rules of arm-ttk for Package/mainTemplate.json.
func templates() []Check { //nolint:funlen,gocyclo // a table: each check is short
	on := func(f func(template object, raw []byte) []string) func(Tree) []string {
		return func(t Tree) []string {
			return t.each(ending(mainTemplate), func(_ string, raw []byte) []string { return f(parsedObject(raw), raw) })
		}
	}
	return []Check{
		{"template: schema and version", ttk + "DeploymentTemplate-Schema-Is-Correct.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			if !strings.HasPrefix(text(t, "$schema"), "https://schema.management.azure.com/schemas/") || !strings.HasSuffix(text(t, "$schema"), "eploymentTemplate.json#") {
				problems = append(problems, "$schema "+text(t, "$schema"))
			}
			if !inVersion.MatchString(text(t, "contentVersion")) {
				problems = append(problems, "contentVersion "+text(t, "contentVersion"))
			}
			for _, key := range []string{"parameters", "resources"} {
				if t[key] == nil {
					problems = append(problems, "no "+key)
				}
			}
			return problems
		})},
		{"template: nothing empty", ttk + "Template-Should-Not-Contain-Blanks.test.ps1", on(func(_ object, raw []byte) []string {
			may := []string{"resources", "outputs", "variables", "parameters", "functions", "properties", "defaultValue", "accessPolicies", "value", "promotionCode", "inputs", "notEquals", "clientId", "allowedCallerIpAddresses"}
			var problems []string
			for _, m := range blank.FindAllSubmatch(raw, -1) {
				if name := string(m[1]); !slices.Contains(may, name) && !strings.HasPrefix(strings.TrimSpace(name), "[") && !strings.HasSuffix(name, `\`) {
					problems = append(problems, name+" is empty")
				}
			}
			return problems
		})},
		{"template: ids are derived", ttk + "IDs-Should-Be-Derived-From-ResourceIDs.test.ps1", on(func(t object, _ []byte) []string {
			not := []string{"appId", "clientId", "DataTypeId", "defaultMenuItemId", "keyVaultSecretId", "keyId", "objectId", "menuId", "policyDefinitionReferenceId", "servicePrincipalClientId", "subscriptionId", "tenantId", "timezoneId", "vlanId", "contentProductId", "id"}
			// Packages that the repository has taken have such names in customDetails, and id and contentProductId
			// are left out by .github/actions/entrypoint.ps1.
			var problems []string
			walk(at(t, "resources"), "resources", func(where, name string, owner object, value any) {
				id, ok := value.(string)
				if !ok || !strings.HasSuffix(strings.ToLower(name), "id") || slices.Contains(not, name) || strings.Contains(where, ".metadata.") ||
					strings.HasSuffix(where, ".customDetails") || strings.Contains(where, ".parameters.") || strings.Contains(where, "tags") || strings.Contains(where, ".definition.") || strings.EqualFold(text(owner, "type"), "Microsoft.Logic/workflows") {
					return
				}
				if !idCall.MatchString(id) {
					problems = append(problems, fmt.Sprintf("%s.%s is %q", where, name, id))
				}
			})
			return problems
		})},
		{"template: region", ttk + "Location-Should-Not-Be-Hardcoded.test.ps1", on(func(t object, raw []byte) []string {
			var problems []string
			if d := text(t, "parameters", "location", "defaultValue"); at(t, "parameters", "location") != nil && d != "[resourceGroup().location]" {
				problems = append(problems, "parameter location defaults to "+d)
			}
			for i, r := range list(t, "resources") {
				if l := text(r, "location"); l != "" && l != "global" && !strings.HasPrefix(l, "[") {
					problems = append(problems, fmt.Sprintf("resources[%d].location is %s", i, l))
				}
			}
			// Where it is used, it is the parameter; templates inside are in brackets of their own.
			for _, m := range groupPlace.FindAllIndex(raw, -1) {
				line := raw[lineStart(raw, m[0]):m[1]]
				if !strings.Contains(string(line), `"defaultValue"`) && !strings.Contains(string(line), `"[[`) {
					problems = append(problems, "the place of the resource group is used outside of a parameter")
				}
			}
			return problems
		})},
		{"template: resources have a region", ttk + "Resources-Should-Have-Location.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			for i, r := range list(t, "resources") {
				if l, ok := at(r, "location").(string); ok && strings.TrimSpace(l) == "" {
					problems = append(problems, fmt.Sprintf("resources[%d] has an empty location", i))
				}
				if strings.HasSuffix(text(r, "type"), "/contentTemplates") && text(r, "location") == "" {
					problems = append(problems, fmt.Sprintf("resources[%d] has no location", i))
				}
			}
			return problems
		})},
		{"template: no address of a cloud", ttk + "DeploymentTemplate-Must-Not-Contain-Hardcoded-Uri.test.ps1", func(t Tree) []string {
			return t.each(func(name string) bool { return strings.HasSuffix(name, mainTemplate) && !isOwn(t.Files[name]) }, func(_ string, raw []byte) []string {
				var problems []string
				for _, m := range cloudHosts.FindAllIndex(raw, -1) {
					if !strings.HasSuffix(string(raw[:m[0]]), "https://schema.") {
						problems = append(problems, string(raw[m[0]:m[1]]))
					}
				}
				return slices.Compact(problems)
			})
		}},
		{"template: dependencies", ttk + "DependsOn-Best-Practices.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			walk(at(t, "resources"), "resources", func(where, name string, _ object, value any) {
				if name != "dependsOn" {
					return
				}
				for _, d := range strs(value) {
					if regexp.MustCompile(`^\s*\[\s*(if|concat)\s*\(`).MatchString(d) {
						problems = append(problems, where+" depends on "+d)
					}
				}
			})
			return problems
		})},
		{"template: parameters are used", ttk + "Parameters-Must-Be-Referenced.test.ps1", on(func(t object, raw []byte) []string { return unused(t, raw, "parameters") })},
		{"template: variables are used", ttk + "Variables-Must-Be-Referenced.test.ps1", on(func(t object, raw []byte) []string { return unused(t, raw, "variables") })},
		{"template: what is used exists", "own: Azure Resource Manager refuses the template", on(func(t object, _ []byte) []string {
			var problems []string
			used := func(where string, value any) {
				expression, ok := value.(string)
				if !ok || !strings.HasPrefix(expression, "[") || strings.HasPrefix(expression, "[[") {
					return // a text, or an expression of a template inside
				}
				for _, m := range reference.FindAllStringSubmatch(expression, -1) {
					if at(t, m[1], m[2]) == nil {
						problems = append(problems, where+": no "+m[2]+" in "+m[1])
					}
				}
			}
			walk(t, "", func(where, name string, _ object, value any) {
				used(where+"."+name, value)
				for _, one := range strs(value) {
					used(where+"."+name, one)
				}
			})
			return problems
		})},
		{"template: resource ids", ttk + "ResourceIds-should-not-contain.test.ps1", on(func(_ object, raw []byte) []string {
			var problems []string
			for _, m := range concatIDs.FindAll(raw, -1) {
				problems = append(problems, string(m))
			}
			return problems
		})},
		{"template: smallest and largest are numbers", ttk + "Min-And-Max-Value-Are-Numbers.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			parameters, _ := t["parameters"].(object)
			for name, p := range parameters {
				for _, key := range []string{"minValue", "maxValue", "minLength", "maxLength"} {
					if v := at(p, key); v != nil {
						if _, ok := v.(float64); !ok {
							problems = append(problems, name+"."+key+" is no number")
						}
					}
				}
			}
			return problems
		})},
		{"template: secrets", ttk + "Secure-String-Parameters-Cannot-Have-Default.test.ps1 and Outputs-Must-Not-Contain-Secrets.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			walk(t, "", func(where, name string, _ object, value any) {
				if strings.EqualFold(text(value, "type"), "securestring") && text(value, "defaultValue") != "" && strings.HasSuffix(where, "parameters") {
					problems = append(problems, name+" has a default")
				}
			})
			if out := fmt.Sprint(t["outputs"]); regexp.MustCompile(`(?i)list\w*keys?\(|parameters\('[^']*(password|secret)`).MatchString(out) {
				problems = append(problems, "the outputs have secrets")
			}
			return problems
		})},
		{"template: limits", "own: limits of Azure Resource Manager (256 parameters, 256 variables, 800 resources, 4 MB)", on(func(t object, raw []byte) []string {
			var problems []string
			parameters, _ := t["parameters"].(object)
			variables, _ := t["variables"].(object)
			for what, n := range map[string][2]int{"parameters": {len(parameters), 256}, "variables": {len(variables), 256}, "resources": {len(list(t, "resources")), 800}, "bytes": {len(raw), 4 << 20}} {
				if n[0] > n[1] {
					problems = append(problems, fmt.Sprintf("%d %s", n[0], what))
				}
			}
			return problems
		})},
		{"template: each resource once", ttk + "Resources-Should-Not-Be-Ambiguous.test.ps1", on(func(t object, _ []byte) []string {
			var problems []string
			seen := map[string]bool{}
			for _, r := range list(t, "resources") {
				key := text(r, "type") + " " + text(r, "name")
				if seen[key] {
					problems = append(problems, key+" is there twice")
				}
				seen[key] = true
			}
			return problems
		})},
	}
}

// isOwn is whether a package is not for the repository but for deploying from here.
func isOwn(raw []byte) bool { return strings.Contains(string(raw), `"solutionId": "idnsentinel.`) }

func lineStart(raw []byte, i int) int {
	for i > 0 && raw[i-1] != '\n' {
		i--
	}
	return i
}

func unused(t object, raw []byte, kind string) []string {
	var problems []string
	members, _ := t[kind].(object)
	for name := range members {
		if !strings.Contains(strings.ToLower(string(raw)), strings.ToLower(kind+"('"+name+"')")) {
			problems = append(problems, name+" is not used")
		}
	}
	return problems
}
