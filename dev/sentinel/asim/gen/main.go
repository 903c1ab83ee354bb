// Command gen writes the generated files of sentinel/asim. Run it with go
// generate ./dev/sentinel/asim.
package main

import (
	"os"
	"path/filepath"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
)

func main() { project.Generate(files) }

func files(root string) (map[string][]byte, error) {
	f, err := os.Open(filepath.Join(root, "sentinel", "mapping", "asim.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	events, err := asim.Read(f)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for name, text := range asim.Generate(events) {
		all["sentinel/asim/"+name] = []byte(text)
	}
	return all, nil
}
