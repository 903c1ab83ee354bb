// Package project finds the project's folder, and writes the files in it that are generated.
package project

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Root returns the project's folder, in or below which the process was started.
func Root() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "dev", "tools", "package.json")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no dev/tools/package.json in %s or above it: run from the project's folder", wd)
		}
	}
}

// Generate is what the main function of a generator does: it writes the files that
// content returns, by their path below the root, with slashes. An error ends the process
// with status 1.
func Generate(content func(root string) (map[string][]byte, error)) {
	if err := generate(content); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(content func(root string) (map[string][]byte, error)) error {
	root, err := Root()
	if err != nil {
		return err
	}
	files, err := content(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
