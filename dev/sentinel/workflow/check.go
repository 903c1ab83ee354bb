package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check looks at a definition without running it, and returns what is wrong with it:
//
//   - types of actions, states and names in runAfter; loops in it
//   - every expression: syntax, functions, the number of their arguments
//   - what an expression refers to: parameters, variables, the loop around it, and actions, which must
//     have been reached by then
//   - parameters and variables that nothing uses
//   - secrets: what is secure may be read by an HTTP action whose inputs are secure, and by nothing else
//   - HTTP actions have a policy for retries, and take 202 for the end
//   - the limits of the service: the length of names and expressions, how deep actions are nested
func (d *Definition) Check() []string {
	c := &checker{d: d, all: map[string]Action{}, before: map[string]map[string]bool{}, variables: map[string]bool{}, used: map[string]bool{}}
	if d.Schema != "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#" {
		c.report("", "$schema %q", d.Schema)
	}
	if len(d.Triggers) != 1 {
		c.report("", "%d triggers", len(d.Triggers))
	}
	c.collect(d.Actions)
	for _, name := range keys(d.Triggers) {
		c.strings(name, d.Triggers[name].Inputs, place{})
	}
	c.block(d.Actions, map[string]bool{}, place{top: true})
	for _, name := range keys(d.Parameters) {
		if !c.used["parameter "+name] {
			c.report("", "nothing uses the parameter %s", name)
		}
	}
	for _, name := range keys(c.variables) {
		if !c.used["variable "+name] {
			c.report("", "nothing reads the variable %s", name)
		}
	}
	return c.problems
}

type checker struct {
	d         *Definition
	all       map[string]Action
	before    map[string]map[string]bool // what an action can refer to
	variables map[string]bool
	used      map[string]bool
	problems  []string
}

// The limits of the service.
const (
	longestName       = 80
	longestExpression = 8192
	deepest           = 8
)

// place is where an action stands.
type place struct {
	top   bool
	depth int
	loops []string // the loops of type Foreach around it, the innermost one last
	item  bool     // item() has a value
}

func (c *checker) report(action, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if action != "" {
		text = action + ": " + text
	}
	c.problems = append(c.problems, text)
}

// collect finds all actions: their names are unique in the whole definition.
func (c *checker) collect(actions Actions) {
	for _, name := range keys(actions) {
		if _, twice := c.all[name]; twice {
			c.report(name, "there are two actions of that name")
		}
		c.all[name] = actions[name]
		for _, block := range actions[name].blocks() {
			c.collect(block)
		}
	}
}

// block checks actions; known are those that came before all of them.
func (c *checker) block(actions Actions, known map[string]bool, where place) {
	done := map[string]bool{}
	for len(done) < len(actions) {
		progress := false
		for _, name := range keys(actions) {
			a := actions[name]
			if done[name] || !c.settled(a, actions, done) {
				continue
			}
			reach := maps.Clone(known)
			for other := range a.RunAfter {
				if _, sibling := actions[other]; !sibling {
					c.report(name, "runs after %s, which is not beside it", other)
					continue
				}
				maps.Copy(reach, c.before[other])
				c.addReached(reach, other, actions[other])
			}
			c.before[name] = reach
			c.action(name, a, reach, where)
			done[name], progress = true, true
		}
		if !progress {
			c.report("", "%s: they run after each other", strings.Join(keys(actions), ", "))
			return
		}
	}
}

func (c *checker) settled(a Action, actions Actions, done map[string]bool) bool {
	for other := range a.RunAfter {
		if _, sibling := actions[other]; sibling && !done[other] {
			return false
		}
	}
	return true
}

// addReached adds an action and what has run inside it, but for what a loop repeats.
func (c *checker) addReached(reach map[string]bool, name string, a Action) {
	reach[name] = true
	if a.Type == "Foreach" {
		return
	}
	for _, block := range a.blocks() {
		for inner, action := range block {
			c.addReached(reach, inner, action)
		}
	}
}

func (c *checker) action(name string, a Action, reach map[string]bool, where place) {
	if !slices.Contains([]string{"Scope", "If", "Switch", "Foreach", "Until", "Query", "Select", "Compose", "InitializeVariable", "SetVariable", "AppendToStringVariable", "AppendToArrayVariable", "Wait", "Terminate", "Http", "ApiConnection", "ApiConnectionWebhook"}, a.Type) {
		c.report(name, "type %s", a.Type)
	}
	if len(name) > longestName || where.depth > deepest {
		c.report(name, "its name has %d letters, and it is in %d others", len(name), where.depth)
	}
	for _, other := range keys(a.RunAfter) {
		if len(a.RunAfter[other]) == 0 {
			c.report(name, "runs after %s in no state of it", other)
		}
		for _, state := range a.RunAfter[other] {
			if !slices.Contains([]string{Succeeded, Failed, Skipped, TimedOut}, state) {
				c.report(name, "runs after %s in the state %s", other, state)
			}
		}
	}
	here := where
	here.item = where.item || a.Type == "Query" || a.Type == "Select"
	c.variable(name, a, where)
	for _, part := range []any{a.Inputs, a.Expression, a.Foreach} {
		if a.Type != "Until" {
			c.refers(name, part, reach)
			c.strings(name, part, here)
		}
	}
	c.secrets(name, a)
	c.http(name, a)
	inner := where
	inner.top, inner.depth = false, where.depth+1
	if a.Type == "Foreach" {
		inner.loops, inner.item = append(slices.Clone(where.loops), name), true
		if a.RuntimeConfiguration.Concurrency.Repetitions != 1 {
			c.report(name, "runs its elements side by side: set the concurrency to 1")
		}
	}
	for _, block := range a.blocks() {
		c.block(block, reach, inner)
	}
	if a.Type == "Until" {
		if a.Limit.Count == 0 || a.Limit.Timeout == "" {
			c.report(name, "a loop without limits")
		}
		after := maps.Clone(reach)
		c.addReached(after, name, a)
		c.refers(name, a.Expression, after)
		c.strings(name, a.Expression, here)
	}
}

func (c *checker) variable(name string, a Action, where place) {
	inputs, _ := a.Inputs.(map[string]any)
	switch a.Type {
	case "InitializeVariable":
		list, _ := inputs["variables"].([]any)
		if len(list) != 1 || !where.top {
			c.report(name, "one variable is initialized by an action, and only outside all others")
		}
		for _, v := range list {
			one, _ := v.(map[string]any)
			variable, _ := one["name"].(string)
			if typ, _ := one["type"].(string); c.variables[variable] || !slices.Contains([]string{"string", "array", "object", "boolean", "integer"}, typ) {
				c.report(name, "variable %s is there twice, or is a %s", variable, typ)
			}
			c.variables[variable] = true
		}
	case "SetVariable", "AppendToStringVariable", "AppendToArrayVariable":
		variable, _ := inputs["name"].(string)
		if !c.variables[variable] {
			c.report(name, "there is no variable %s by then", variable)
		}
		texts(inputs["value"], func(s string) {
			if a.Type == "SetVariable" && strings.Contains(s, "variables('"+variable+"')") {
				c.report(name, "a variable can't be set from itself")
			}
		})
	}
}

// strings checks the expressions in a part of an action.
func (c *checker) strings(name string, part any, where place) {
	texts(part, func(s string) {
		n, err := parseText(s)
		if err != nil {
			c.report(name, "expression %s: %v", s, err)
			return
		}
		if len(s) > longestExpression {
			c.report(name, "an expression has %d letters", len(s))
		}
		walk(n, func(n node) {
			f, ok := n.(call)
			if !ok {
				return
			}
			least, most, known := ofRun(f.name)
			if p, ok := pure(f.name); ok {
				least, most, known = p.least, p.most, true
			}
			if !known {
				c.report(name, "function %s() is not known", f.name)
				return
			}
			if len(f.args) < least || most >= 0 && len(f.args) > most {
				c.report(name, "%s() has %d arguments", f.name, len(f.args))
				return
			}
			c.function(name, f, where)
		})
	})
}

// argument is the text that a function is called with.
func argument(f call) string {
	if len(f.args) > 0 {
		if l, ok := f.args[0].(literal); ok {
			s, _ := l.value.(string)
			return s
		}
	}
	return ""
}

func (c *checker) function(name string, f call, where place) {
	arg := argument(f)
	switch f.name {
	case "variables":
		c.used["variable "+arg] = true
		if !c.variables[arg] {
			c.report(name, "there is no variable %q by then", arg)
		}
	case "parameters":
		c.used["parameter "+arg] = true
		if _, ok := c.d.Parameters[arg]; !ok {
			c.report(name, "there is no parameter %q", arg)
		}
	case "item":
		if !where.item {
			c.report(name, "item() outside of a loop")
		}
	case "items":
		if !slices.Contains(where.loops, arg) {
			c.report(name, "items(%q) outside of that loop", arg)
		}
	}
}

// references are the actions that a part of an action reads, and whether it reads more of them than
// how they ended.
func references(part any) map[string]bool {
	found := map[string]bool{}
	texts(part, func(s string) {
		n, err := parseText(s)
		if err != nil {
			return
		}
		harmless := map[string]int{}
		all := map[string]int{}
		walk(n, func(n node) {
			if m, ok := n.(member); ok {
				key, _ := m.key.(literal)
				if f, ok := m.of.(call); ok && (f.name == "outputs" && key.value == "statusCode" || f.name == "actions" && key.value == "status") {
					harmless[argument(f)]++
				}
			}
			if f, ok := n.(call); ok && slices.Contains([]string{"body", "outputs", "actions"}, f.name) {
				all[argument(f)]++
			}
		})
		for other, times := range all {
			found[other] = found[other] || harmless[other] < times
		}
	})
	return found
}

func (c *checker) refers(name string, part any, reach map[string]bool) {
	found := references(part)
	for _, other := range keys(found) {
		if !reach[other] {
			c.report(name, "refers to %q, which has not been reached by then", other)
		}
	}
}

// secrets: what is secure goes from one secure action to another, and nowhere else.
func (c *checker) secrets(name string, a Action) {
	for _, part := range []any{a.Inputs, a.Expression, a.Foreach} {
		for other, content := range references(part) {
			if content && c.all[other].secure("outputs") && (a.Type != "Http" || !a.secure("inputs")) {
				c.report(name, "reads the secure outputs of %s, and is not an HTTP action with secure inputs", other)
			}
		}
	}
}

func (c *checker) http(name string, a Action) {
	if a.Type != "Http" {
		return
	}
	inputs, _ := a.Inputs.(map[string]any)
	if _, ok := inputs["retryPolicy"].(map[string]any); !ok {
		c.report(name, "has no policy for retries")
	}
	if a.OperationOptions != "DisableAsyncPattern" {
		c.report(name, "follows an answer 202: set DisableAsyncPattern")
	}
	_, auth := inputs["authentication"]
	body, _ := inputs["body"].(string)
	if (auth || strings.Contains(body, "client_secret")) && !a.secure("inputs") {
		c.report(name, "signs in, and its inputs are not secure")
	}
}
