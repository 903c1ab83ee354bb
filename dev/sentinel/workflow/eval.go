package workflow

import (
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// scope is what an expression sees: the run, and the elements of the loops around it.
type scope struct {
	run   *Run
	items map[string]any // of loops, by their name
	item  any            // of the innermost one
}

// value evaluates the strings in a part of a definition.
func (s *scope) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		n, err := parseText(v)
		if err == nil {
			var result any
			if result, err = s.eval(n); err == nil {
				return result, nil
			}
		}
		return nil, fmt.Errorf("expression %s: %w", v, err)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			one, err := s.value(e)
			if err != nil {
				return nil, err
			}
			list[i] = one
		}
		return list, nil
	case map[string]any:
		object := map[string]any{}
		for _, name := range keys(v) {
			key, err := s.value(name)
			if err != nil {
				return nil, err
			}
			if object[expr.Text(key)], err = s.value(v[name]); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return v, nil
}

func (s *scope) eval(n node) (any, error) {
	switch n := n.(type) {
	case literal:
		return n.value, nil
	case text:
		var all []any
		for _, p := range n.parts {
			v, err := s.eval(p)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		return concat(all), nil
	case member:
		of, err := s.eval(n.of)
		if err != nil {
			return nil, err
		}
		key, err := s.eval(n.key)
		if err != nil {
			return nil, err
		}
		return memberOf(of, key, n.safe)
	case call:
		var args []any
		for _, a := range n.args {
			v, err := s.eval(a)
			if err != nil {
				return nil, err
			}
			args = append(args, v)
		}
		v, err := s.call(n.name, args)
		if err != nil {
			return nil, fmt.Errorf("%s(): %w", n.name, err)
		}
		return v, nil
	}
	panic(fmt.Sprintf("node %T", n))
}

func memberOf(of, key any, safe bool) (any, error) {
	switch v := of.(type) {
	case nil:
		if safe {
			return nil, nil
		}
	case map[string]any:
		if name, ok := key.(string); ok {
			value, there := v[name]
			if !there && !safe {
				return nil, fmt.Errorf("there is no property %q", name)
			}
			return value, nil
		}
	case []any:
		if i, ok := key.(float64); ok && int(i) >= 0 && int(i) < len(v) {
			return v[int(i)], nil
		}
	}
	return nil, fmt.Errorf("%v can't be taken of a %T", key, of)
}

// call evaluates one function.
func (s *scope) call(name string, args []any) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fmt.Errorf("arguments %.200v: %v", args, r)
		}
	}()
	if f, ok := pure(name); ok {
		return f.of(args), nil
	}
	switch name {
	case "triggerbody":
		return s.run.env.Trigger, nil
	case "variables":
		v, ok := s.run.variables[args[0].(string)]
		if !ok {
			return nil, fmt.Errorf("there is no variable %v", args[0])
		}
		return v, nil
	case "parameters":
		v, ok := s.run.parameters[args[0].(string)]
		if !ok {
			return nil, fmt.Errorf("there is no parameter %v", args[0])
		}
		return v, nil
	case "actions":
		return s.run.results[args[0].(string)].object(), nil
	case "outputs":
		return s.run.results[args[0].(string)].outputs, nil
	case "body":
		return memberOf(s.run.results[args[0].(string)].outputs, "body", true)
	case "item":
		return s.item, nil
	case "items":
		return s.items[args[0].(string)], nil
	case "workflow":
		return map[string]any{"name": "playbook", "run": map[string]any{"name": "08584000000000000000"}}, nil
	case "guid":
		s.run.made++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.run.made), nil
	case "utcnow":
		return s.run.now.UTC().Format(stamp), nil
	case "listcallbackurl":
		return "https://callback.logic.example/runs/1", nil
	}
	return nil, errNotSupported
}

// result is how an action ended.
type result struct {
	status  string
	outputs any
}

func (r result) object() any {
	if r.status == "" {
		return nil
	}
	return map[string]any{"status": r.status, "outputs": r.outputs}
}

// Now is the time of the run.
func (r *Run) Now() time.Time { return r.now }
