package kql

import (
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Functions returns the names of the scalar functions there are.
func Functions() []string {
	return slices.Sorted(maps.Keys(functions(time.Time{})))
}

// function is one with values as arguments.
type function struct {
	min, max int
	typ      Type // "" is that of the first argument, "last" that of the last
	of       func(args []any) any
}

const last Type = "last"

func (s *scope) call(e *expr) (eval, error) {
	if e.name == "column_ifexists" { // its first argument is a name
		return s.columnIfExists(e)
	}
	args := make([]eval, len(e.args))
	for i, a := range e.args {
		var err error
		if args[i], err = s.compile(a); err != nil {
			return eval{}, err
		}
	}
	f, ok := functions(s.now)[e.name]
	if !ok {
		return eval{}, &Error{Semantic: true, Code: "SEM0260", Message: "Unknown function: '" + e.name + "'."}
	}
	if len(args) < f.min || len(args) > f.max {
		return eval{}, &Error{Semantic: true, Code: "SEM0219", Message: e.name + "(): the number of arguments is wrong"}
	}
	typ := f.typ
	switch {
	case typ == "" && len(args) > 0:
		typ = args[0].typ
	case typ == last:
		typ = args[len(args)-1].typ
	}
	return eval{typ, func(row []any) any {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a.of(row)
		}
		return f.of(values)
	}}, nil
}

func (s *scope) columnIfExists(e *expr) (eval, error) {
	if len(e.args) != 2 || e.args[0].op != "value" {
		return eval{}, mistyped("column_ifexists(): needs a column's name and a value")
	}
	name, ok := e.args[0].value.(string)
	if ok && slices.ContainsFunc(s.columns, func(c Column) bool { return c.Name == name }) {
		return s.compile(&expr{op: "name", name: name})
	}
	return s.compile(e.args[1])
}

func functions(now time.Time) map[string]function {
	one := func(typ Type, of func(v any) any) function {
		return function{1, 1, typ, func(args []any) any { return of(args[0]) }}
	}
	isEmpty := func(v any) bool { return v == nil || str(v) == "" }
	iff := function{3, 3, last, func(a []any) any {
		if a[0] == true {
			return a[1]
		}
		return a[2]
	}}
	parse := one(Dynamic, parseJSON)
	bin := function{2, 2, "", func(a []any) any { return binOf(a[0], a[1]) }}
	toReal := one(Real, numberOf)
	toLong := one(Long, func(v any) any {
		if f, ok := numberOf(v).(float64); ok {
			return int64(f)
		}
		return nil
	})
	return map[string]function{
		"now":        {0, 1, Datetime, func(a []any) any { return shifted(now, a, 1) }},
		"ago":        {1, 1, Datetime, func(a []any) any { return shifted(now, a, -1) }},
		"bin":        bin,
		"floor":      bin,
		"startofday": one(Datetime, func(v any) any { return binOf(v, 24*time.Hour) }),
		"not":        one(Bool, func(v any) any { return v != true }),
		"isempty":    one(Bool, func(v any) any { return isEmpty(v) }),
		"isnotempty": one(Bool, func(v any) any { return !isEmpty(v) }),
		"isnull":     one(Bool, func(v any) any { return v == nil }),
		"isnotnull":  one(Bool, func(v any) any { return v != nil }),
		"iff":        iff,
		"iif":        iff,
		"case":       {3, 99, last, caseOf},
		"coalesce":   {2, 99, "", coalesce},
		"strcat":     {1, 64, String, strcat},
		"strlen":     one(Long, func(v any) any { return int64(len([]rune(str(v)))) }),
		"replace_string": {3, 3, String, func(a []any) any {
			if str(a[1]) == "" {
				return str(a[0])
			}
			return strings.ReplaceAll(str(a[0]), str(a[1]), str(a[2]))
		}},
		"tolower":    one(String, func(v any) any { return strings.ToLower(str(v)) }),
		"toupper":    one(String, func(v any) any { return strings.ToUpper(str(v)) }),
		"trim":       {2, 2, String, func(a []any) any { return strings.Trim(str(a[1]), str(a[0])) }},
		"substring":  {2, 3, String, substring},
		"tostring":   one(String, func(v any) any { return str(v) }),
		"tolong":     toLong,
		"toint":      toLong,
		"toreal":     toReal,
		"todouble":   toReal,
		"tobool":     one(Bool, boolOf),
		"todatetime": one(Datetime, datetimeOf),
		"parse_json": parse,
		"todynamic":  parse,
		"hash":       {1, 2, Long, hash},
		"abs":        one("", absolute),
	}
}

func shifted(now time.Time, args []any, sign time.Duration) any {
	if len(args) == 0 {
		return now
	}
	d, ok := args[0].(time.Duration)
	if !ok {
		return nil
	}
	return now.Add(sign * d)
}

// binOf rounds down. Times are counted from the year 1, as the service does.
func binOf(v, size any) any {
	switch v := v.(type) {
	case time.Time:
		if d, ok := size.(time.Duration); ok && d > 0 {
			return v.UTC().Truncate(d)
		}
	case time.Duration:
		if d, ok := size.(time.Duration); ok && d > 0 {
			return time.Duration(math.Floor(float64(v)/float64(d))) * d
		}
	case int64:
		if n, ok := size.(int64); ok && n > 0 {
			return int64(math.Floor(float64(v)/float64(n))) * n
		}
	case float64:
		if f, ok := float(size); ok && f > 0 {
			return math.Floor(v/f) * f
		}
	}
	return nil
}

func caseOf(a []any) any {
	for i := 0; i+1 < len(a); i += 2 {
		if a[i] == true {
			return a[i+1]
		}
	}
	return a[len(a)-1]
}

func coalesce(a []any) any {
	for _, v := range a {
		if v != nil && v != "" {
			return v
		}
	}
	return a[len(a)-1]
}

func strcat(a []any) any {
	var b strings.Builder
	for _, v := range a {
		b.WriteString(str(v))
	}
	return b.String()
}

func substring(a []any) any {
	runes := []rune(str(a[0]))
	from := max(0, min(toInt(a[1]), int64(len(runes))))
	to := int64(len(runes))
	if len(a) == 3 {
		to = max(from, min(to, from+toInt(a[2])))
	}
	return string(runes[from:to])
}

func numberOf(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return float64(rank(v))
	case int64, float64:
		f, _ := float(v)
		return f
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(str(v)), 64)
	if err != nil {
		return nil
	}
	return f
}

func boolOf(v any) any {
	if f, ok := float(v); ok {
		return f != 0
	}
	b, err := strconv.ParseBool(strings.ToLower(str(v)))
	if err != nil {
		return nil
	}
	return b
}

func datetimeOf(v any) any {
	if at, ok := v.(time.Time); ok {
		return at
	}
	at, ok := ParseTime(str(v))
	if !ok {
		return nil
	}
	return at
}

// parseJSON makes a dynamic value of a text; one that is no JSON is a text.
func parseJSON(v any) any {
	switch v := v.(type) {
	case nil, Value:
		return v
	}
	if raw := Value(str(v)); raw.IsValid() {
		return raw
	}
	quoted, _ := jsontext.AppendQuote(nil, str(v))
	return Value(quoted)
}

func hash(a []any) any {
	h := fnv.New64a()
	_, _ = h.Write([]byte(str(a[0])))
	if len(a) == 1 {
		return int64(h.Sum64() >> 1)
	}
	n := toInt(a[1])
	if n <= 0 {
		return nil
	}
	return int64(h.Sum64() % uint64(n))
}

func absolute(v any) any {
	switch v := v.(type) {
	case int64:
		return max(v, -v)
	case float64:
		return math.Abs(v)
	case time.Duration:
		return v.Abs()
	}
	return nil
}
