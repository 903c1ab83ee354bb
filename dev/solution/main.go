// Command solution writes the deployable form of the Sentinel content and its
// documentation: see package dev/sentinel/solution. make solution runs it.
package main

import (
	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

func main() { project.Generate(files) }

func files(root string) (map[string][]byte, error) {
	s, err := solution.Load(root)
	if err != nil {
		return nil, err
	}
	return s.Generate()
}
