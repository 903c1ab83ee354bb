// Idnsentinel is the operator's command: it checks the settings, runs the
// connector once against the real services, and shows records before a
// workspace is set up. "idnsentinel --help" says how.
package main

import (
	"os"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

func main() { os.Exit(cli.Main()) }
