package solution

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// oldTemplate is what is read of a package that the repository has.
type oldTemplate struct {
	Parameters object   `json:"parameters"`
	Variables  object   `json:"variables"`
	Resources  []object `json:"resources"`
}

// kept adds to a package those parts of an older one that it does not update: their templates, what they
// deploy at once, the variables and parameters that these use, and their place in the list of parts. So an
// update does not take away a connector or a playbook that is somebody else's.
func kept(p packed, text []byte) (packed, error) {
	var old oldTemplate
	if err := json.Unmarshal(text, &old); err != nil {
		return p, fmt.Errorf("read Package/mainTemplate.json of the checkout: %w", err)
	}
	ours := map[string]bool{}
	for _, c := range p.criteria {
		id, _ := c["contentId"].(string)
		ours[resolve(id, p.variables)] = true
	}
	functions := map[string]bool{}
	for _, r := range p.resources {
		if alias := aliasOf(r); alias != "" {
			functions[alias] = true
		}
	}
	var keep []object
	for _, r := range old.Resources {
		if kind, _ := r["type"].(string); kind == contentPackages {
			p.criteria = append(p.criteria, oldCriteria(r, old, ours, functions)...)
			continue
		}
		if ids := contentIDs(r, old.Variables); !slices.ContainsFunc(ids, func(id string) bool { return ours[id] || functions[strings.TrimSuffix(id, "-Parser")] }) {
			keep = append(keep, r)
			if kind, _ := r["type"].(string); kind == contentTemplates {
				if properties, ok := r["properties"].(object); ok {
					kind, _ := properties["contentKind"].(string)
					p.counts[kind]++
				}
			}
		}
	}
	p.resources = append(p.resources, keep...)
	p.variables, p.parameters = maps.Clone(p.variables), maps.Clone(p.parameters)
	return p, adopt(&p, old, keep)
}

// adopt takes over the variables and parameters that resources use, and those that these use.
func adopt(p *packed, old oldTemplate, resources []object) error {
	text, err := pretty(append(slices.Clone(resources), p.criteria...))
	if err != nil {
		return err
	}
	for wanted := string(text); wanted != ""; {
		var next strings.Builder
		for _, m := range reference.FindAllStringSubmatch(wanted, -1) {
			from, to := old.Variables, p.variables
			if m[1] == "parameters" {
				from, to = old.Parameters, p.parameters
			}
			value, ok := from[m[2]]
			if _, have := to[m[2]]; have || !ok {
				continue // ours, or of a template inside
			}
			to[m[2]] = value
			more, err := pretty(value)
			if err != nil {
				return err
			}
			next.Write(more)
		}
		wanted = next.String()
	}
	return nil
}

var (
	reference = regexp.MustCompile(`(variables|parameters)\('([^']+)'\)`)
	variable  = regexp.MustCompile(`^\[variables\('([^']+)'\)(?:\.(\w+))?\]$`)
)

// resolve follows an expression that is only a variable to its text.
func resolve(text string, variables object) string {
	for range 10 {
		m := variable.FindStringSubmatch(text)
		if m == nil {
			return text
		}
		value := variables[m[1]]
		if m[2] != "" {
			members, _ := value.(object)
			value = members[m[2]]
		}
		text, _ = value.(string)
	}
	return text
}

// contentIDs are the ids of the content that a resource is or belongs to.
func contentIDs(r object, variables object) []string {
	var ids []string
	properties, _ := r["properties"].(object)
	if id, ok := properties["contentId"].(string); ok {
		ids = append(ids, resolve(id, variables))
	}
	if alias := aliasOf(r); alias != "" {
		ids = append(ids, alias)
	}
	if page, ok := properties["connectorUiConfig"].(object); ok {
		if id, ok := page["id"].(string); ok {
			ids = append(ids, resolve(id, variables))
		}
	}
	return ids
}

// aliasOf is the name of the function that a resource is.
func aliasOf(r object) string {
	if properties, ok := r["properties"].(object); ok {
		alias, _ := properties["functionAlias"].(string)
		return alias
	}
	return ""
}

// oldCriteria are the parts that an older package lists and that are not ours.
func oldCriteria(r object, old oldTemplate, ours, functions map[string]bool) []object {
	var keep []object
	properties, _ := r["properties"].(object)
	dependencies, _ := properties["dependencies"].(object)
	criteria, _ := dependencies["criteria"].([]any)
	for _, c := range criteria {
		one, _ := c.(object)
		id, _ := one["contentId"].(string)
		if id = resolve(id, old.Variables); !ours[id] && !functions[strings.TrimSuffix(id, "-Parser")] {
			keep = append(keep, one)
		}
	}
	return keep
}
