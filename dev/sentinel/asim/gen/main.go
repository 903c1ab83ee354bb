// Command gen writes the generated files of sentinel/asim. Run it with go
// generate ./dev/sentinel/asim.
package main

import (
	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
)

func main() { project.Generate(files) }

func files(root string) (map[string][]byte, error) {
	events, actions, err := asim.Load(root)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for name, text := range asim.Generate(events, actions) {
		all["sentinel/asim/"+name] = []byte(text)
	}
	return all, nil
}
