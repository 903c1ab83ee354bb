package deploy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// node is one resource that the template declares: a copy of a loop counts as one.
type node struct {
	raw    map[string]any
	index  int // of the copy loop, -1 outside
	id     string
	names  []string // what dependsOn may call it
	after  []string
	absent bool // its condition fails
}

// nodes lists what the template declares, with everything that Azure works out before it
// makes the first resource.
func (s *scope) nodes() (nodes []node, err error) {
	s.planning = true
	defer func() { s.planning, s.index = false, -1 }()
	for _, raw := range s.template.Resources {
		count, loop := 1, ""
		if c, ok := raw["copy"].(map[string]any); ok {
			n, err := s.all(c["count"])
			if err != nil {
				return nil, err
			}
			count, loop = int(n.(float64)), c["name"].(string)
		}
		for i := range count {
			s.index = -1
			if loop != "" {
				s.index = i
			}
			n, err := s.node(raw, loop)
			if err == nil && !n.absent {
				err = s.validate(raw)
			}
			if err != nil {
				return nil, fmt.Errorf("resource %v: %w", raw["name"], err)
			}
			nodes = append(nodes, n)
		}
		if count == 0 { // it can be named all the same
			nodes = append(nodes, node{raw: raw, names: []string{loop, symbolOf(raw)}, absent: true})
		}
	}
	return nodes, nil
}

// validate evaluates what a resource says of itself without reading Azure. That is when a
// deployment is refused as a whole.
func (s *scope) validate(raw map[string]any) error {
	body := maps.Clone(raw)
	delete(body, "copy")
	if properties, ok := raw["properties"].(map[string]any); ok {
		properties = maps.Clone(properties)
		delete(properties, "template")
		body["properties"] = properties
	}
	if _, err := s.all(body); err != nil && !errors.Is(err, errNotYet) {
		return err
	}
	return nil
}

func symbolOf(raw map[string]any) string {
	name, _ := raw[symbolicName].(string)
	return name
}

func (s *scope) node(raw map[string]any, loop string) (n node, err error) {
	n = node{raw: raw, index: s.index}
	if condition, ok := raw["condition"]; ok {
		v, err := s.all(condition)
		if err != nil {
			return n, err
		}
		n.absent = v != true
	}
	head := map[string]any{}
	for _, key := range []string{"type", "name", "scope", "subscriptionId", "resourceGroup", "dependsOn"} {
		if raw[key] != nil {
			head[key] = raw[key]
		}
	}
	v, err := s.all(head)
	if err != nil {
		return n, err
	}
	head = v.(map[string]any)
	n.id = s.idOf(head)
	n.names = []string{n.id, head["name"].(string), loop, symbolOf(raw)}
	for _, on := range listOf(head["dependsOn"]) {
		n.after = append(n.after, on.(string))
	}
	return n, nil
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// idOf writes the id of a resource: in its group, or below its scope.
func (s *scope) idOf(head map[string]any) string {
	base := s.groupOf(head)
	if scope, ok := head["scope"].(string); ok {
		base = scope
	}
	args := []any{head["type"]}
	for name := range strings.SplitSeq(head["name"].(string), "/") {
		args = append(args, name)
	}
	return base + providerPath(args)
}

// groupOf is the resource group that a nested deployment goes to.
func (s *scope) groupOf(head map[string]any) string {
	group, ok := head["resourceGroup"].(string)
	if !ok {
		return s.group
	}
	subscription, ok := head["subscriptionId"].(string)
	if !ok {
		subscription = Subscription
	}
	return "/subscriptions/" + subscription + "/resourceGroups/" + group
}

// ordered puts what each resource depends on ahead of it, and leaves out what is absent.
// One resource, if late is above 0, comes after everything that does not depend on it.
func ordered(nodes []node, late int) ([]node, error) {
	waits := make([]int, len(nodes))
	next := make([][]int, len(nodes))
	for i, n := range nodes {
		for _, on := range n.after {
			known := false
			for j, other := range nodes {
				if slices.ContainsFunc(other.names, func(name string) bool { return name != "" && strings.EqualFold(name, on) }) {
					known, waits[i], next[j] = true, waits[i]+1, append(next[j], i)
				}
			}
			if !known {
				return nil, fmt.Errorf("resource %v depends on %s, which the template does not declare", n.raw["name"], on)
			}
		}
	}
	var ready []int
	for i := range nodes {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	var sorted []node
	left := len(nodes)
	for ; len(ready) > 0; left-- {
		at := len(ready) - 1
		if at > 0 && ready[at] == late-1 {
			at--
		}
		i := ready[at]
		ready = slices.Delete(ready, at, at+1)
		if !nodes[i].absent {
			sorted = append(sorted, nodes[i])
		}
		for _, j := range next[i] {
			if waits[j]--; waits[j] == 0 {
				ready = append(ready, j)
			}
		}
	}
	if left > 0 {
		return nil, fmt.Errorf("%d resources wait for each other", left)
	}
	return sorted, nil
}
