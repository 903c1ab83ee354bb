package accept

import (
	"regexp"
	"slices"
	"strings"
)

const ttkForm = "arm-ttk: testcases/CreateUIDefinition/"

var control = regexp.MustCompile(`(basics|steps)\('([^']+)'\)(?:\.(\w+))?`)

// forms are the rules of arm-ttk for Package/createUiDefinition.json.
func forms() []Check { //nolint:funlen,gocyclo // a table: each check is short
	on := func(f func(form object, raw []byte, template object) []string) func(Tree) []string {
		return func(t Tree) []string {
			return t.each(ending("/Package/createUiDefinition.json"), func(name string, raw []byte) []string {
				return f(parsedObject(raw), raw, parsedObject(t.Files[strings.TrimSuffix(name, "createUiDefinition.json")+"mainTemplate.json"]))
			})
		}
	}
	return []Check{
		{"form: schema, handler, parameters", ttkForm + "CreateUIDefinition-Should-Have-Schema.test.ps1, Handler-Must-Be-Correct.test.ps1 and CreateUIDefinition-Must-Have-Parameters.test.ps1", on(func(f object, _ []byte, _ object) []string {
			var problems []string
			if !strings.HasPrefix(text(f, "$schema"), "https://schema.management.azure.com/schemas/") || !strings.Contains(strings.ToLower(text(f, "$schema")), "createuidefinition") || !strings.Contains(text(f, "$schema"), text(f, "version")) {
				problems = append(problems, "$schema "+text(f, "$schema"))
			}
			if h := text(f, "handler"); h != "Microsoft.Azure.CreateUIDef" && h != "Microsoft.Compute.MultiVm" {
				problems = append(problems, "handler "+h)
			}
			if at(f, "parameters") == nil {
				problems = append(problems, "no parameters")
			}
			return problems
		})},
		{"form: nothing empty", ttkForm + "CreateUIDefinition-Must-Not-Have-Blanks.test.ps1", on(func(_ object, raw []byte, _ object) []string {
			var problems []string
			for _, m := range blank.FindAllSubmatch(raw, -1) {
				if name := string(m[1]); !slices.Contains([]string{"basics", "defaultValue", "steps"}, name) && !strings.HasSuffix(name, `\`) {
					problems = append(problems, name+" is empty")
				}
			}
			return problems
		})},
		{"form: tooltips", ttkForm + "Tooltips-Should-Be-Present.test.ps1", on(func(f object, _ []byte, _ object) []string {
			var problems []string
			walk(f, "", func(where, name string, owner object, value any) {
				kind, _ := value.(string)
				if name != "type" || !strings.HasPrefix(kind, "Microsoft.") || slices.Contains([]string{"Microsoft.Common.InfoBox", "Microsoft.Common.Section", "Microsoft.Common.TextBlock"}, kind) {
					return
				}
				if strings.TrimSpace(text(owner, "toolTip")) == "" {
					problems = append(problems, where+" has no toolTip")
				}
			})
			return problems
		})},
		{"form: location is an output", ttkForm + "Location-Should-Be-In-Outputs.test.ps1", on(func(f object, _ []byte, _ object) []string {
			if text(f, "parameters", "outputs", "location") == "" {
				return []string{"no location"}
			}
			return nil
		})},
		{"form: outputs are parameters", ttkForm + "Outputs-Must-Be-Present-In-Template-Parameters.test.ps1", on(func(f object, _ []byte, t object) []string {
			var problems []string
			outputs, _ := at(f, "parameters", "outputs").(object)
			if len(outputs) == 0 {
				problems = append(problems, "no outputs")
			}
			for name := range outputs {
				if at(t, "parameters", name) == nil {
					problems = append(problems, "the template has no parameter "+name)
				}
			}
			return problems
		})},
		{"form: parameters without default are outputs", ttkForm + "Parameters-Without-Default-Must-Exist-In-CreateUIDefinition.test.ps1", on(func(f object, _ []byte, t object) []string {
			var problems []string
			parameters, _ := t["parameters"].(object)
			for name, p := range parameters {
				if at(p, "defaultValue") == nil && at(f, "parameters", "outputs", name) == nil {
					problems = append(problems, name+" has no default and is no output")
				}
			}
			return problems
		})},
		{"form: controls in outputs exist", ttkForm + "Controls-In-Outputs-Must-Exist.test.ps1", on(func(f object, _ []byte, _ object) []string {
			names := map[string]bool{}
			for _, part := range []string{"basics", "steps"} {
				walk(at(f, "parameters", part), "", func(_, name string, _ object, value any) {
					if s, ok := value.(string); ok && name == "name" {
						names[s] = true
					}
				})
			}
			var problems []string
			outputs, _ := at(f, "parameters", "outputs").(object)
			for name, o := range outputs {
				expression, _ := o.(string)
				for _, m := range control.FindAllStringSubmatch(expression, -1) {
					if !names[m[2]] {
						problems = append(problems, name+" refers to "+m[2])
					}
				}
			}
			return problems
		})},
	}
}
