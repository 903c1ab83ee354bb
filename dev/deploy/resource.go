package deploy

import (
	"fmt"
	"maps"

	"github.com/go-json-experiment/json"
)

// resource makes what one entry of resources stands for: none, one, a copy for
// each round of its loop, or the resources of a nested deployment after it.
func (s *scope) resource(raw map[string]any, nested string) ([]Resource, error) {
	if condition, ok := raw["condition"]; ok {
		v, err := s.all(condition)
		if err != nil {
			return nil, err
		}
		if v != true {
			return nil, nil
		}
	}
	loop, ok := raw["copy"].(map[string]any)
	if !ok {
		return s.one(raw, nested)
	}
	count, err := s.all(loop["count"])
	if err != nil {
		return nil, err
	}
	var all []Resource
	for s.index = 0; s.index < int(count.(float64)); s.index++ {
		made, err := s.one(raw, nested)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	s.index = -1
	return all, nil
}

func (s *scope) one(raw map[string]any, nested string) ([]Resource, error) {
	if raw["type"] == "Microsoft.Resources/deployments" {
		return s.nested(raw)
	}
	body := maps.Clone(raw)
	for _, meta := range []string{"condition", "copy"} {
		delete(body, meta)
	}
	v, err := s.all(body)
	if err != nil {
		return nil, err
	}
	body = v.(map[string]any)
	r := Resource{Nested: nested, Body: body}
	for to, key := range map[*string]string{&r.Type: "type", &r.APIVersion: "apiVersion", &r.Name: "name"} {
		*to, _ = body[key].(string)
	}
	return []Resource{r}, nil
}

// nested plays a deployment of its own, which sees nothing but its parameters.
func (s *scope) nested(raw map[string]any) ([]Resource, error) {
	properties := maps.Clone(raw["properties"].(map[string]any))
	source, err := json.Marshal(properties["template"])
	if err != nil {
		return nil, err
	}
	var t Template
	if err := json.Unmarshal(source, &t, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("nested template: %w", err)
	}
	delete(properties, "template")
	head := maps.Clone(raw)
	head["properties"] = properties
	delete(head, "condition")
	v, err := s.all(head)
	if err != nil {
		return nil, err
	}
	body := v.(map[string]any)
	name, _ := body["name"].(string)
	given := map[string]any{}
	evaluated := body["properties"].(map[string]any)
	if scope, _ := evaluated["expressionEvaluationOptions"].(map[string]any); scope["scope"] != "inner" {
		return nil, fmt.Errorf("nested deployment %s is not evaluated in a scope of its own", name)
	}
	for parameter, value := range evaluated["parameters"].(map[string]any) {
		given[parameter] = value.(map[string]any)["value"]
	}
	group := s.group
	if target, ok := body["resourceGroup"].(string); ok {
		group = "/subscriptions/" + body["subscriptionId"].(string) + "/resourceGroups/" + target
	}
	inner, err := t.resolve(s.around, group, given, name)
	if err != nil {
		return nil, fmt.Errorf("nested deployment %s: %w", name, err)
	}
	outputs := map[string]any{}
	for o, v := range inner.Outputs {
		outputs[o] = map[string]any{"value": v}
	}
	s.nestedOutputs[group+"/providers/Microsoft.Resources/deployments/"+name] = outputs
	self := Resource{Type: "Microsoft.Resources/deployments", Name: name, Body: body}
	self.APIVersion, _ = body["apiVersion"].(string)
	return append([]Resource{self}, inner.Resources...), nil
}
