package kql

import "strings"

// expr is an expression as it was written.
type expr struct {
	op    string // "value", "name", "call", "member", "index", or an operator
	name  string
	value any
	args  []*expr
}

// parser reads tokens.
type parser struct {
	src    string
	tokens []token
	at     int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) fail() error {
	t := p.peek()
	shown := t.text
	if t.kind == end {
		shown = "<EOF>"
	}
	return syntax(p.src, t.at, shown)
}

// symbol steps over one of the signs, if it is next.
func (p *parser) symbol(signs ...string) (string, bool) {
	if t := p.peek(); t.kind == symbol {
		for _, s := range signs {
			if t.text == s {
				p.at++
				return s, true
			}
		}
	}
	return "", false
}

// word steps over one of the words, if it is next.
func (p *parser) word(words ...string) (string, bool) {
	if t := p.peek(); t.kind == name {
		for _, w := range words {
			if t.text == w {
				p.at++
				return w, true
			}
		}
	}
	return "", false
}

func (p *parser) want(sign string) error {
	if _, ok := p.symbol(sign); !ok {
		return p.fail()
	}
	return nil
}

// ident reads a name, or one in ['…'].
func (p *parser) ident() (string, error) {
	if t := p.peek(); t.kind == name {
		p.at++
		return t.text, nil
	}
	if _, ok := p.symbol("["); ok {
		if t := p.peek(); t.kind == text {
			p.at++
			quoted, _ := t.value.(string)
			return quoted, p.want("]")
		}
	}
	return "", p.fail()
}

func (p *parser) expression() (*expr, error) {
	if p.depth++; p.depth > 100 {
		return nil, p.fail()
	}
	defer func() { p.depth-- }()
	return p.chain("or", func() (*expr, error) { return p.chain("and", p.comparison) })
}

func (p *parser) chain(op string, part func() (*expr, error)) (*expr, error) {
	left, err := part()
	for err == nil {
		if _, ok := p.word(op); !ok {
			break
		}
		var right *expr
		right, err = part()
		left = &expr{op: op, args: []*expr{left, right}}
	}
	return left, err
}

// textOperators compare texts; each has a form with ! before it and one with _cs behind it.
func textOperators() []string {
	var all []string
	for _, op := range []string{"contains", "has", "startswith", "endswith"} {
		all = append(all, op, "!"+op, op+"_cs", "!"+op+"_cs")
	}
	return all
}

func (p *parser) comparison() (*expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	if op, ok := p.symbol("==", "!=", "<=", ">=", "<", ">", "=~", "!~"); ok {
		return p.binary(op, left, p.sum)
	}
	if op, ok := p.word(textOperators()...); ok {
		return p.binary(op, left, p.sum)
	}
	if op, ok := p.word("in", "!in", "in~", "!in~"); ok {
		list, err := p.list("(", ")")
		return &expr{op: op, args: append([]*expr{left}, list...)}, err
	}
	if _, ok := p.word("matches"); ok {
		if _, ok := p.word("regex"); !ok {
			return nil, p.fail()
		}
		return p.binary("matches regex", left, p.sum)
	}
	if op, ok := p.word("between", "!between"); ok {
		return p.between(op, left)
	}
	return left, nil
}

func (p *parser) binary(op string, left *expr, part func() (*expr, error)) (*expr, error) {
	right, err := part()
	return &expr{op: op, args: []*expr{left, right}}, err
}

func (p *parser) between(op string, left *expr) (*expr, error) {
	if err := p.want("("); err != nil {
		return nil, err
	}
	from, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.want(".."); err != nil {
		return nil, err
	}
	to, err := p.sum()
	if err != nil {
		return nil, err
	}
	return &expr{op: op, args: []*expr{left, from, to}}, p.want(")")
}

func (p *parser) sum() (*expr, error) {
	return p.signs(func() (*expr, error) { return p.signs(p.unary, "*", "/", "%") }, "+", "-")
}

func (p *parser) signs(part func() (*expr, error), ops ...string) (*expr, error) {
	left, err := part()
	for err == nil {
		op, ok := p.symbol(ops...)
		if !ok {
			break
		}
		left, err = p.binary(op, left, part)
	}
	return left, err
}

func (p *parser) unary() (*expr, error) {
	if _, ok := p.symbol("-"); ok {
		if p.depth++; p.depth > 100 {
			return nil, p.fail()
		}
		defer func() { p.depth-- }()
		of, err := p.unary()
		return &expr{op: "negative", args: []*expr{of}}, err
	}
	return p.postfix()
}

func (p *parser) postfix() (*expr, error) {
	e, err := p.primary()
	for err == nil {
		if _, ok := p.symbol("."); ok {
			var member string
			member, err = p.ident()
			e = &expr{op: "member", name: member, args: []*expr{e}}
			continue
		}
		if _, ok := p.symbol("["); ok {
			var inside *expr
			if inside, err = p.expression(); err == nil {
				err = p.want("]")
			}
			e = &expr{op: "index", args: []*expr{e, inside}}
			continue
		}
		break
	}
	return e, err
}

func (p *parser) primary() (*expr, error) {
	t := p.peek()
	switch t.kind {
	case text, number, span, literal:
		p.at++
		e := &expr{op: "value", value: t.value, name: t.text}
		return e, nil
	case name:
		p.at++
		switch t.text {
		case "true", "false":
			return &expr{op: "value", value: t.text == "true"}, nil
		}
		if next := p.peek(); next.kind == symbol && next.text == "(" && !strings.HasPrefix(t.text, "!") {
			args, err := p.list("(", ")")
			return &expr{op: "call", name: t.text, args: args}, err
		}
		return &expr{op: "name", name: t.text}, nil
	case symbol:
		if t.text == "(" {
			p.at++
			e, err := p.expression()
			if err != nil {
				return nil, err
			}
			return e, p.want(")")
		}
		if t.text == "[" {
			column, err := p.ident()
			return &expr{op: "name", name: column}, err
		}
		if t.text == "*" { // of arg_max(x, *), distinct *
			p.at++
			return &expr{op: "star"}, nil
		}
	}
	return nil, p.fail()
}

// list reads expressions with commas between them.
func (p *parser) list(open, closing string) ([]*expr, error) {
	if err := p.want(open); err != nil {
		return nil, err
	}
	var list []*expr
	if _, ok := p.symbol(closing); ok {
		return nil, nil
	}
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if _, ok := p.symbol(","); !ok {
			return list, p.want(closing)
		}
	}
}

// named is an expression with the name of its column.
type named struct {
	name string
	of   *expr
}

// columns reads expressions with names before them or not.
func (p *parser) columns() ([]named, error) {
	var list []named
	for {
		var n named
		if p.at+1 < len(p.tokens) && p.peek().kind == name && p.tokens[p.at+1].kind == symbol && p.tokens[p.at+1].text == "=" {
			n.name = p.peek().text
			p.at += 2
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.of = e
		list = append(list, n)
		if _, ok := p.symbol(","); !ok {
			return list, nil
		}
	}
}
