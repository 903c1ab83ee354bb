package accept

import (
	"slices"
	"strings"
	"time"
)

func playbooks() []Check { //nolint:funlen // a table: each check is short
	onPlaybooks := func(f func(t object, main object) []string) func(Tree) []string {
		return func(t Tree) []string {
			return t.each(func(name string) bool {
				return strings.Contains(name, "Playbooks/") && strings.HasSuffix(name, "azuredeploy.json")
			}, func(_ string, raw []byte) []string {
				template := parsedObject(raw)
				var flows []object
				for _, r := range list(template, "resources") {
					if text(r, "type") == "Microsoft.Logic/workflows" {
						flow, _ := r.(object)
						flows = append(flows, flow)
					}
				}
				if len(flows) == 0 {
					return nil // a custom connector, for instance
				}
				var main object
				for _, flow := range flows {
					if text(flow, "name") == "[parameters('PlaybookName')]" {
						if main != nil {
							return []string{"two playbooks are named by PlaybookName"}
						}
						main = flow
					}
				}
				return f(template, main)
			})
		}
	}
	return []Check{
		{"playbooks: parameter PlaybookName", ".script/utils/playbookCheckers/playbookArmTemplateParametersChecker.ts", onPlaybooks(func(t, _ object) []string {
			if at(t, "parameters", "PlaybookName") == nil {
				return []string{"no parameter PlaybookName"}
			}
			return nil
		})},
		{"playbooks: name and region", ".script/utils/playbookCheckers/playbookResourceChecker.ts", onPlaybooks(func(_, main object) []string {
			if main == nil {
				return []string{"no playbook is named by PlaybookName"}
			}
			if !strings.EqualFold(text(main, "location"), "[resourceGroup().location]") {
				return []string{"location " + text(main, "location")}
			}
			return nil
		})},
		{"playbooks: connections", ".script/utils/playbookCheckers/playbookArmTemplateAPIConnectionsChecker.ts", onPlaybooks(func(t, _ object) []string {
			var problems []string
			for _, r := range list(t, "resources") {
				if !strings.EqualFold(text(r, "type"), "Microsoft.Web/connections") {
					continue
				}
				name := text(r, "name")
				inner, ok := strings.CutPrefix(name, "[variables('")
				inner, closed := strings.CutSuffix(inner, "')]")
				if !ok || !closed || at(t, "variables", inner) == nil {
					problems = append(problems, "connection "+name+" is not named by a variable of the template")
				}
			}
			return problems
		})},
		{"playbooks: metadata", ".script/utils/playbookCheckers/playbookArmTemplateMetadataChecker.ts", onPlaybooks(func(t, _ object) []string {
			var problems []string
			m := at(t, "metadata")
			for _, path := range [][]string{{"title"}, {"description"}, {"lastUpdateTime"}, {"support", "tier"}, {"author", "name"}} {
				if strings.TrimSpace(text(m, path...)) == "" {
					problems = append(problems, "no metadata."+strings.Join(path, "."))
				}
			}
			if s := text(m, "lastUpdateTime"); s != "" && !slices.ContainsFunc([]string{time.RFC3339, "2006-01-02T15:04:05.000Z", time.DateOnly}, func(f string) bool { _, err := time.Parse(f, s); return err == nil }) {
				problems = append(problems, "lastUpdateTime "+s)
			}
			for _, e := range strs(at(m, "entities")) {
				if !slices.Contains([]string{"account", "dns", "dnsresolution", "file", "filehash", "host", "ip", "malware", "process", "registrykey", "registryvalue", "securitygroup", "url", "mailbox", "mailcluster", "mailmessage", "submissionmail", "azureresource", "cloudapplication"}, strings.ToLower(e)) {
					problems = append(problems, "entity "+e)
				}
			}
			return problems
		})},
	}
}
