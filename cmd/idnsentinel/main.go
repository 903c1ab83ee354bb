// Idnsentinel is the operator's command: it checks the settings, runs the connector once
// against the real services, and previews records before a workspace is set up. See
// "idnsentinel --help".
package main

import (
	"os"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

func main() { os.Exit(cli.Main()) }
