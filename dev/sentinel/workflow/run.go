package workflow

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The states in which an action ends.
const (
	Succeeded = "Succeeded"
	Failed    = "Failed"
	Skipped   = "Skipped"
	TimedOut  = "TimedOut"
)

// Environment is what a run meets.
type Environment struct {
	// Trigger is the body that the trigger gives.
	Trigger any
	// Parameters are those of the deployed workflow.
	Parameters map[string]any
	// HTTP answers the requests of HTTP actions, Connector those of connections.
	HTTP, Connector func(Request) Response
	// Webhook is what a connection that waits for a person comes to: what the person answers, or that the
	// question could not be asked, or false if nobody answers in time.
	Webhook func(Request) (answer Response, answered bool)
	// Start is when the run begins.
	Start time.Time
	// UntilLimit is the status of a loop that reached its limit; "" means Succeeded.
	UntilLimit string
}

// Request is what an action sends.
type Request struct {
	Action     string
	At         time.Time
	Connection string // "" for HTTP
	Method     string
	URI        string // of HTTP; the path for a connection
	Header     map[string]string
	Auth       map[string]any
	Body       any
}

// Response is an answer. Status 0 is none at all.
type Response struct {
	Status int
	Body   any
}

// Entry is a line of the run's history, as those who may read it see it.
type Entry struct {
	Action, Status  string
	Inputs, Outputs any // nil where they are secure
	Attempts        int
	Error           string
}

// Run is one run.
type Run struct {
	Status  string // Succeeded or Failed
	History []Entry

	env        Environment
	now        time.Time
	parameters map[string]any
	variables  map[string]any
	results    map[string]result
	made       int
	ended      string // by Terminate
}

// Run runs a definition.
func (d *Definition) Run(env Environment) *Run {
	r := &Run{env: env, now: env.Start, parameters: map[string]any{}, variables: map[string]any{}, results: map[string]result{}}
	for name, p := range d.Parameters {
		r.parameters[name] = p.DefaultValue
	}
	maps.Copy(r.parameters, env.Parameters)
	r.Status = r.block(&scope{run: r, items: map[string]any{}}, d.Actions)
	if r.ended != "" {
		r.Status = r.ended
	}
	return r
}

// Of returns the history of one action.
func (r *Run) Of(action string) []Entry {
	var all []Entry
	for _, e := range r.History {
		if e.Action == action {
			all = append(all, e)
		}
	}
	return all
}

// Variable returns the value of a variable at the end.
func (r *Run) Variable(name string) any { return r.variables[name] }

// block runs actions in the order that they ask for, and returns the status of their scope.
func (r *Run) block(s *scope, actions Actions) string {
	done := map[string]string{}
	for len(done) < len(actions) {
		before := len(done)
		for _, name := range keys(actions) {
			a := actions[name]
			if _, ok := done[name]; ok || !ready(a, done) {
				continue
			}
			done[name] = r.one(s, name, a, permitted(a, done) && r.ended == "")
		}
		if len(done) == before {
			panic("actions wait for each other: " + strings.Join(keys(actions), ", "))
		}
	}
	return verdict(actions, done)
}

func ready(a Action, done map[string]string) bool {
	for other := range a.RunAfter {
		if _, ok := done[other]; !ok {
			return false
		}
	}
	return true
}

func permitted(a Action, done map[string]string) bool {
	for other, states := range a.RunAfter {
		if !slices.Contains(states, done[other]) {
			return false
		}
	}
	return true
}

// verdict judges a scope by its last actions, and by what is before those that were skipped.
func verdict(actions Actions, done map[string]string) string {
	followed := map[string]bool{}
	for _, a := range actions {
		for other := range a.RunAfter {
			followed[other] = true
		}
	}
	var bad func(name string) bool
	bad = func(name string) bool {
		if done[name] == Skipped {
			for other := range actions[name].RunAfter {
				if bad(other) {
					return true
				}
			}
		}
		return done[name] == Failed || done[name] == TimedOut
	}
	for name := range actions {
		if !followed[name] && bad(name) {
			return Failed
		}
	}
	return Succeeded
}

// one runs an action, or skips it with all that is in it.
func (r *Run) one(s *scope, name string, a Action, run bool) string {
	if !run {
		r.skip(name, a)
		return Skipped
	}
	e := Entry{Action: name, Status: Succeeded}
	at := len(r.History)
	r.History = append(r.History, e)
	outputs, err := r.perform(s, name, a, &e)
	if err != nil {
		e.Status, e.Error = Failed, err.Error()
	}
	r.results[name] = result{e.Status, outputs}
	e.Outputs = outputs
	if a.secure("inputs") {
		e.Inputs, e.Error = nil, ""
	}
	if a.secure("outputs") {
		e.Outputs = nil
	}
	r.History[at] = e
	return e.Status
}

func (r *Run) skip(name string, a Action) {
	r.results[name] = result{status: Skipped}
	r.History = append(r.History, Entry{Action: name, Status: Skipped})
	for _, block := range a.blocks() {
		for _, inner := range keys(block) {
			r.skip(inner, block[inner])
		}
	}
}

// perform does what an action does.
func (r *Run) perform(s *scope, name string, a Action, e *Entry) (outputs any, err error) {
	switch a.Type {
	case "Scope":
		e.Status = r.block(s, a.Actions)
	case "If":
		return nil, r.condition(s, a, e)
	case "Switch":
		return nil, r.choose(s, a, e)
	case "Foreach":
		return nil, r.foreach(s, name, a, e)
	case "Until":
		return nil, r.until(s, a, e)
	case "Query", "Select":
		return r.list(s, a, e)
	default:
		inputs, err := s.value(a.Inputs)
		if err != nil {
			return nil, err
		}
		e.Inputs = inputs
		return r.simple(name, a, inputs, e)
	}
	return nil, nil
}

func (r *Run) condition(s *scope, a Action, e *Entry) error {
	yes, err := s.holds(a.Expression)
	if err != nil {
		return err
	}
	e.Inputs = yes
	chosen, other := a.Actions, Actions(nil)
	if a.Else != nil {
		other = a.Else.Actions
	}
	if !yes {
		chosen, other = other, chosen
	}
	for _, name := range keys(other) {
		r.skip(name, other[name])
	}
	e.Status = r.block(s, chosen)
	return nil
}

func (r *Run) choose(s *scope, a Action, e *Entry) error {
	v, err := s.value(a.Expression)
	if err != nil {
		return err
	}
	var chosen Actions
	if a.Default != nil {
		chosen = a.Default.Actions
	}
	for _, c := range a.Cases {
		if c.Case == v {
			chosen = c.Actions
		}
	}
	for _, block := range a.blocks() {
		for _, name := range keys(block) {
			if _, ok := chosen[name]; !ok {
				r.skip(name, block[name])
			}
		}
	}
	e.Inputs, e.Status = v, r.block(s, chosen)
	return nil
}

func (r *Run) foreach(s *scope, name string, a Action, e *Entry) error {
	v, err := s.value(a.Foreach)
	if err != nil {
		return err
	}
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("foreach over a %T", v)
	}
	for _, item := range list {
		inner := &scope{run: r, items: maps.Clone(s.items), item: item}
		inner.items[name] = item
		if r.block(inner, a.Actions) == Failed {
			e.Status = Failed
		}
	}
	return nil
}

func (r *Run) until(s *scope, a Action, e *Entry) error {
	begin := r.now
	timeout, err := duration(a.Limit.Timeout)
	if err != nil {
		return err
	}
	for range a.Limit.Count {
		if r.block(s, a.Actions) == Failed {
			e.Status = Failed
			return nil
		}
		v, err := s.value(a.Expression)
		if err != nil || v == true || r.ended != "" {
			return err
		}
		if r.now.Sub(begin) >= timeout {
			break
		}
	}
	if r.env.UntilLimit != "" {
		e.Status = r.env.UntilLimit
	}
	return nil
}

// list filters or maps a list.
func (r *Run) list(s *scope, a Action, e *Entry) (any, error) {
	inputs := a.Inputs.(map[string]any)
	v, err := s.value(inputs["from"])
	if err != nil {
		return nil, err
	}
	from, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("from is a %T", v)
	}
	e.Inputs = from
	body := []any{}
	for _, item := range from {
		inner := &scope{run: r, items: s.items, item: item}
		if a.Type == "Query" {
			keep, err := inner.value(inputs["where"])
			if err != nil {
				return nil, err
			}
			if keep.(bool) {
				body = append(body, item)
			}
			continue
		}
		one, err := inner.value(inputs["select"])
		if err != nil {
			return nil, err
		}
		body = append(body, one)
	}
	return map[string]any{"body": body}, nil
}

// holds evaluates the expression of a condition: a text, or one function with its arguments as an object.
func (s *scope) holds(expression any) (bool, error) {
	v, err := s.truth(expression)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("the condition is a %T", v)
	}
	return yes, nil
}

func (s *scope) truth(expression any) (any, error) {
	object, ok := expression.(map[string]any)
	if !ok {
		return s.value(expression)
	}
	for name, args := range object {
		list, ok := args.([]any)
		if !ok {
			list = []any{args}
		}
		var values []any
		for _, a := range list {
			v, err := s.truth(a)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if len(values) == 1 && (name == "and" || name == "or") {
			return values[0], nil
		}
		return s.call(strings.ToLower(name), values)
	}
	return nil, errors.New("a condition without anything in it")
}
