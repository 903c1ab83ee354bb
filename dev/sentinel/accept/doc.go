// Package accept holds a tree of files to what the public repository of solutions
// (Azure/Azure-Sentinel) demands of a pull request. Each check is one of that
// repository's own, or of arm-ttk, which it runs on packages, told again in Go:
// [Check].Source names the file that it follows. They were read in November 2026;
// the repository can change them any day.
//
// Not told again are the checks that need the network (hyperLinkValidator.ts asks
// for each address), those of tools that the tree has nothing for (virtual
// machines, passwords), and apiVersions-Should-Be-Recent, which goes by a list of
// versions that arm-ttk carries and which packages of the repository's own tool do
// not pass either.
//
// Three checks are our own, because a fault there shows only when somebody
// installs: the archive holds the package, the list names files that exist, and the
// template is within the limits of Azure Resource Manager.
package accept

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"
)

// Tree is what is checked.
type Tree struct {
	Files map[string][]byte // by path in the repository
	// Before is what the repository has, for checks that compare. It is nil for a new solution.
	Before map[string][]byte
	// Diagnose gives all that the Kusto parser has against a query, warnings too.
	Diagnose func(w Workspace, query string) ([]string, error)
	// Known are the tables of a workspace that no solution declares.
	Known map[string][]Column
}

// Workspace is what a query can see.
type Workspace struct {
	Tables    map[string][]Column
	Functions []Function
}

// Column is a column of a table, or of what a function gives.
type Column struct{ Name, Type string }

// Function is declared, not defined: the check of queries knows no bodies.
type Function struct {
	Name       string
	Parameters []Column
	Columns    []Column
}

// Check is one demand.
type Check struct {
	Name   string
	Source string // the file that it follows; in Azure/Azure-Sentinel, unless it begins with arm-ttk or own
	Run    func(Tree) []string
}

// Checks lists all.
func Checks() []Check {
	return slices.Concat(texts(), solutions(), connectors(), workbooks(), detections(), queries(), playbooks(), templates(), forms())
}

// changed are the files that a pull request would show, sorted.
func (t Tree) changed() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.Files)) {
		if old, ok := t.Before[name]; !ok || !bytes.Equal(old, t.Files[name]) {
			names = append(names, name)
		}
	}
	return names
}

// each runs f on the changed files that a test of their path takes. Its problems get the path in front.
func (t Tree) each(takes func(string) bool, f func(name string, text []byte) []string) []string {
	var problems []string
	for _, name := range t.changed() {
		if takes(name) {
			for _, p := range f(name, t.Files[name]) {
				problems = append(problems, name+": "+p)
			}
		}
	}
	return problems
}

func ending(suffixes ...string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	}
}

func below(folder string, suffixes ...string) func(string) bool {
	return func(name string) bool {
		return strings.Contains("/"+name, "/"+folder+"/") && ending(suffixes...)(name)
	}
}

type object = map[string]any

// parsed reads JSON; what cannot be read is another check's problem.
func parsed(text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil
	}
	return v
}

func parsedObject(text []byte) object {
	o, _ := parsed(text).(object)
	return o
}

func yamlOf(text []byte) object {
	var o object
	if err := yaml.Unmarshal(text, &o); err != nil {
		return nil
	}
	return o
}

// at follows names into objects.
func at(v any, names ...string) any {
	for _, n := range names {
		o, _ := v.(object)
		v = o[n]
	}
	return v
}

func text(v any, names ...string) string {
	s, _ := at(v, names...).(string)
	return s
}

func list(v any, names ...string) []any {
	l, _ := at(v, names...).([]any)
	return l
}

// walk visits every member of every object below v, with its path.
func walk(v any, where string, f func(where, name string, owner object, value any)) {
	switch v := v.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			f(where, name, v, v[name])
			walk(v[name], where+"."+name, f)
		}
	case []any:
		for i, m := range v {
			walk(m, fmt.Sprintf("%s[%d]", where, i), f)
		}
	}
}

func base(name string) string { return path.Base(name) }
