package tenant

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonPath is a subscription's filter: JSONPath as the Jayway library reads it, as far as
// SailPoint's examples of filters go. What else that library knows is an [unknown] error.
type jsonPath struct{ steps []pathStep }

// pathStep takes nodes to their children.
type pathStep func(root any, nodes []any) []any

// parseJSONPath reads a whole path.
func parseJSONPath(text string) (jsonPath, error) {
	p := pathParser{rest: strings.TrimSpace(text)}
	if !p.take("$") {
		return jsonPath{}, errors.New("a filter begins with $")
	}
	path, err := p.path()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%.40q is not part of a path", p.rest)
	}
	return path, err
}

// find returns what a path leads to in an input.
func (p jsonPath) find(input jsontext.Value) []any {
	var root any
	if json.Unmarshal(input, &root, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return nil
	}
	return p.from(root, root)
}

func (p jsonPath) from(root, node any) []any {
	nodes := []any{node}
	for _, step := range p.steps {
		nodes = step(root, nodes)
	}
	return nodes
}

// matches says whether a filter lets an input through: a path that leads anywhere does.
func (p jsonPath) matches(input jsontext.Value) bool { return len(p.find(input)) > 0 }

// pathParser reads from the front of its rest.
type pathParser struct{ rest string }

func (p *pathParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pathParser) blank() { p.rest = strings.TrimLeft(p.rest, " \t") }

var (
	pathName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*`)
	pathNumber = regexp.MustCompile(`^-?\d+`)
	number     = regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d+)?`)
)

func (p *pathParser) match(re *regexp.Regexp) string {
	text := re.FindString(p.rest)
	p.rest = p.rest[len(text):]
	return text
}

// path reads the steps behind $ or @.
func (p *pathParser) path() (path jsonPath, err error) {
	for err == nil {
		var step pathStep
		switch {
		case p.take(".."):
			path.steps = append(path.steps, descend)
			if strings.HasPrefix(p.rest, "[") {
				continue
			}
			step, err = p.named()
		case p.take("."):
			step, err = p.named()
		case p.take("["):
			step, err = p.bracket()
		default:
			return path, nil
		}
		path.steps = append(path.steps, step)
	}
	return path, err
}

func (p *pathParser) named() (pathStep, error) {
	if p.take("*") {
		return children, nil
	}
	name := p.match(pathName)
	switch {
	case name == "":
		return nil, fmt.Errorf("a name is missing before %.40q", p.rest)
	case strings.HasPrefix(p.rest, "("):
		return nil, unknown("the function " + name + "() of a filter")
	}
	return member(name), nil
}

func (p *pathParser) bracket() (step pathStep, err error) {
	p.blank()
	switch {
	case p.take("*"):
		step = children
	case p.take("?"):
		p.blank()
		if !p.take("(") {
			return nil, errors.New("? is followed by (")
		}
		cond, err := p.or()
		if err != nil {
			return nil, err
		}
		p.blank()
		if !p.take(")") {
			return nil, errors.New("a condition does not end with )")
		}
		step = where(cond)
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		name, err := p.quoted()
		if err != nil {
			return nil, err
		}
		step = member(name)
	default:
		n, err := strconv.Atoi(p.match(pathNumber))
		if err != nil {
			return nil, fmt.Errorf("%.40q is not an index", p.rest)
		}
		step = element(n)
	}
	p.blank()
	if strings.HasPrefix(p.rest, ":") || strings.HasPrefix(p.rest, ",") {
		return nil, unknown("slices and unions of a filter")
	}
	if !p.take("]") {
		return nil, errors.New("a bracket does not end with ]")
	}
	return step, nil
}

func (p *pathParser) quoted() (string, error) {
	quote := p.rest[:1]
	text, rest, ok := strings.Cut(p.rest[1:], quote)
	if !ok {
		return "", errors.New("a quotation does not end")
	}
	p.rest = rest
	return text, nil
}

func member(name string) pathStep {
	return func(_ any, nodes []any) (out []any) {
		for _, n := range nodes {
			if m, ok := n.(map[string]any); ok {
				if v, ok := m[name]; ok {
					out = append(out, v)
				}
			}
		}
		return out
	}
}

func element(i int) pathStep {
	return func(_ any, nodes []any) (out []any) {
		for _, n := range nodes {
			list, _ := n.([]any)
			at := i
			if at < 0 {
				at += len(list)
			}
			if at >= 0 && at < len(list) {
				out = append(out, list[at])
			}
		}
		return out
	}
}

func children(_ any, nodes []any) (out []any) {
	for _, n := range nodes {
		switch n := n.(type) {
		case []any:
			out = append(out, n...)
		case map[string]any:
			for _, v := range n {
				out = append(out, v)
			}
		}
	}
	return out
}

func descend(root any, nodes []any) (out []any) {
	for len(nodes) > 0 {
		out = append(out, nodes...)
		nodes = children(root, nodes)
	}
	return out
}

func where(cond pathCondition) pathStep {
	return func(root any, nodes []any) (out []any) {
		for _, n := range nodes {
			candidates := []any{n}
			if list, ok := n.([]any); ok {
				candidates = list
			}
			for _, c := range candidates {
				if cond(root, c) {
					out = append(out, c)
				}
			}
		}
		return out
	}
}

// pathCondition is what ?( ) holds.
type pathCondition func(root, node any) bool

func (p *pathParser) or() (pathCondition, error) {
	left, err := p.and()
	for p.blank(); err == nil && p.take("||"); p.blank() {
		var right pathCondition
		a := left
		right, err = p.and()
		left = func(root, node any) bool { return a(root, node) || right(root, node) }
	}
	return left, err
}

func (p *pathParser) and() (pathCondition, error) {
	left, err := p.unary()
	for p.blank(); err == nil && p.take("&&"); p.blank() {
		var right pathCondition
		a := left
		right, err = p.unary()
		left = func(root, node any) bool { return a(root, node) && right(root, node) }
	}
	return left, err
}

func (p *pathParser) unary() (pathCondition, error) {
	p.blank()
	switch {
	case p.take("!"):
		inner, err := p.unary()
		return func(root, node any) bool { return !inner(root, node) }, err
	case p.take("("):
		inner, err := p.or()
		if p.blank(); err == nil && !p.take(")") {
			err = errors.New("a condition does not end with )")
		}
		return inner, err
	}
	return p.comparison()
}

// operand is one side of a comparison; found is false if its path leads nowhere.
type operand func(root, node any) (value any, found bool)

// operators are what compares two operands, the longer of two that begin alike first.
func operators() []string {
	return []string{"==", "!=", "<=", ">=", "=~", "<", ">", "nin ", "in ", "contains ", "size "}
}

func (p *pathParser) comparison() (pathCondition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.blank()
	for _, other := range []string{"subsetof", "anyof", "noneof", "empty"} {
		if strings.HasPrefix(p.rest, other) {
			return nil, unknown("the operator " + other + " of a filter")
		}
	}
	i := slices.IndexFunc(operators(), func(op string) bool { return strings.HasPrefix(p.rest, op) })
	if i < 0 {
		return func(root, node any) bool { _, found := left(root, node); return found }, nil
	}
	op := operators()[i]
	p.take(op)
	if op == "=~" {
		return p.regexp(left)
	}
	right, err := p.operand()
	return func(root, node any) bool {
		a, ok := left(root, node)
		b, both := right(root, node)
		return ok && both && compare(strings.TrimSpace(op), a, b)
	}, err
}

func (p *pathParser) regexp(left operand) (pathCondition, error) {
	p.blank()
	if !p.take("/") {
		return nil, errors.New("=~ is followed by /")
	}
	text, rest, ok := strings.Cut(p.rest, "/")
	if !ok {
		return nil, errors.New("a regular expression does not end")
	}
	p.rest = rest
	if p.take("i") {
		text = "(?i)" + text
	}
	re, err := regexp.Compile("^(?:" + text + ")$")
	if err != nil {
		return nil, errors.New("a regular expression can't be read")
	}
	return func(root, node any) bool {
		v, _ := left(root, node)
		text, ok := v.(string)
		return ok && re.MatchString(text)
	}, nil
}

func compare(op string, a, b any) bool {
	switch op {
	case "==":
		return reflect.DeepEqual(a, b)
	case "!=":
		return !reflect.DeepEqual(a, b)
	case "in", "nin":
		list, ok := b.([]any)
		return ok && slices.ContainsFunc(list, func(one any) bool { return reflect.DeepEqual(a, one) }) == (op == "in")
	case "contains":
		if list, ok := a.([]any); ok {
			return slices.ContainsFunc(list, func(one any) bool { return reflect.DeepEqual(b, one) })
		}
		text, _ := a.(string)
		part, ok := b.(string)
		return ok && strings.Contains(text, part)
	case "size":
		list, ok := a.([]any)
		return ok && float64(len(list)) == b
	}
	var n int
	switch a := a.(type) {
	case float64:
		other, ok := b.(float64)
		if !ok {
			return false
		}
		n = int(a*1e6) - int(other*1e6)
	case string:
		other, ok := b.(string)
		if !ok {
			return false
		}
		n = strings.Compare(a, other)
	default:
		return false
	}
	return op == "<" && n < 0 || op == "<=" && n <= 0 || op == ">" && n > 0 || op == ">=" && n >= 0
}

func (p *pathParser) operand() (operand, error) {
	p.blank()
	constant := func(v any) (operand, error) { return func(any, any) (any, bool) { return v, true }, nil }
	switch {
	case p.take("@"):
		path, err := p.path()
		return func(root, node any) (any, bool) { return first(path.from(root, node)) }, err
	case p.take("$"):
		path, err := p.path()
		return func(root, _ any) (any, bool) { return first(path.from(root, root)) }, err
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return constant(text)
	case p.take("true"):
		return constant(true)
	case p.take("false"):
		return constant(false)
	case p.take("null"):
		return constant(nil)
	case p.take("["):
		return p.list()
	}
	text := p.match(number)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is not a value", p.rest)
	}
	return constant(n)
}

func (p *pathParser) list() (operand, error) {
	var values []any
	for p.blank(); !p.take("]"); p.blank() {
		one, err := p.operand()
		if err != nil {
			return nil, err
		}
		v, _ := one(nil, nil)
		values = append(values, v)
		if p.blank(); !p.take(",") && !strings.HasPrefix(p.rest, "]") {
			return nil, errors.New("a list does not end with ]")
		}
	}
	return func(any, any) (any, bool) { return values, true }, nil
}

func first(nodes []any) (any, bool) {
	if len(nodes) == 0 {
		return nil, false
	}
	return nodes[0], true
}
