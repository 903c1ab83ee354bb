package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// connectionRemedy says what to do about an invalid connection string.
const connectionRemedy = "copy the connection string from the storage account's Access keys again, or use UseDevelopmentStorage=true for Azurite"

// splitConnection splits a connection string into values by lower-case name. Like Azure's
// tools, it ignores empty parts and white space around names and values. Its errors show no
// value.
func splitConnection(text string) (map[string]string, error) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		key := strings.ToLower(name)
		_, twice := parts[key]
		switch {
		case !ok || name == "":
			return nil, errors.New("is not a connection string: " + connectionRemedy)
		case !partName(name):
			return nil, errors.New("has a part whose name is not one of a connection string: " + connectionRemedy)
		case twice:
			return nil, fmt.Errorf("names %s twice: keep one of them", name)
		case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
			return nil, fmt.Errorf("has a line break or a blank inside %s: %s", name, connectionRemedy)
		case quoted(value):
			return nil, fmt.Errorf("has quotation marks around %s: remove them", name)
		}
		parts[key] = value
	}
	return parts, nil
}

// partName reports whether a name is safe to show: at most 40 letters and nothing else.
func partName(name string) bool {
	return len(name) <= 40 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
