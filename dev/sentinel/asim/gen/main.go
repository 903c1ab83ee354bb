// Command gen writes the generated files of sentinel/asim. Run it with go
// generate ./dev/sentinel/asim.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
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
	f, err := os.Open(filepath.Join(root, "sentinel", "mapping", "asim.csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	events, err := asim.Read(f)
	if err != nil {
		return err
	}
	for name, text := range asim.Generate(events) {
		if err := os.WriteFile(filepath.Join(root, "sentinel", "asim", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
