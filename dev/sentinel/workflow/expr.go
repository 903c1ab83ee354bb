package workflow

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
		p := &parser{text: s[1:]}
		n, err := p.value()
		if err == nil && p.peek() != 0 {
			err = fmt.Errorf("unexpected %q", p.text[p.pos:])
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
		p := &parser{text: rest}
		n, err := p.value()
		if err != nil {
			return nil, err
		}
		if !p.accept('}') {
			return nil, errors.New("} is missing")
		}
		t.parts = append(t.parts, n)
		s = rest[p.pos:]
	}
	return t, nil
}

type parser struct {
	text string
	pos  int
}

func (p *parser) peek() byte {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
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

func (p *parser) value() (node, error) {
	n, err := p.operand()
	for err == nil {
		safe := p.accept('?')
		switch {
		case p.accept('.'):
			n = member{n, literal{p.word()}, safe}
		case p.accept('['):
			var key node
			if key, err = p.value(); err == nil && !p.accept(']') {
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
	switch c := p.peek(); {
	case c == '\'':
		return p.quoted()
	case c == '-' || '0' <= c && c <= '9':
		begin := p.pos
		for p.pos++; p.pos < len(p.text) && strings.IndexByte("0123456789.", p.text[p.pos]) >= 0; p.pos++ {
		}
		v, err := strconv.ParseFloat(p.text[begin:p.pos], 64)
		return literal{v}, err
	}
	name := strings.ToLower(p.word())
	if !p.accept('(') {
		switch name {
		case "true", "false":
			return literal{name == "true"}, nil
		case "null":
			return literal{}, nil
		}
		return nil, fmt.Errorf("neither a literal nor a call at %q", p.text[p.pos:])
	}
	c := call{name: name}
	for i := 0; !p.accept(')'); i++ {
		if i > 0 && !p.accept(',') {
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

// quoted reads a string, in which two quotes stand for one.
func (p *parser) quoted() (node, error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		if p.text[p.pos] == '\'' {
			if !strings.HasPrefix(p.text[p.pos:], "''") {
				p.pos++
				return literal{b.String()}, nil
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
