// Command solution writes the deployable form of the Sentinel content and its
// documentation: see packages dev/sentinel/solution and, for playbooks and
// watchlists, dev/sentinel/playbooks. make solution runs it.
package main

import (
	"maps"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

func main() { project.Generate(files) }

func files(root string) (map[string][]byte, error) {
	s, err := solution.Load(root)
	if err != nil {
		return nil, err
	}
	all, err := s.Generate()
	if err != nil {
		return nil, err
	}
	responses, err := playbooks.Files()
	maps.Copy(all, responses)
	return all, err
}
