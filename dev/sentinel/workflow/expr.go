package workflow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// An expression is a tree of these.
type (
	node    interface{}
	literal struct{ value any }
	call    struct {
		name string // in lower case
		args []node
	}
	member struct {
		of, key node
		safe    bool // ?. or ?[
	}
	// text is a string with expressions in it.
	text struct{ parts []node }
)

// parseText reads a string of a definition: a literal, @expression, or a text with @{expression} in it.
func parseText(s string) (node, error) {
	switch {
	case strings.HasPrefix(s, "@@") && !strings.Contains(s[2:], "@{"):
		return literal{s[1:]}, nil
	case strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "@{"):
		p := &parser{expr.NewReader(s[1:])}
		n, err := p.value()
		if err == nil && p.Peek() != 0 {
			err = fmt.Errorf("unexpected %q", p.Rest())
		}
		return n, err
	case !strings.Contains(s, "@{"):
		return literal{s}, nil
	}
	var t text
	for s != "" {
		before, rest, found := strings.Cut(s, "@{")
		if found && strings.HasSuffix(before, "@") {
			t.parts = append(t.parts, literal{before + "{"})
			s = rest
			continue
		}
		t.parts = append(t.parts, literal{before})
		if !found {
			break
		}
		p := &parser{expr.NewReader(rest)}
		n, err := p.value()
		if err != nil {
			return nil, err
		}
		if !p.Accept('}') {
			return nil, errors.New("} is missing")
		}
		t.parts = append(t.parts, n)
		s = p.Rest()
	}
	return t, nil
}

type parser struct{ expr.Reader }

func (p *parser) value() (node, error) {
	n, err := p.operand()
	for err == nil {
		safe := p.Accept('?')
		switch {
		case p.Accept('.'):
			n = member{n, literal{p.Word()}, safe}
		case p.Accept('['):
			var key node
			if key, err = p.value(); err == nil && !p.Accept(']') {
				err = errors.New("] is missing")
			}
			n = member{n, key, safe}
		case safe:
			err = errors.New("? is followed by neither . nor [")
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) operand() (node, error) {
	if v, ok, err := p.Literal(); ok {
		return literal{v}, err
	}
	name := strings.ToLower(p.Word())
	if !p.Accept('(') {
		switch name {
		case "true", "false":
			return literal{name == "true"}, nil
		case "null":
			return literal{}, nil
		}
		return nil, fmt.Errorf("neither a literal nor a call at %q", p.Rest())
	}
	c := call{name: name}
	for i := 0; !p.Accept(')'); i++ {
		if i > 0 && !p.Accept(',') {
			return nil, fmt.Errorf(", or ) is missing in %s()", name)
		}
		arg, err := p.value()
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
	}
	return c, nil
}

// walk visits a tree.
func walk(n node, visit func(node)) {
	visit(n)
	switch n := n.(type) {
	case call:
		for _, a := range n.args {
			walk(a, visit)
		}
	case member:
		walk(n.of, visit)
		walk(n.key, visit)
	case text:
		for _, p := range n.parts {
			walk(p, visit)
		}
	}
}

// texts visits every string in a part of a definition.
func texts(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, e := range v {
			texts(e, visit)
		}
	case map[string]any:
		for _, name := range keys(v) {
			visit(name)
			texts(v[name], visit)
		}
	}
}
