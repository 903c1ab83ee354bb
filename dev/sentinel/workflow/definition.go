package workflow

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
)

// Definition is the definition of a workflow.
type Definition struct {
	Schema     string               `json:"$schema"`
	Version    string               `json:"contentVersion"`
	Parameters map[string]Parameter `json:"parameters"`
	Triggers   map[string]Action    `json:"triggers"`
	Actions    Actions              `json:"actions"`
	Outputs    map[string]any       `json:"outputs"`
}

// Parameter declares a parameter.
type Parameter struct {
	Type         string `json:"type"`
	DefaultValue any    `json:"defaultValue,omitzero"`
}

// Actions are actions by their names.
type Actions map[string]Action

// Action is an action or a trigger. Which members it may have depends on its type.
type Action struct {
	Type     string              `json:"type"`
	RunAfter map[string][]string `json:"runAfter"`
	Inputs   any                 `json:"inputs,omitzero"`

	// Of scopes, conditions, switches and loops.
	Actions    Actions `json:"actions,omitzero"`
	Expression any     `json:"expression,omitzero"`
	Else       *Branch `json:"else,omitzero"`
	Cases      map[string]struct {
		Case    string  `json:"case"`
		Actions Actions `json:"actions"`
	} `json:"cases,omitzero"`
	Default *Branch `json:"default,omitzero"`
	Foreach string  `json:"foreach,omitzero"`
	Limit   struct {
		Count   int    `json:"count,omitzero"`
		Timeout string `json:"timeout,omitzero"`
	} `json:"limit,omitzero"`

	RuntimeConfiguration struct {
		SecureData struct {
			Properties []string `json:"properties"`
		} `json:"secureData,omitzero"`
		Concurrency struct {
			Repetitions int `json:"repetitions"`
		} `json:"concurrency,omitzero"`
	} `json:"runtimeConfiguration,omitzero"`
	OperationOptions string `json:"operationOptions,omitzero"`
	Description      string `json:"description,omitzero"`
}

// Branch is the other side of a condition, or the default of a switch.
type Branch struct {
	Actions Actions `json:"actions"`
}

// Parse reads a definition. What the interpreter does not know is an error.
func Parse(source []byte) (*Definition, error) {
	var d Definition
	if err := json.Unmarshal(source, &d, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("definition: %w", err)
	}
	return &d, nil
}

// blocks are the groups of actions inside an action.
func (a Action) blocks() []Actions {
	all := []Actions{a.Actions}
	if a.Else != nil {
		all = append(all, a.Else.Actions)
	}
	if a.Default != nil {
		all = append(all, a.Default.Actions)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Cases)) {
		all = append(all, a.Cases[name].Actions)
	}
	return all
}

// secure reports whether the inputs or outputs are kept out of the history.
func (a Action) secure(what string) bool {
	return slices.Contains(a.RuntimeConfiguration.SecureData.Properties, what)
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
