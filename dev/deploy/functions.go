package deploy

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
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
	if f, ok = expr.Functions()[strings.ToLower(name)]; ok {
		return f, true
	}
	f, ok = map[string]func(args []any) any{
		"array":        func(a []any) any { return []any{a[0]} },
		"concat":       concat,
		"createArray":  func(a []any) any { return append([]any{}, a...) },
		"createObject": createObject,
		"empty":        func(a []any) any { return a[0] == nil || reflect.ValueOf(a[0]).Len() == 0 },
		"false":        func([]any) any { return false },
		"filter":       filter,
		"first":        func(a []any) any { return a[0].([]any)[0] },
		"format":       format,
		"guid":         guid,
		"last":         func(a []any) any { l := a[0].([]any); return l[len(l)-1] },
		"length":       func(a []any) any { return float64(reflect.ValueOf(a[0]).Len()) },
		"map":          mapOver,
		"mul":          func(a []any) any { return a[0].(float64) * a[1].(float64) },
		"null":         func([]any) any { return nil },
		"range":        indexes,
		"skip":         func(a []any) any { l := a[0].([]any); return l[min(len(l), int(a[1].(float64))):] },
		"substring":    func(a []any) any { return a[0].(string)[int(a[1].(float64)):int(a[1].(float64)+a[2].(float64))] },
		"string":       func(a []any) any { return text(a[0]) },
		"take":         func(a []any) any { s := a[0].(string); return s[:min(len(s), int(a[1].(float64)))] },
		"toObject":     toObject,
		"toUpper":      func(a []any) any { return strings.ToUpper(a[0].(string)) },
		"endsWith": func(a []any) any { // in any case
			return strings.HasSuffix(strings.ToLower(a[0].(string)), strings.ToLower(a[1].(string)))
		},
		"true":         func([]any) any { return true },
		"tryGet":       tryGet,
		"uniqueString": uniqueString,
	}[name]
	return f, ok
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

// text writes a value as string() does. A null has none: where one is written, the template is wrong.
func text(v any) string {
	if v == nil {
		panic("no text of null")
	}
	return expr.Text(v)
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
