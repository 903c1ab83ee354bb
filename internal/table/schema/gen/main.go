// Command gen writes the files that are generated from package schema. Run it
// with go generate ./internal/table/schema.
package main

import (
	"os"
	"path/filepath"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

func main() { project.Generate(files) }

func files(root string) (map[string][]byte, error) {
	asim, err := schema.NativeTransforms(root)
	if err != nil {
		return nil, err
	}
	all, err := schema.Files(app.Tables(), asim)
	if err != nil {
		return nil, err
	}
	const page = "docs/compatibility.md"
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return nil, err
	}
	all[page], err = schema.FillIn(text)
	return all, err
}
