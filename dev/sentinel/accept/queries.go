package accept

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

const kqlTests = ".script/tests/KqlvalidationsTests/"

var (
	indicators = regexp.MustCompile(`ThreatIntelligenceIndicator\s*\|\s*`)
	// The repository's pattern has two halves joined by an unescaped bar; either is enough.
	latestIndicators = regexp.MustCompile(`(?s)ThreatIntelligenceIndicator\s*\|\s*where\s*TimeGenerated\s*>=\s*ago\(\w+\)|\s*summarize\s*LatestIndicatorTime\s*=\s*arg_max\(TimeGenerated,\s*\*\)\s*by\s*IndicatorId\s*\|\s*where\s*(?:ExpirationDateTime\s*>\s*now\(\)\s*and\s*Active\s*==\s*true|Active\s*==\s*true\s*and\s*ExpirationDateTime\s*>\s*now\(\))`)
)

// workspace is made of what the tree declares. The check of the repository knows no body of a function.
func (t Tree) workspace() (Workspace, error) {
	w := Workspace{Tables: map[string][]Column{}}
	for name, columns := range t.Known {
		w.Tables[name] = columns
	}
	all := map[string][]byte{}
	for name, raw := range t.Before {
		all[name] = raw
	}
	for name, raw := range t.Files {
		all[name] = raw
	}
	for name, raw := range all {
		switch {
		case strings.HasPrefix(name, kqlTests+"CustomTables/"):
			var table struct {
				Name       string
				Properties []Column
			}
			if err := json.Unmarshal(raw, &table, json.MatchCaseInsensitiveNames(true)); err != nil {
				return w, fmt.Errorf("%s: %w", name, err)
			}
			w.Tables[table.Name] = lower(table.Properties)
		case strings.HasPrefix(name, kqlTests+"CustomFunctions/"):
			var f struct {
				FunctionName          string
				FunctionParameters    []Column
				FunctionResultColumns []Column
			}
			if err := json.Unmarshal(raw, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
				return w, fmt.Errorf("%s: %w", name, err)
			}
			w.Functions = append(w.Functions, Function{f.FunctionName, lower(f.FunctionParameters), lower(f.FunctionResultColumns)})
		}
	}
	slices.SortFunc(w.Functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return w, nil
}

func lower(columns []Column) []Column {
	for i := range columns {
		columns[i].Type = strings.ToLower(columns[i].Type)
	}
	return columns
}

// diagnosed runs the parser on the queries that f finds in files.
func (t Tree) diagnosed(takes func(string) bool, f func(name string, raw []byte) map[string]string) []string {
	w, err := t.workspace()
	if err != nil {
		return []string{err.Error()}
	}
	return t.each(takes, func(name string, raw []byte) []string {
		var problems []string
		for what, query := range f(name, raw) {
			found, err := t.Diagnose(w, query)
			if err != nil {
				problems = append(problems, what+": "+err.Error())
			}
			for _, d := range found {
				if !strings.Contains(d, "_GetWatchlist") {
					problems = append(problems, what+": "+d)
				}
			}
		}
		return problems
	})
}

func queries() []Check { //nolint:funlen // a table: each check is short
	yamlQuery := func(_ string, raw []byte) map[string]string {
		return map[string]string{"query": text(yamlOf(raw), "query")}
	}
	return []Check{
		{"KQL of rules", kqlTests + "KqlValidationTests.cs, Validate_DetectionQueries_HaveValidKql", func(t Tree) []string { return t.diagnosed(rules, yamlQuery) }},
		{"KQL of hunting queries", kqlTests + "KqlValidationTests.cs, Validate_HuntingQueries_HaveValidKql", func(t Tree) []string { return t.diagnosed(hunts, yamlQuery) }},
		{"KQL of the connector page", kqlTests + "KqlValidationTests.cs, Validate_DataConnectors_HaveValidKql", func(t Tree) []string {
			return t.diagnosed(func(name string) bool { return below("Data Connectors", ".json")(name) }, func(_ string, raw []byte) map[string]string {
				page := parsedObject(raw)
				found := map[string]string{}
				if page["connectivityCriterias"] == nil || page["sampleQueries"] == nil {
					return found
				}
				for kind, member := range map[string]string{"sampleQueries": "query", "graphQueries": "baseQuery", "dataTypes": "lastDataReceivedQuery"} {
					for i, one := range list(page, kind) {
						found[fmt.Sprintf("%s[%d]", kind, i)] = text(one, member)
					}
				}
				for i, c := range list(page, "connectivityCriterias") {
					for j, q := range strs(at(c, "value")) {
						found[fmt.Sprintf("connectivityCriterias[%d][%d]", i, j)] = q
					}
				}
				return found
			})
		}},
		{"KQL of functions", kqlTests + "KqlValidationTests.cs, Validate_SolutionParsersFunctions_HaveValidKql", func(t Tree) []string {
			return t.diagnosed(func(name string) bool {
				return strings.HasPrefix(name, "Solutions/") && below("Parsers", ".yaml")(name)
			}, func(_ string, raw []byte) map[string]string {
				f := yamlOf(raw)
				var b strings.Builder
				for _, p := range list(f, "FunctionParams") {
					value := fmt.Sprint(at(p, "Default"))
					if text(p, "Type") == "string" {
						value = "'" + value + "'"
					}
					fmt.Fprintf(&b, "let %s= %s;\n", text(p, "Name"), value)
				}
				return map[string]string{text(f, "FunctionName"): b.String() + text(f, "FunctionQuery") + " | count"}
			})
		}},
		{"indicators are the latest", kqlTests + "KqlValidationTests.cs, ValidateKqlForLatestTI", func(t Tree) []string {
			return t.each(func(name string) bool { return rules(name) || hunts(name) }, func(_ string, raw []byte) []string {
				query := text(yamlOf(raw), "query")
				if indicators.MatchString(query) && !latestIndicators.MatchString(query) {
					return []string{"it reads ThreatIntelligenceIndicator, but not the latest of each indicator"}
				}
				return nil
			})
		}},
		{"functions are YAML", kqlTests + "KqlValidationTests.cs, Validate_AllSolutionParsersFoldersContainsYamlsORMarkdowns", func(t Tree) []string {
			return t.each(func(name string) bool {
				return strings.HasPrefix(name, "Solutions/") && strings.Contains(name, "/Parsers/")
			}, func(name string, _ []byte) []string {
				if e := strings.ToLower(path.Ext(name)); e != ".yaml" && e != ".md" {
					return []string{"want .yaml or .md"}
				}
				return nil
			})
		}},
	}
}
