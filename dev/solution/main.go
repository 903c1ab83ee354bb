// Command solution writes the deployable form of the Sentinel content and its
// documentation: see package dev/sentinel/solution. make solution runs it.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	root, err := nodetools.Root()
	if err != nil {
		return err
	}
	s, err := solution.Load(root)
	if err != nil {
		return err
	}
	files, err := s.Generate()
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
