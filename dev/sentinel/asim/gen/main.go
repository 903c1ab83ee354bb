// Command gen writes the generated files of sentinel/asim. Run it with go
// generate ./dev/sentinel/asim.
package main

import (
	"path/filepath"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
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
	functions, err := content.Functions(filepath.Join(root, "sentinel", "asim"))
	if err != nil {
		return nil, err
	}
	unifying, err := asim.Unifying(functions)
	if err != nil {
		return nil, err
	}
	for name, text := range unifying {
		all["sentinel/asim/"+name] = []byte(text)
	}
	return all, nil
}
