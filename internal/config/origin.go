package config

import (
	"os"
	"slices"
	"strings"
	"unicode"
)

// Origin is one place that settings come from.
type Origin struct {
	// Name identifies it in messages: the environment, the path of a file, a flag.
	Name string
	// Lookup returns the text of a setting by its exact name.
	Lookup func(name string) (string, bool)
	// Names lists everything in the origin, including what is not a setting.
	Names func() []string
	// Overrides means that its values win over a connection's own settings.
	Overrides bool
	// Closed means that it holds only settings of this app and its platform.
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

// Values is an origin of fixed settings, for flags and tests.
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

// Lookup returns a setting from the first origin in which it isn't blank.
func Lookup(name string, origins ...Origin) (text string, from Origin, ok bool) {
	for _, o := range origins {
		if text, ok := o.Lookup(name); ok && trim(text) != "" {
			return text, o, true
		}
	}
	return "", Origin{}, false
}

// trim removes white space and invisible characters from both ends.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}
