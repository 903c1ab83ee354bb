package deploy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// An expression of the template language is a literal, a call, or something of
// a call: variables('plans')[parameters('plan')].sku.

// isExpression reports whether a string is evaluated. Two brackets at the
// beginning stand for one that is meant as such.
func isExpression(s string) bool {
	return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && !strings.HasPrefix(s, "[[")
}

// parser evaluates while it reads: no expression is evaluated twice.
type parser struct {
	expr.Reader
	scope *scope
	// bound are the variables of the lambda expressions around it.
	bound map[string]any
	// skip is above 0 in the branch of an if that is not taken. Azure does not
	// evaluate it either.
	skip int
}

// evaluate returns the value of an expression, given with its brackets.
func (s *scope) evaluate(text string) (any, error) {
	v, err := s.evaluateWith(text[1:len(text)-1], nil)
	if err != nil {
		return nil, fmt.Errorf("expression %s: %w", text, err)
	}
	return v, nil
}

func (s *scope) evaluateWith(text string, bound map[string]any) (any, error) {
	p := &parser{Reader: expr.NewReader(text), scope: s, bound: bound}
	v, err := p.value()
	if err == nil && p.Peek() != 0 {
		err = fmt.Errorf("unexpected %q", p.Rest())
	}
	return v, err
}

func (p *parser) value() (any, error) {
	v, err := p.operand()
	for err == nil {
		switch {
		case p.Accept('.'):
			v, err = p.member(v, p.Word())
		case p.Accept('['):
			var key any
			if key, err = p.value(); err == nil && !p.Accept(']') {
				err = errors.New("] is missing")
			}
			if err == nil {
				v, err = p.member(v, key)
			}
		default:
			return v, nil
		}
	}
	return nil, err
}

func (p *parser) operand() (any, error) {
	if v, ok, err := p.Literal(); ok {
		return v, err
	}
	name := p.Word()
	if name == "" || !p.Accept('(') {
		return nil, fmt.Errorf("neither a literal nor a call at %q", p.Rest())
	}
	return p.call(name)
}

func (p *parser) call(name string) (any, error) {
	if name == "lambda" {
		return p.lambda()
	}
	var args []any
	for i := 0; !p.Accept(')'); i++ {
		if i > 0 && !p.Accept(',') {
			return nil, fmt.Errorf(", or ) is missing in %s()", name)
		}
		idle := name == "if" && i > 0 && len(args) > 0 && args[0] != (i == 1)
		if idle {
			p.skip++
		}
		v, err := p.value()
		if idle {
			p.skip--
		}
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if p.skip > 0 {
		return nil, nil
	}
	if name == "lambdaVariables" {
		variable, _ := args[0].(string)
		v, ok := p.bound[variable]
		if !ok {
			return nil, fmt.Errorf("no lambda around it has the variable %q", variable)
		}
		return v, nil
	}
	v, err := p.scope.call(name, args)
	if err != nil {
		return nil, fmt.Errorf("%s(): %w", name, err)
	}
	return v, nil
}

func (p *parser) member(of, key any) (any, error) {
	if p.skip > 0 {
		return nil, nil
	}
	switch of := of.(type) {
	case map[string]any:
		name, _ := key.(string)
		v, ok := of[name]
		if !ok {
			return nil, fmt.Errorf("there is no property %v", key)
		}
		return v, nil
	case []any:
		if i, ok := key.(float64); ok && int(i) < len(of) {
			return of[int(i)], nil
		}
	}
	return nil, fmt.Errorf("%v can't be taken of a %T", key, of)
}
