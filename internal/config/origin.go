package config

import (
	"os"
	"slices"
	"strings"
	"unicode"
)

// Origin is one place that settings come from.
type Origin struct {
	// Name is how messages call it: the environment, the path of a file, a flag.
	Name string
	// Lookup returns the text of a setting by its exact name.
	Lookup func(name string) (string, bool)
	// Names lists what the origin holds, also what is not a setting.
	Names func() []string
	// Overrides says that its values hold for every connection, whatever is set for one.
	Overrides bool
	// Closed says that it holds settings of this app and of its platform, and nothing else.
	Closed bool
}

// Environment is the environment of the process.
func Environment() Origin {
	return Origin{Name: "the environment", Lookup: os.LookupEnv, Names: func() []string {
		var names []string
		for _, entry := range os.Environ() {
			if name, _, _ := strings.Cut(entry, "="); name != "" {
				names = append(names, name)
			}
		}
		return names
	}}
}

// Values are settings that are known by name: those of flags, or of a test.
func Values(name string, values map[string]string) Origin {
	return Origin{Name: name, Lookup: func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}, Names: func() []string {
		names := make([]string, 0, len(values))
		for name := range values {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}}
}

// Lookup returns a setting as the first origin has it that holds more than white space.
func Lookup(name string, origins ...Origin) (text string, from Origin, ok bool) {
	for _, o := range origins {
		if text, ok := o.Lookup(name); ok && trim(text) != "" {
			return text, o, true
		}
	}
	return "", Origin{}, false
}

// trim removes white space and what can't be seen from both ends.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}
