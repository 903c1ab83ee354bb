package cli

import "github.com/spf13/cobra"

// What the tests look at from outside.
var (
	Lag   = lag
	Table = table
)

// Commands returns every command, the root first.
func Commands(p Process) []*cobra.Command {
	root := rootCommand(p)
	return append([]*cobra.Command{root}, root.Commands()...)
}
