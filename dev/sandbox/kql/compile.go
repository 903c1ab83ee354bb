package kql

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
)

// eval is an expression ready to run over rows.
type eval struct {
	typ Type
	of  func(row []any) any
}

// scope is what names stand for.
type scope struct {
	operator string
	columns  []Column
	lets     map[string]any
	now      time.Time
}

func constant(v any) eval {
	return eval{typeOf(v), func([]any) any { return v }}
}

func (s *scope) compile(e *expr) (eval, error) {
	switch e.op {
	case "value":
		c := constant(e.value)
		if e.value == nil {
			c.typ = map[string]Type{"datetime": Datetime, "timespan": Timespan, "time": Timespan, "dynamic": Dynamic}[e.name]
		}
		return c, nil
	case "name":
		for i, c := range s.columns {
			if c.Name == e.name {
				return eval{c.Type, func(row []any) any { return row[i] }}, nil
			}
		}
		if v, ok := s.lets[e.name]; ok {
			return constant(v), nil
		}
		return eval{}, resolve(s.operator, "column or scalar expression", e.name)
	case "call":
		return s.call(e)
	case "star":
		return eval{}, mistyped("* can't stand here")
	}
	args := make([]eval, len(e.args))
	for i, a := range e.args {
		var err error
		if args[i], err = s.compile(a); err != nil {
			return eval{}, err
		}
	}
	return operate(e, args)
}

func operate(e *expr, args []eval) (eval, error) {
	boolean := func(f func(row []any) bool) (eval, error) {
		return eval{Bool, func(row []any) any { return f(row) }}, nil
	}
	a := args[0]
	switch e.op {
	case "and":
		return boolean(func(row []any) bool { return a.of(row) == true && args[1].of(row) == true })
	case "or":
		return boolean(func(row []any) bool { return a.of(row) == true || args[1].of(row) == true })
	case "negative":
		return arithmetic("-", eval{a.typ, func([]any) any { return zero(a.typ) }}, a)
	case "+", "-", "*", "/", "%":
		return arithmetic(e.op, a, args[1])
	case "==", "!=", "<", "<=", ">", ">=":
		return comparison(e.op, a, args[1])
	case "between", "!between":
		upper := args[2]
		if upper.typ == Timespan && a.typ == Datetime { // between (from .. 1h)
			var err error
			if upper, err = arithmetic("+", args[1], upper); err != nil {
				return eval{}, err
			}
		}
		return boolean(func(row []any) bool {
			v := a.of(row)
			lower, ok1 := compare(v, args[1].of(row))
			higher, ok2 := compare(v, upper.of(row))
			return v != nil && (ok1 && ok2 && lower >= 0 && higher <= 0) == (e.op == "between")
		})
	case "in", "!in", "in~", "!in~":
		fold := strings.HasSuffix(e.op, "~")
		return boolean(func(row []any) bool {
			v := a.of(row)
			found := slices.ContainsFunc(args[1:], func(one eval) bool { return same(v, one.of(row), fold) })
			return found != strings.HasPrefix(e.op, "!")
		})
	case "matches regex":
		return boolean(func(row []any) bool {
			re, err := regexp.Compile(str(args[1].of(row)))
			return err == nil && re.MatchString(str(a.of(row)))
		})
	case "member", "index":
		return member(e, args)
	}
	return boolean(func(row []any) bool { return textTest(e.op, str(a.of(row)), str(args[1].of(row))) })
}

func zero(t Type) any {
	switch t {
	case Timespan:
		return time.Duration(0)
	case Real:
		return float64(0)
	}
	return int64(0)
}

func same(a, b any, fold bool) bool {
	if fold {
		return strings.EqualFold(str(a), str(b))
	}
	order, ok := compare(a, b)
	return ok && order == 0
}

// textTest is =~, contains and the like.
func textTest(op, a, b string) bool {
	op, negative := strings.CutPrefix(op, "!")
	op, exact := strings.CutSuffix(op, "_cs")
	if !exact {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	var found bool
	switch op {
	case "=~", "~":
		found = a == b
	case "contains":
		found = strings.Contains(a, b)
	case "startswith":
		found = strings.HasPrefix(a, b)
	case "endswith":
		found = strings.HasSuffix(a, b)
	case "has":
		found = hasTerm(a, b)
	}
	return found != negative
}

// hasTerm says whether a text has another one between two signs that are no letters or digits.
func hasTerm(text, term string) bool {
	inside := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for from := 0; ; {
		i := strings.Index(text[from:], term)
		if i < 0 {
			return false
		}
		i += from
		before, after := []rune(text[:i]), []rune(text[i+len(term):])
		if (len(before) == 0 || !inside(before[len(before)-1])) && (len(after) == 0 || !inside(after[0])) {
			return true
		}
		from = i + 1
	}
}

// comparison compares values of one type. Null is equal to nothing, a text to
// dynamic ones.
func comparison(op string, a, b eval) (eval, error) {
	isNumber := func(t Type) bool { return t == Long || t == Real }
	untyped := func(t Type) bool { return t == "" || t == Dynamic }
	numbers := isNumber(a.typ) && isNumber(b.typ)
	if a.typ != b.typ && !untyped(a.typ) && !untyped(b.typ) && !numbers {
		return eval{}, mistyped("Cannot compare values of types %s and %s. Try adding explicit casts", a.typ, b.typ)
	}
	return eval{Bool, func(row []any) any {
		x, y := a.of(row), b.of(row)
		order, ok := compare(x, y)
		if x == nil || y == nil || !ok {
			return op == "!="
		}
		switch op {
		case "==":
			return order == 0
		case "!=":
			return order != 0
		case "<":
			return order < 0
		case "<=":
			return order <= 0
		case ">":
			return order > 0
		}
		return order >= 0
	}}, nil
}

func arithmetic(op string, a, b eval) (eval, error) {
	typ, ok := resultType(op, a.typ, b.typ)
	if !ok {
		return eval{}, mistyped("Arithmetic expression cannot be carried-out between %s and %s", a.typ, b.typ)
	}
	return eval{typ, func(row []any) any {
		x, y := a.of(row), b.of(row)
		if x == nil || y == nil {
			return nil
		}
		return combine(op, typ, x, y)
	}}, nil
}

// resultType is the type of "a op b", if the language has one.
func resultType(op string, a, b Type) (typ Type, ok bool) {
	switch {
	case a == Datetime && b == Timespan && (op == "+" || op == "-"):
		return Datetime, true
	case a == Datetime && b == Datetime && op == "-":
		return Timespan, true
	case a == Timespan && b == Timespan && op == "/":
		return Real, true
	case a == Timespan && (b == Timespan || op == "*" || op == "/"):
		return Timespan, true
	case a == Long && b == Long:
		return Long, true
	}
	return Real, (a == Long || a == Real) && (b == Long || b == Real)
}

func combine(op string, typ Type, x, y any) any {
	if at, ok := x.(time.Time); ok {
		switch y := y.(type) {
		case time.Time:
			return at.Sub(y)
		case time.Duration:
			if op == "-" {
				y = -y
			}
			return at.Add(y)
		}
	}
	f, g := toFloat(x), toFloat(y)
	if typ == Long || (typ == Timespan && (op == "+" || op == "-")) {
		n, m := toInt(x), toInt(y)
		var result int64
		switch {
		case (op == "/" || op == "%") && m == 0:
			return nil
		case op == "+":
			result = n + m
		case op == "-":
			result = n - m
		case op == "*":
			result = n * m
		case op == "/":
			result = n / m
		default:
			result = n % m
		}
		if typ == Timespan {
			return time.Duration(result)
		}
		return result
	}
	var result float64
	switch op {
	case "+":
		result = f + g
	case "-":
		result = f - g
	case "*":
		result = f * g
	case "/":
		result = f / g
	default:
		result = math.Mod(f, g)
	}
	if typ == Timespan {
		return time.Duration(result)
	}
	return result
}

func toFloat(v any) float64 {
	if d, ok := v.(time.Duration); ok {
		return float64(d)
	}
	f, _ := float(v)
	return f
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case time.Duration:
		return int64(v)
	case int64:
		return v
	}
	return int64(toFloat(v))
}

// member is a.b or a[b] of a dynamic value; one of a text that holds JSON is null, as
// at the service.
func member(e *expr, args []eval) (eval, error) {
	if args[0].typ != Dynamic {
		return eval{}, mistyped("a member of a %s: use parse_json() first", args[0].typ)
	}
	return eval{Dynamic, func(row []any) any {
		v, _ := args[0].of(row).(Value)
		name := e.name
		if e.op == "index" {
			at := args[1].of(row)
			if i, isNumber := at.(int64); isNumber {
				var list []Value
				if json.Unmarshal(v, &list) != nil || i < 0 || i >= int64(len(list)) {
					return nil
				}
				return list[i]
			}
			name = str(at)
		}
		var object map[string]Value
		if json.Unmarshal(v, &object) != nil || object[name] == nil || object[name].Kind() == 'n' {
			return nil
		}
		return object[name]
	}}, nil
}
