// Package content reads the Sentinel content of the project, the folder
// sentinel, into Go values: analytic rules, hunting queries, workbooks, saved
// functions, and the examples that show what a rule fires at.
//
// Folders and file formats are those of the public repository of Sentinel
// solutions, so that its tools can read them: "Analytic Rules/*.yaml",
// "Hunting Queries/*.yaml", "Workbooks/*.json". Ours alone are "parsers/*.kql"
// and "asim/*.kql" (see [ParseFunction]) and "Examples/*.yaml" (see [Example]).
//
// Reading is strict: a key that a format does not have is an error, as a
// misspelt key would otherwise be lost in silence.
package content

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Folders of the content, below sentinel.
const (
	RulesFolder     = "Analytic Rules"
	HuntingFolder   = "Hunting Queries"
	ExamplesFolder  = "Examples"
	WorkbooksFolder = "Workbooks"
)

// readYAML decodes the one document of a file. Unknown keys are errors.
func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: more than one document", path)
	}
	return nil
}

// files lists the files of a folder with an extension, sorted by name.
func files(folder, extension string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), extension) {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// base is a file's name without folder and extension.
func base(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}
