// Command gen writes the files that are generated from package schema. Run it
// with go generate ./internal/table/schema.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
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
	asim, err := schema.NativeTransforms(root)
	if err != nil {
		return err
	}
	files, err := schema.Files(app.Tables(), asim)
	if err != nil {
		return err
	}
	const page = "docs/compatibility.md"
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return err
	}
	if files[page], err = schema.FillIn(text); err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
