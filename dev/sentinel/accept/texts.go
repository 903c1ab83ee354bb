package accept

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"
)

var (
	localized = regexp.MustCompile(`(?i)(https://docs\.microsoft\.com|https://azure\.microsoft\.com)/[a-z]{2}-[a-z]{2}`)
	svgID     = regexp.MustCompile(`id="([^"]*)"`)
	anyGUID   = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	email     = regexp.MustCompile(`(?i)[a-z0-9._-]+@[a-z0-9._-]+\.[a-z0-9._-]+`)
)

// texts are the checks of files by their form alone.
func texts() []Check { //nolint:funlen // a table: each check is short
	return []Check{
		{"JSON can be read", ".script/jsonFileValidator.ts", func(t Tree) []string {
			return t.each(ending(".json"), func(_ string, text []byte) []string {
				var v any
				if err := json.Unmarshal(text, &v); err != nil {
					return []string{err.Error()}
				}
				return nil
			})
		}},
		{"YAML can be read", ".script/yamlFileValidator.ts", func(t Tree) []string {
			return t.each(ending(".yaml", ".yml"), func(_ string, text []byte) []string {
				var v any
				if err := yaml.Unmarshal(text, &v); err != nil {
					return []string{err.Error()}
				}
				return nil
			})
		}},
		{"only ASCII in queries and parsers", ".script/tests/NonAsciiValidationsTests/NonAsciiValidationsTests.cs", func(t Tree) []string {
			return t.each(func(name string) bool {
				return below("Hunting Queries", ".yaml")(name) || below("Analytic Rules", ".yaml")(name) || below("Detections", ".yaml")(name) || (strings.Contains(name, "Parsers") && strings.HasSuffix(name, ".yaml"))
			}, foreign)
		}},
		{"only ASCII anywhere", "own: a package is shown and copied in more places than the check above looks", func(t Tree) []string {
			return t.each(func(name string) bool { return !ending(".png", ".zip")(name) }, foreign)
		}},
		{"links without a language", ".script/documentsLinkValidator.ts", func(t Tree) []string {
			return t.each(func(name string) bool { return !strings.HasSuffix(name, "csv") }, func(_ string, text []byte) []string {
				if m := localized.Find(text); m != nil {
					return []string{string(m)}
				}
				return nil
			})
		}},
		{"the product is called Microsoft Sentinel in descriptions", ".script/contentValidator.ts", func(t Tree) []string {
			return t.each(func(name string) bool {
				return strings.HasSuffix(name, ".json") && !strings.Contains(strings.ToLower(name), "azuredeploy") &&
					(strings.Contains(strings.ToLower(name), "/data/") || strings.Contains(name, "/Data Connectors/") || strings.HasSuffix(name, "createUiDefinition.json"))
			}, func(name string, text []byte) []string {
				v := any(parsedObject(text))
				tag := "Description"
				switch {
				case strings.HasSuffix(name, "createUiDefinition.json"):
					v, tag = at(v, "parameters", "config", "basics"), "description"
				case strings.Contains(name, "/Data Connectors/"):
					tag = "descriptionMarkdown"
				}
				if said, _ := at(v, tag).(string); strings.Contains(strings.ToLower(said), "azure sentinel") {
					return []string{tag + " says Azure Sentinel"}
				}
				return nil
			})
		}},
		{"logos", ".script/logoValidator.ts and utils/LogoChecker", func(t Tree) []string {
			return t.each(func(name string) bool { return strings.HasPrefix(name, "Logos/") || strings.Contains(name, "/Logos/") }, logo)
		}},
		{"sample data names nobody", ".script/utils/sampleDataCheckers/sampleDataCheckers.ts", func(t Tree) []string {
			return t.each(func(name string) bool {
				return strings.HasPrefix(name, "Sample Data/") && strings.HasSuffix(name, ".json")
			}, func(_ string, text []byte) []string {
				if _, ok := parsed(text).([]any); !ok {
					return []string{"it is no list"}
				}
				for _, m := range email.FindAll(text, -1) {
					if string(m) != "sanitized@sanitized.com" {
						return []string{"it has the address " + string(m)}
					}
				}
				return nil
			})
		}},
	}
}

func foreign(_ string, text []byte) []string {
	if i := bytes.IndexFunc(text, func(r rune) bool { return r > 127 }); i >= 0 {
		end := min(len(text), i+20)
		return []string{fmt.Sprintf("at %d: %q", i, text[max(0, i-20):end])}
	}
	return nil
}

func logo(name string, text []byte) []string {
	var problems []string
	if path.Ext(strings.ToLower(name)) != ".svg" {
		problems = append(problems, "it is no SVG")
	}
	if len(text) > 5000 {
		problems = append(problems, fmt.Sprintf("it has %d bytes, more than 5000", len(text)))
	}
	for _, word := range []string{"style=", "cls=", "xmlns:xlink", "data-name", "xlink:href", "<title>"} {
		if bytes.Contains(text, []byte(word)) {
			problems = append(problems, "it has "+word)
		}
	}
	if bytes.Contains(text, []byte("<image")) && bytes.Contains(text, []byte(".png")) {
		problems = append(problems, "it has a PNG in it")
	}
	seen := map[string]bool{}
	for _, m := range svgID.FindAllSubmatch(text, -1) {
		id := string(m[1])
		if !anyGUID.MatchString(id) || seen[id] {
			problems = append(problems, "id "+id+" is no GUID of its own")
		}
		seen[id] = true
	}
	return problems
}
