package cli

import "github.com/spf13/cobra"

// What the tests look at from outside.
var (
	Lag   = lag
	Table = table
	// Wrapped breaks a text for a terminal.
	Wrapped = wrapped
	// Between reads the range of an audit.
	Between = between
)

// Commands returns every command, the root first.
func Commands(p Process) []*cobra.Command {
	all := []*cobra.Command{rootCommand(p)}
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Commands()...)
	}
	return all
}
