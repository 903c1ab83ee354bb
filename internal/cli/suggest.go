package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// typos is how many letters a name may be off for a suggestion.
const typos = 2

// flagError explains a flag that can't be used. After a misspelt command no flag is known, so the
// command is named then. args is the command line.
func flagError(cmd *cobra.Command, args []string, err error) error {
	if _, rest, failed := cmd.Root().Find(args); failed == nil && cmd.HasAvailableSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return noSuchCommand(cmd, rest)
	}
	text := err.Error()
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		if like := nearest(cmd, unknown.GetSpecifiedName()); len(like) > 0 {
			text += "; did you mean " + strings.Join(like, " or ") + "?"
		}
	}
	return usage(cmd, text)
}

// nearest returns the flags of a command whose names are like a name. Cobra compares names of
// commands, so the flags are dressed up as such.
func nearest(cmd *cobra.Command, name string) (like []string) {
	names := &cobra.Command{SuggestionsMinimumDistance: typos}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	for _, one := range names.SuggestionsFor(name) {
		like = append(like, "--"+one)
	}
	return like
}
