package deploy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	text  string
	pos   int
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
	p := &parser{text: text, scope: s, bound: bound}
	v, err := p.value()
	if err == nil && p.peek() != 0 {
		err = fmt.Errorf("unexpected %q", p.text[p.pos:])
	}
	return v, err
}

// peek returns the next byte that is no space, 0 at the end.
func (p *parser) peek() byte {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *parser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) value() (any, error) {
	v, err := p.operand()
	for err == nil {
		switch {
		case p.accept('.'):
			v, err = p.member(v, p.word())
		case p.accept('['):
			var key any
			if key, err = p.value(); err == nil && !p.accept(']') {
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
	switch c := p.peek(); {
	case c == '\'':
		return p.literal()
	case c == '-' || '0' <= c && c <= '9':
		begin := p.pos
		for p.pos++; p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9'; p.pos++ {
		}
		return strconv.ParseFloat(p.text[begin:p.pos], 64)
	}
	name := p.word()
	if name == "" || !p.accept('(') {
		return nil, fmt.Errorf("neither a literal nor a call at %q", p.text[p.pos:])
	}
	return p.call(name)
}

// literal reads a string, in which two quotes stand for one.
func (p *parser) literal() (any, error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		if p.text[p.pos] == '\'' {
			if !strings.HasPrefix(p.text[p.pos:], "''") {
				p.pos++
				return b.String(), nil
			}
			p.pos++
		}
		b.WriteByte(p.text[p.pos])
	}
	return nil, errors.New("a string does not end")
}

func (p *parser) word() string {
	p.peek()
	begin := p.pos
	for p.pos < len(p.text) && (p.text[p.pos] == '_' || p.text[p.pos]|0x20 >= 'a' && p.text[p.pos]|0x20 <= 'z' || p.pos > begin && p.text[p.pos] >= '0' && p.text[p.pos] <= '9') {
		p.pos++
	}
	return p.text[begin:p.pos]
}

func (p *parser) call(name string) (any, error) {
	if name == "lambda" {
		return p.lambda()
	}
	var args []any
	for i := 0; !p.accept(')'); i++ {
		if i > 0 && !p.accept(',') {
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
