package deploy

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Template is a template as it stands in its file.
type Template struct {
	Schema          string               `json:"$schema"`
	LanguageVersion string               `json:"languageVersion"`
	ContentVersion  string               `json:"contentVersion"`
	Metadata        map[string]any       `json:"metadata"`
	Parameters      map[string]Parameter `json:"parameters"`
	Variables       map[string]any       `json:"variables"`
	Resources       Resources            `json:"resources"`
	Outputs         map[string]Parameter `json:"outputs"`
}

// Resources are the resources as written. In version 2.0 of the language they are an
// object, and the name of each member is kept as its symbolicName.
type Resources []map[string]any

const symbolicName = "symbolicName"

// UnmarshalJSON takes both forms.
func (r *Resources) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return json.Unmarshal(data, (*[]map[string]any)(r))
	}
	var named map[string]map[string]any
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		named[name][symbolicName] = name
		*r = append(*r, named[name])
	}
	return nil
}

// Parameter declares a parameter, or, with Value, an output.
type Parameter struct {
	Type          string         `json:"type"`
	DefaultValue  any            `json:"defaultValue"`
	AllowedValues []any          `json:"allowedValues"`
	MinLength     *int           `json:"minLength"`
	MaxLength     *int           `json:"maxLength"`
	MinValue      *int           `json:"minValue"`
	MaxValue      *int           `json:"maxValue"`
	Metadata      map[string]any `json:"metadata"`
	Value         any            `json:"value"`
}

// Secret reports whether Azure keeps the values out of its history.
func (p Parameter) Secret() bool { return strings.HasPrefix(strings.ToLower(p.Type), "secure") }

// Resource is one resource of a played deployment. Its Body has no expressions.
type Resource struct {
	Type, APIVersion, Name, ID string
	// Nested is the name of the nested deployment that it belongs to, or "".
	Nested string
	Body   map[string]any
}

// Deployment is what a deployment makes and returns.
type Deployment struct {
	Resources []Resource
	Outputs   map[string]any
}

// Read reads a template.
func Read(path string) (Template, error) {
	var t Template
	data, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(data, &t, json.RejectUnknownMembers(true)); err != nil {
		return t, fmt.Errorf("template %s: %w", path, err)
	}
	return t, nil
}

// Resolve plays a deployment with the parameters given; the others take their
// defaults. Values are as JSON has them: numbers are float64. Resources are made in an
// order that their dependencies allow, and each sees only what has been made by then.
func (t Template) Resolve(around Surroundings, given map[string]any) (Deployment, error) {
	world := around.World
	if world == nil {
		world = NewWorld()
	}
	world.around = around
	return t.resolve(world, around.group(), given, "")
}

func (t Template) resolve(world *World, group string, given map[string]any, nested string) (Deployment, error) {
	d := Deployment{Outputs: map[string]any{}}
	s := &scope{world: world, group: group, template: t, parameters: map[string]any{}, variables: map[string]any{}, index: -1, pending: map[string]bool{}}
	for name := range given {
		if _, ok := t.Parameters[name]; !ok {
			return d, fmt.Errorf("there is no parameter %s", name)
		}
	}
	if err := s.setParameters(given); err != nil {
		return d, err
	}
	nodes, err := s.nodes()
	if err != nil {
		return d, err
	}
	if nodes, err = ordered(nodes, world.around.Late); err != nil {
		return d, err
	}
	for _, n := range nodes {
		s.index = n.index
		made, err := s.make(n, nested)
		if err != nil {
			return d, fmt.Errorf("resource %v: %w", n.raw["name"], err)
		}
		d.Resources = append(d.Resources, made...)
	}
	s.index = -1
	for name, o := range t.Outputs {
		v, err := s.all(o.Value)
		if err != nil {
			return d, fmt.Errorf("output %s: %w", name, err)
		}
		d.Outputs[name] = v
	}
	return d, nil
}

// scope is what expressions are evaluated in.
type scope struct {
	world      *World
	group      string // id of the resource group
	template   Template
	parameters map[string]any
	variables  map[string]any // those evaluated so far
	index      int            // of the copy loop, -1 outside
	pending    map[string]bool
	// planning is set until the order is known. Azure reads nothing by then.
	planning bool
}

// setParameters takes the given values. Defaults are evaluated when they are
// asked for, since they may refer to other parameters.
func (s *scope) setParameters(given map[string]any) error {
	for name, p := range s.template.Parameters {
		v, ok := given[name]
		if !ok && p.DefaultValue == nil {
			return fmt.Errorf("parameter %s has no value", name)
		}
		if !ok {
			continue
		}
		if err := p.check(v); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		s.parameters[name] = v
	}
	return nil
}

func (s *scope) parameter(name string) (any, error) {
	if v, ok := s.parameters[name]; ok {
		return v, nil
	}
	p, ok := s.template.Parameters[name]
	if !ok {
		return nil, fmt.Errorf("there is no parameter %s", name)
	}
	return s.once("parameter "+name, p.DefaultValue)
}

// variable evaluates each variable once: none depends on what has been made so far.
func (s *scope) variable(name string) (any, error) {
	if v, ok := s.variables[name]; ok {
		return v, nil
	}
	raw, ok := s.template.Variables[name]
	if !ok {
		return nil, fmt.Errorf("there is no variable %s", name)
	}
	v, err := s.once("variable "+name, raw)
	if err == nil {
		s.variables[name] = v
	}
	return v, err
}

// once evaluates what has a name, and refuses to do so inside itself.
func (s *scope) once(name string, raw any) (any, error) {
	if s.pending[name] {
		return nil, fmt.Errorf("%s refers to itself", name)
	}
	s.pending[name] = true
	defer delete(s.pending, name)
	return s.all(raw)
}

// check applies the limits of the declaration.
func (p Parameter) check(v any) error {
	if len(p.AllowedValues) > 0 {
		for _, a := range p.AllowedValues {
			if a == v {
				return nil
			}
		}
		return fmt.Errorf("value %v is not allowed", v)
	}
	if text, ok := v.(string); ok && (p.MinLength != nil && len(text) < *p.MinLength || p.MaxLength != nil && len(text) > *p.MaxLength) {
		return fmt.Errorf("length %d is not allowed", len(text))
	}
	if n, ok := v.(float64); ok && (p.MinValue != nil && n < float64(*p.MinValue) || p.MaxValue != nil && n > float64(*p.MaxValue)) {
		return fmt.Errorf("value %v is out of range", n)
	}
	return nil
}

// all evaluates every expression in a value.
func (s *scope) all(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if isExpression(v) {
			return s.evaluate(v)
		}
		return strings.TrimPrefix(v, "["), nil
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err error
			if list[i], err = s.all(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			key, err := s.all(name)
			if err != nil {
				return nil, err
			}
			if object[key.(string)], err = s.all(item); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return v, nil
}
