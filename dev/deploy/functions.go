package deploy

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// call evaluates one function. Wrong argument types panic in the assertion and
// are turned into an error here.
func (s *scope) call(name string, args []any) (result any, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			result, err = nil, r
		case error:
			result, err = nil, fmt.Errorf("arguments %v: %w", args, r)
		default:
			result, err = nil, fmt.Errorf("arguments %v: %v", args, r)
		}
	}()
	if f, ok := pure(name); ok {
		return f(args), nil
	}
	switch name {
	case "parameters":
		return s.parameter(args[0].(string))
	case "variables":
		return s.variable(args[0].(string))
	case "copyIndex":
		if s.index < 0 {
			return nil, errors.New("there is no copy loop around it")
		}
		return float64(s.index), nil
	case "resourceGroup":
		return map[string]any{"id": s.group, "name": "connector", "location": "westeurope"}, nil
	case "subscription":
		return map[string]any{"id": "/subscriptions/" + Subscription, "subscriptionId": Subscription, "tenantId": Directory}, nil
	case "environment":
		return s.world.around.environment()
	case "resourceId":
		return s.resourceID(args), nil
	case "subscriptionResourceId":
		return "/subscriptions/" + Subscription + providerPath(args), nil
	case "extensionResourceId":
		return args[0].(string) + providerPath(args[1:]), nil
	case "reference", "listKeys":
		if s.planning {
			return nil, errNotYet
		}
		if name == "listKeys" {
			return s.world.around.keys(args)
		}
		return s.world.reference(args)
	case "fail":
		return nil, failure(args[0].(string))
	}
	return nil, errors.New("the tests don't know this function")
}

// errNotYet is given to what reads Azure while a deployment is validated.
var errNotYet = errors.New("nothing is read before the deployment runs")

// failure is what the template itself refuses, with fail().
type failure string

func (f failure) Error() string { return string(f) }

// resourceID writes an id; a subscription and a resource group may stand ahead of
// the type.
func (s *scope) resourceID(args []any) string {
	if strings.Contains(args[0].(string), "/") {
		return s.group + providerPath(args)
	}
	return "/subscriptions/" + args[0].(string) + "/resourceGroups/" + args[1].(string) + providerPath(args[2:])
}

// pure returns the functions that depend on nothing but their arguments.
func pure(name string) (f func(args []any) any, ok bool) {
	f, ok = map[string]func(args []any) any{
		"add":          func(a []any) any { return a[0].(float64) + a[1].(float64) },
		"and":          func(a []any) any { return every(a, true) },
		"array":        func(a []any) any { return []any{a[0]} },
		"coalesce":     coalesce,
		"concat":       concat,
		"contains":     contains,
		"createArray":  func(a []any) any { return append([]any{}, a...) },
		"createObject": createObject,
		"empty":        func(a []any) any { return a[0] == nil || reflect.ValueOf(a[0]).Len() == 0 },
		"equals":       func(a []any) any { return reflect.DeepEqual(a[0], a[1]) },
		"false":        func([]any) any { return false },
		"filter":       filter,
		"first":        func(a []any) any { return a[0].([]any)[0] },
		"format":       format,
		"greater":      func(a []any) any { return a[0].(float64) > a[1].(float64) },
		"guid":         guid,
		"if":           func(a []any) any { return map[bool]any{true: a[1], false: a[2]}[a[0].(bool)] },
		"join":         join,
		"json":         func(a []any) any { return mustParse(a[0].(string)) },
		"last":         func(a []any) any { l := a[0].([]any); return l[len(l)-1] },
		"less":         func(a []any) any { return a[0].(float64) < a[1].(float64) },
		"length":       func(a []any) any { return float64(reflect.ValueOf(a[0]).Len()) },
		"map":          mapOver,
		"mul":          func(a []any) any { return a[0].(float64) * a[1].(float64) },
		"not":          func(a []any) any { return !a[0].(bool) },
		"null":         func([]any) any { return nil },
		"or":           func(a []any) any { return !every(a, false) },
		"range":        indexes,
		"replace":      func(a []any) any { return strings.ReplaceAll(a[0].(string), a[1].(string), a[2].(string)) },
		"skip":         func(a []any) any { l := a[0].([]any); return l[min(len(l), int(a[1].(float64))):] },
		"split":        split,
		"sub":          func(a []any) any { return a[0].(float64) - a[1].(float64) },
		"substring":    func(a []any) any { return a[0].(string)[int(a[1].(float64)):int(a[1].(float64)+a[2].(float64))] },
		"string":       func(a []any) any { return text(a[0]) },
		"take":         func(a []any) any { s := a[0].(string); return s[:min(len(s), int(a[1].(float64)))] },
		"toLower":      func(a []any) any { return strings.ToLower(a[0].(string)) },
		"toObject":     toObject,
		"toUpper":      func(a []any) any { return strings.ToUpper(a[0].(string)) },
		"endsWith": func(a []any) any { // in any case
			return strings.HasSuffix(strings.ToLower(a[0].(string)), strings.ToLower(a[1].(string)))
		},
		"trim":         func(a []any) any { return strings.TrimSpace(a[0].(string)) },
		"true":         func([]any) any { return true },
		"tryGet":       tryGet,
		"union":        union,
		"uniqueString": uniqueString,
	}[name]
	return f, ok
}

func every(args []any, want bool) bool {
	for _, a := range args {
		if a.(bool) != want {
			return false
		}
	}
	return true
}

// concat joins strings, or arrays.
func concat(args []any) any {
	if _, ok := args[0].([]any); ok {
		all := []any{}
		for _, a := range args {
			all = append(all, a.([]any)...)
		}
		return all
	}
	var b strings.Builder
	for _, a := range args {
		b.WriteString(text(a))
	}
	return b.String()
}

func createObject(args []any) any {
	object := map[string]any{}
	for i := 0; i < len(args); i += 2 {
		object[args[i].(string)] = args[i+1]
	}
	return object
}

// union merges objects, nested ones too, where the later member stays, or arrays, of
// which equal elements stay once.
func union(args []any) any {
	if _, ok := args[0].([]any); ok {
		all := []any{}
		for _, a := range args {
			for _, v := range a.([]any) {
				if !slices.ContainsFunc(all, func(other any) bool { return reflect.DeepEqual(other, v) }) {
					all = append(all, v)
				}
			}
		}
		return all
	}
	all := map[string]any{}
	for _, a := range args {
		for name, v := range a.(map[string]any) {
			_, before := all[name].(map[string]any)
			if _, now := v.(map[string]any); before && now {
				v = union([]any{all[name], v})
			}
			all[name] = v
		}
	}
	return all
}

func coalesce(args []any) any {
	for _, a := range args {
		if a != nil {
			return a
		}
	}
	return nil
}

// contains looks for an element of an array, a member of an object, or a part of a string.
func contains(args []any) any {
	switch in := args[0].(type) {
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return reflect.DeepEqual(v, args[1]) })
	case map[string]any:
		_, ok := in[args[1].(string)]
		return ok
	}
	return strings.Contains(args[0].(string), args[1].(string))
}

func join(args []any) any {
	var parts []string
	for _, v := range args[0].([]any) {
		parts = append(parts, text(v))
	}
	return strings.Join(parts, args[1].(string))
}

// indexes is range().
func indexes(args []any) any {
	list := []any{}
	for i := range int(args[1].(float64)) {
		list = append(list, args[0].(float64)+float64(i))
	}
	return list
}

// tryGet follows members of objects, and is null where one is missing.
func tryGet(args []any) any {
	v := args[0]
	for _, key := range args[1:] {
		object, _ := v.(map[string]any)
		v = object[key.(string)]
	}
	return v
}

func format(args []any) any {
	var pairs []string
	for i, a := range args[1:] {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", text(a))
	}
	return strings.NewReplacer(pairs...).Replace(args[0].(string))
}

func split(args []any) any {
	var parts []any
	for part := range strings.SplitSeq(args[0].(string), args[1].(string)) {
		parts = append(parts, part)
	}
	return parts
}

// text writes a value as string() does: booleans with a capital, as .NET has them, and
// arrays and objects as JSON without spaces.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any, map[string]any:
		data, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			panic(err)
		}
		return string(data)
	}
	panic(fmt.Sprintf("no text of a %T", v))
}

// uniqueString returns 13 lower-case letters and digits, as the real one does.
func uniqueString(args []any) any {
	sum := sha256.Sum256(fmt.Append(nil, args...))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:13]
}

func guid(args []any) any {
	sum := sha256.Sum256(fmt.Append(nil, args...))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// providerPath writes type and names as the tail of a resource id.
func providerPath(args []any) string {
	types := strings.Split(args[0].(string), "/")
	if len(types) != len(args) {
		panic("as many names as there are types are needed")
	}
	path := []string{"", "providers", types[0]}
	for i, t := range types[1:] {
		path = append(path, t, args[i+1].(string))
	}
	return strings.Join(path, "/")
}
