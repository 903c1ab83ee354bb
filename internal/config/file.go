package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Value is one app setting of a settings file. The text may be a secret.
type Value struct {
	Name, Text string
}

// ReadFile reads the app settings from a local.settings.json as Azure Functions
// Core Tools keep it, sorted by name. The caller puts those into the environment
// that are not there yet, as Core Tools do. Errors name the place, not the content.
func ReadFile(path string) ([]Value, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read settings file: %w (copy local.settings.example.json and fill it in)", err)
	}
	values, err := parseFile(data)
	if err != nil {
		return nil, fmt.Errorf("read settings file %s: %w", path, err)
	}
	return values, nil
}

func parseFile(data []byte) ([]Value, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // PowerShell writes one
	var file struct {
		IsEncrypted bool                      `json:"IsEncrypted"`
		Values      map[string]jsontext.Value `json:"Values"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		var syntax *jsontext.SyntacticError
		if errors.As(err, &syntax) {
			line := 1 + bytes.Count(data[:min(int(syntax.ByteOffset), len(data))], []byte("\n"))
			return nil, fmt.Errorf("line %d is not valid JSON (a missing comma or quotation mark, a comment, a name that occurs twice?)", line)
		}
		return nil, errors.New(`it must be an object with "Values", an object of names and texts`)
	}
	if file.IsEncrypted {
		return nil, errors.New("it is encrypted: run func settings decrypt")
	}
	values := make([]Value, 0, len(file.Values))
	for name, raw := range file.Values {
		var text string
		if raw.Kind() != '"' || json.Unmarshal(raw, &text) != nil {
			return nil, fmt.Errorf("the value of %q must be a text in quotation marks", name)
		}
		values = append(values, Value{name, text})
	}
	slices.SortFunc(values, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
	return values, nil
}
