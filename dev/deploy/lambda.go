package deploy

import (
	"errors"
	"maps"
	"strings"
)

// lambda is an expression with variables, which filter(), map() and toObject() evaluate
// for each element.
type lambda struct {
	scope *scope
	names []string
	body  string
	bound map[string]any // variables of the lambdas around it
}

// lambda reads one without evaluating it. Its parenthesis is open.
func (p *parser) lambda() (any, error) {
	var parts []string
	p.skip++
	defer func() { p.skip-- }()
	for i := 0; !p.Accept(')'); i++ {
		if i > 0 && !p.Accept(',') {
			return nil, errors.New(", or ) is missing in lambda()")
		}
		begin := p.Rest()
		if _, err := p.value(); err != nil {
			return nil, err
		}
		parts = append(parts, strings.TrimSpace(strings.TrimSuffix(begin, p.Rest())))
	}
	if len(parts) == 0 {
		return nil, errors.New("lambda() has no body")
	}
	l := lambda{scope: p.scope, body: parts[len(parts)-1], bound: p.bound}
	for _, name := range parts[:len(parts)-1] {
		l.names = append(l.names, strings.Trim(name, "'"))
	}
	return l, nil
}

// of evaluates the body for values of the variables.
func (l lambda) of(values ...any) any {
	bound := maps.Clone(l.bound)
	if bound == nil {
		bound = map[string]any{}
	}
	for i, name := range l.names {
		bound[name] = values[i]
	}
	v, err := l.scope.evaluateWith(l.body, bound)
	if err != nil {
		panic(err)
	}
	return v
}

func filter(args []any) any {
	kept := []any{}
	for _, v := range args[0].([]any) {
		if args[1].(lambda).of(v).(bool) {
			kept = append(kept, v)
		}
	}
	return kept
}

func mapOver(args []any) any {
	list := []any{}
	for _, v := range args[0].([]any) {
		list = append(list, args[1].(lambda).of(v))
	}
	return list
}

// toObject makes an object of an array, with a lambda for the name of a member and, if
// given, one for its value.
func toObject(args []any) any {
	object := map[string]any{}
	for _, v := range args[0].([]any) {
		name := args[1].(lambda).of(v).(string)
		if object[name] = v; len(args) > 2 {
			object[name] = args[2].(lambda).of(v)
		}
	}
	return object
}
