package asim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// Products are those that have parsers, as the names of these end.
func Products() []string { return []string{"SailPointISC", "SailPointIIQ"} }

var parameter = regexp.MustCompile(`(\w+): `)

// Parameters are the names of a function's parameters, in order.
func Parameters(f content.Function) []string {
	var names []string
	for _, m := range parameter.FindAllStringSubmatch(f.Params, -1) {
		names = append(names, m[1])
	}
	return names
}

// Call writes the call that passes a function's parameters on: what a custom
// unifying function has a line of for each parser.
func Call(f content.Function) string {
	var arguments []string
	for _, name := range Parameters(f) {
		arguments = append(arguments, name+" = "+name)
	}
	return f.Name + "(" + strings.Join(arguments, ", ") + ")"
}

// Unifying returns the custom unifying functions by path below sentinel/asim. If a
// workspace has a function Im_<schema>Custom, the built-in _Im_<schema> reads it besides
// its own parsers; ASim_<schema>Custom and _ASim_<schema> likewise. Names and parameters
// are Microsoft's (ASIM/deploy/EmptyCustomUnifyingParsers in Azure/Azure-Sentinel).
func Unifying(functions []content.Function) (map[string]string, error) {
	files := map[string]string{}
	for _, schema := range Schemas() {
		for prefix, kind := range map[string]string{"Im_": "vim", "ASim_": "ASim"} {
			var calls []string
			var params string
			for _, product := range Products() {
				i := slices.IndexFunc(functions, func(f content.Function) bool { return f.Name == kind+schema+product })
				if i < 0 {
					return nil, fmt.Errorf("there is no parser %s", kind+schema+product)
				}
				params = functions[i].Params
				calls = append(calls, "    "+Call(functions[i]))
			}
			name := prefix + schema + "Custom"
			files["unifying/"+name+".kql"] = "// function: " + name + "(" + params + ")\n" +
				"// title: ASIM " + schema + ": the custom parsers of this workspace, for _" + prefix + schema + "\n" +
				"// category: ASIM\n" +
				"//\n// Parsers that _" + prefix + schema + " reads besides its own. Add a line for each further one.\n" +
				"union isfuzzy=true\n" + strings.Join(calls, ",\n") + "\n"
		}
	}
	return files, nil
}
