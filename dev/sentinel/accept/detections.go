package accept

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

const schemaTests = ".script/tests/detectionTemplateSchemaValidation/"

var (
	ruleID      = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	ruleVersion = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	detailName  = regexp.MustCompile(`^[a-zA-Z]+\w*$`)
	detailValue = regexp.MustCompile(`^[a-zA-Z_]+\w*$`)
	placeholder = regexp.MustCompile(`\{\{[^{}]+\}\}`)
)

func rules(name string) bool {
	return below("Analytic Rules", ".yaml")(name) || below("Detections", ".yaml")(name)
}

func hunts(name string) bool { return below("Hunting Queries", ".yaml")(name) }

func detections() []Check { //nolint:funlen,gocyclo // a table: each check is short
	onRules := func(f func(rule object) []string) func(Tree) []string {
		return func(t Tree) []string {
			return t.each(rules, func(_ string, raw []byte) []string { return f(yamlOf(raw)) })
		}
	}
	return []Check{
		{"rules: head", schemaTests + "Models/AnalyticsTemplateInternalModelBase.cs and QueryBasedTemplateInternalModel.cs", onRules(func(r object) []string {
			var problems []string
			add := func(ok bool, text string, args ...any) {
				if !ok {
					problems = append(problems, fmt.Sprintf(text, args...))
				}
			}
			add(ruleID.MatchString(text(r, "id")), "id %q", text(r, "id"))
			add(slices.Contains([]string{"Scheduled", "NRT"}, text(r, "kind")), "kind %q", text(r, "kind"))
			add(text(r, "name") != "" && len(text(r, "name")) <= 256, "name %q", text(r, "name"))
			add(text(r, "description") != "" && len(text(r, "description")) <= 5000, "the description has %d characters", len(text(r, "description")))
			add(slices.Contains([]string{"Informational", "Low", "Medium", "High"}, text(r, "severity")), "severity %q", text(r, "severity"))
			add(text(r, "query") != "" && len(text(r, "query")) <= 10000, "the query has %d characters", len(text(r, "query")))
			add(ruleVersion.MatchString(text(r, "version")) && len(text(r, "version")) <= 20, "version %q", text(r, "version"))
			return problems
		})},
		{"rules: schedule", schemaTests + "Models/ScheduledTemplateInternalModel.cs", onRules(func(r object) []string {
			if text(r, "kind") == "NRT" {
				var problems []string
				for _, key := range []string{"queryFrequency", "queryPeriod", "triggerOperator", "triggerThreshold"} {
					if r[key] != nil {
						problems = append(problems, "an NRT rule has no "+key)
					}
				}
				return problems
			}
			frequency, errF := content.Duration(text(r, "queryFrequency"))
			period, errP := content.Duration(text(r, "queryPeriod"))
			const day = 24 * time.Hour
			var problems []string
			if errF != nil || errP != nil || frequency < 5*time.Minute || frequency > 14*day || period < 5*time.Minute || period > 14*day {
				problems = append(problems, fmt.Sprintf("frequency %v, period %v: want five minutes to fourteen days", r["queryFrequency"], r["queryPeriod"]))
			}
			if period < frequency || (period >= 2*day && frequency < time.Hour) {
				problems = append(problems, fmt.Sprintf("period %v with frequency %v", r["queryPeriod"], r["queryFrequency"]))
			}
			if !slices.Contains([]string{"gt", "lt", "eq", "ne", "GreaterThan", "LessThan", "Equal", "NotEqual"}, text(r, "triggerOperator")) {
				problems = append(problems, fmt.Sprintf("triggerOperator %v", r["triggerOperator"]))
			}
			if n, ok := r["triggerThreshold"].(int); !ok || n < 0 || n > 10000 {
				problems = append(problems, fmt.Sprintf("triggerThreshold %v", r["triggerThreshold"]))
			}
			return problems
		})},
		{"rules: tactics and techniques", schemaTests + "Models/ModelValidationAttributes/NoTechniquesWithoutMatchingTactics.cs", func(t Tree) []string {
			return t.each(func(name string) bool { return rules(name) || hunts(name) }, func(_ string, raw []byte) []string {
				r := yamlOf(raw)
				var problems []string
				tactics := strs(r["tactics"])
				for _, tactic := range tactics {
					if !slices.Contains(content.Tactics(), tactic) {
						problems = append(problems, "tactic "+tactic)
					}
				}
				for _, id := range strs(r["relevantTechniques"]) {
					family, _, _ := strings.Cut(id, ".")
					technique, ok := content.TechniqueOf(family)
					if !ok {
						technique, ok = content.TechniqueOf(id)
					}
					if !ok || !slices.ContainsFunc(technique.Tactics, func(tactic string) bool { return slices.Contains(tactics, tactic) }) {
						problems = append(problems, "technique "+id+" belongs to none of the tactics")
					}
				}
				return problems
			})
		}},
		{"rules: entities", schemaTests + "Models/ModelValidationAttributes/ValidEntityMappingsAttribute.cs", onRules(func(r object) []string {
			var problems []string
			mappings := list(r, "entityMappings")
			if len(mappings) > 5 || (r["entityMappings"] != nil && len(mappings) == 0) {
				problems = append(problems, fmt.Sprintf("%d entities, want one to five", len(mappings)))
			}
			identifiers := map[string][]string{"Account": {"Name", "FullName", "NTDomain", "DnsDomain", "UPNSuffix", "Sid", "AadTenantId", "AadUserId", "PUID", "IsDomainJoined", "DisplayName", "ObjectGuid"}, "IP": {"Address", "AddressScope"}, "CloudApplication": {"AppId", "Name", "InstanceName"}, "Host": {"HostName", "FullName", "DnsDomain", "NTDomain"}, "URL": {"Url"}, "AzureResource": {"ResourceId"}, "SecurityGroup": {"DistinguishedName", "SID", "ObjectGuid"}, "Mailbox": {"MailboxPrimaryAddress", "DisplayName", "Upn"}}
			for _, m := range mappings {
				kind, fields := text(m, "entityType"), list(m, "fieldMappings")
				valid, ok := identifiers[kind]
				if !ok {
					problems = append(problems, "entity type "+kind)
				}
				if len(fields) < 1 || len(fields) > 3 {
					problems = append(problems, fmt.Sprintf("%s has %d fields, want one to three", kind, len(fields)))
				}
				for _, f := range fields {
					if !slices.Contains(valid, text(f, "identifier")) || text(f, "columnName") == "" {
						problems = append(problems, fmt.Sprintf("%s.%s = %s", kind, text(f, "identifier"), text(f, "columnName")))
					}
				}
			}
			return problems
		})},
		{"rules: details", schemaTests + "Models/ScheduledTemplateInternalModel.cs", onRules(func(r object) []string {
			var problems []string
			details, _ := r["customDetails"].(object)
			if len(details) > 20 {
				problems = append(problems, fmt.Sprintf("%d custom details", len(details)))
			}
			for name, v := range details {
				column, _ := v.(string)
				if len(name) > 20 || !detailName.MatchString(name) || len(column) > 500 || !detailValue.MatchString(column) {
					problems = append(problems, "custom detail "+name+": "+column)
				}
			}
			for key, most := range map[string]int{"alertDisplayNameFormat": 256, "alertDescriptionFormat": 5000} {
				format := text(r, "alertDetailsOverride", key)
				if len(format) > most || len(placeholder.FindAllString(format, -1)) > 3 {
					problems = append(problems, key+" is too long or has more than three placeholders")
				}
			}
			if g, ok := r["eventGroupingSettings"]; ok && !slices.Contains([]string{"SingleAlert", "AlertPerResult"}, text(g, "aggregationKind")) {
				problems = append(problems, "aggregationKind "+text(g, "aggregationKind"))
			}
			return problems
		})},
		{"rules: connectors", schemaTests + "ValidConnectorIds.json", onRules(func(r object) []string {
			if r["requiredDataConnectors"] == nil {
				return []string{"no requiredDataConnectors"}
			}
			for _, c := range list(r, "requiredDataConnectors") {
				if !slices.Contains([]string{"SailPointIdentityNow", "SailPointIdentityNowConnector", "ThreatIntelligence", "ThreatIntelligenceTaxii", "MicrosoftDefenderThreatIntelligence", "OktaSSO", "OktaSSOv2"}, text(c, "connectorId")) {
					return []string{"connector " + text(c, "connectorId") + " is not in the list"}
				}
			}
			return nil
		})},
		{"rules: each id once", schemaTests + "DetectionTemplateSchemaValidationTests.cs", func(t Tree) []string {
			seen := map[string]string{}
			return t.each(func(name string) bool { return rules(name) || hunts(name) }, func(name string, raw []byte) []string {
				id := text(yamlOf(raw), "id")
				if other, ok := seen[id]; ok {
					return []string{"its id is that of " + other}
				}
				seen[id] = name
				return nil
			})
		}},
		{"hunting queries: form", "Hunting Queries/readme.md and Tools/Create-Azure-Sentinel-Solution/common/commonFunctions.ps1", func(t Tree) []string {
			return t.each(hunts, func(_ string, raw []byte) []string {
				h := yamlOf(raw)
				var problems []string
				if !ruleID.MatchString(text(h, "id")) {
					problems = append(problems, "id "+text(h, "id"))
				}
				for _, key := range []string{"name", "description", "query"} {
					if text(h, key) == "" {
						problems = append(problems, "no "+key)
					}
				}
				for _, key := range []string{"requiredDataConnectors", "tactics", "relevantTechniques"} {
					if len(list(h, key)) == 0 {
						problems = append(problems, "no "+key)
					}
				}
				return problems
			})
		}},
	}
}
