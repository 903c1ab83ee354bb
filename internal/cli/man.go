package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

func manCommand(p Process) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages of all commands into a directory",
		Long: `Man writes a manual page for each command into a directory, in the format of man(1):
idnsentinel.1, idnsentinel-poll.1 and so on. They say the same as --help. Pages that are
there already are replaced.`,
		Example: `  # for all users of this machine
  sudo idnsentinel man /usr/local/share/man/man1

  # to read one at once
  idnsentinel man /tmp
  man /tmp/idnsentinel-poll.1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "name one directory for the pages, such as /usr/local/share/man/man1")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return writeManuals(cmd.Root(), args[0], p.Out) },
	}
}

// writeManuals writes the pages of a command and of those below it.
func writeManuals(root *cobra.Command, dir string, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manual pages are for everybody
		return &failure{statusFailed, err.Error(), ""}
	}
	all := []*cobra.Command{root}
	for i := 0; i < len(all); i++ {
		for _, sub := range all[i].Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
				all = append(all, sub)
			}
		}
	}
	for _, cmd := range all {
		if err := os.WriteFile(filepath.Join(dir, manName(cmd)+".1"), manual(cmd), 0o644); err != nil { //nolint:gosec // as above
			return &failure{statusFailed, err.Error(), ""}
		}
	}
	fmt.Fprintf(out, "%d pages in %s; man %s shows the first\n", len(all), dir, filepath.Join(dir, manName(root)+".1"))
	return nil
}

// manName is the name of a command's page.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manual is a command's page. Help texts are laid out for a terminal, so a page shows them as they
// are; a generator that takes them for Markdown would join the lines of their lists.
func manual(cmd *cobra.Command) []byte {
	cmd.InitDefaultHelpFlag()
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q \"idn-sentinel\"\n", strings.ToUpper(manName(cmd)), "idnsentinel "+version.String())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	section := func(name, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, ".SH %s\n.nf\n%s\n.fi\n", name, roff(text))
		}
	}
	section("SYNOPSIS", cmd.UseLine())
	section("DESCRIPTION", cmd.Long)
	section("OPTIONS", cmd.LocalFlags().FlagUsages())
	section("EXAMPLES", cmd.Example)
	var related []string
	if cmd.HasParent() {
		related = append(related, manName(cmd.Parent()))
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			related = append(related, manName(sub))
		}
	}
	if len(related) > 0 {
		section("SEE ALSO", strings.Join(related, "(1)\n")+"(1)")
	}
	return b.Bytes()
}

// roff escapes a text, so that no line of it is taken for a request.
func roff(text string) string {
	var b strings.Builder
	for _, c := range strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text) {
		if c > unicode.MaxASCII {
			fmt.Fprintf(&b, `\[u%04X]`, c)
			continue
		}
		b.WriteRune(c)
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
