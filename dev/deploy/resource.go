package deploy

import (
	"fmt"
	"maps"

	"github.com/go-json-experiment/json"
)

// make makes a resource, or the resources of a nested deployment after it. A resource
// that is made only if it is missing, and is not, gives none.
func (s *scope) make(n node, nested string) ([]Resource, error) {
	if n.raw["type"] == "Microsoft.Resources/deployments" {
		return s.nested(n)
	}
	body := maps.Clone(n.raw)
	options, _ := body["@options"].(map[string]any)
	for _, meta := range []string{"condition", "copy", symbolicName, "@options"} {
		delete(body, meta)
	}
	if _, only := options["onlyIfNotExists"]; only && s.world.Get(n.id) != nil {
		return nil, nil
	}
	v, err := s.all(body)
	if err != nil {
		return nil, err
	}
	r := Resource{Nested: nested, ID: n.id, Body: v.(map[string]any)}
	for to, key := range map[*string]string{&r.Type: "type", &r.APIVersion: "apiVersion", &r.Name: "name"} {
		*to, _ = r.Body[key].(string)
	}
	return []Resource{r}, s.world.put(r)
}

// innerTemplate returns that of a nested deployment, or the one that a linked deployment fetches.
func (s *scope) innerTemplate(properties map[string]any) (t Template, linked bool, err error) {
	if link, ok := properties["templateLink"].(map[string]any); ok {
		address, err := s.all(link["uri"])
		if err != nil {
			return t, true, err
		}
		uri, _ := address.(string)
		t, ok := s.world.around.Linked[uri]
		if !ok {
			return t, true, fmt.Errorf("there is no template at %s", uri)
		}
		return t, true, nil
	}
	source, err := json.Marshal(properties["template"])
	if err != nil {
		return t, false, err
	}
	if err := json.Unmarshal(source, &t, json.RejectUnknownMembers(true)); err != nil {
		return t, false, fmt.Errorf("nested template: %w", err)
	}
	return t, false, nil
}

// nested plays a deployment of its own, which sees nothing but its parameters.
func (s *scope) nested(n node) ([]Resource, error) {
	properties := maps.Clone(n.raw["properties"].(map[string]any))
	t, linked, err := s.innerTemplate(properties)
	if err != nil {
		return nil, err
	}
	delete(properties, "template")
	head := maps.Clone(n.raw)
	head["properties"] = properties
	for _, meta := range []string{"condition", "copy", symbolicName} {
		delete(head, meta)
	}
	v, err := s.all(head)
	if err != nil {
		return nil, err
	}
	body := v.(map[string]any)
	name, _ := body["name"].(string)
	given := map[string]any{}
	evaluated := body["properties"].(map[string]any)
	if scope, _ := evaluated["expressionEvaluationOptions"].(map[string]any); !linked && scope["scope"] != "inner" {
		return nil, fmt.Errorf("nested deployment %s is not evaluated in a scope of its own", name)
	}
	parameters, _ := evaluated["parameters"].(map[string]any)
	for parameter, value := range parameters {
		given[parameter] = value.(map[string]any)["value"]
	}
	inner, err := t.resolve(s.world, s.groupOf(body), given, name)
	if err != nil {
		return nil, fmt.Errorf("nested deployment %s: %w", name, err)
	}
	outputs := map[string]any{}
	for o, v := range inner.Outputs {
		outputs[o] = map[string]any{"value": v}
	}
	self := Resource{Type: "Microsoft.Resources/deployments", Name: name, ID: n.id, Body: body}
	self.APIVersion, _ = body["apiVersion"].(string)
	s.world.Put(n.id, map[string]any{"properties": map[string]any{"outputs": outputs}})
	return append([]Resource{self}, inner.Resources...), nil
}
