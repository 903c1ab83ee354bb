package cli_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

var update = flag.Bool("update", false, "write docs/cli.md")

// reference renders the help of every command as a page.
func reference() []byte {
	var b bytes.Buffer
	b.WriteString(`# Commands of idnsentinel

<!-- Generated from the commands: go test ./internal/cli -run Reference -update -->

Every command prints this with ` + "`--help`" + `.
Names of commands and flags are completed by the shell: ` + "`idnsentinel completion bash --help`" + ` says how to set that up, also for zsh, fish and PowerShell.

| Exit status | |
|---|---|
| 0 | success |
| 1 | a stream or a check failed, or something is incomplete |
| 2 | nothing was tried: a setting or the command line is wrong |
| 130 | stopped by Ctrl-C; 143 by SIGTERM, after which ` + "`serve`" + ` ends with 0 |

Colours appear on terminals only, and not if ` + "`NO_COLOR`" + ` is set.
`)
	for _, cmd := range cli.Commands(cli.Process{}) {
		cmd.InitDefaultHelpFlag()
		if !cmd.HasParent() {
			continue
		}
		fmt.Fprintf(&b, "\n%s %s\n\n", strings.Repeat("#", strings.Count(cmd.CommandPath(), " ")+1), cmd.CommandPath())
		block(&b, cmd.Long)
		if !cmd.HasSubCommands() {
			block(&b, cmd.UseLine())
		}
		block(&b, strings.Trim(strings.ReplaceAll("\n"+cmd.Example, "\n  ", "\n"), "\n"))
		block(&b, listed(cmd))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// listed is the list of a command's own commands, or else of its flags.
func listed(cmd *cobra.Command) string {
	if !cmd.HasSubCommands() {
		return cmd.LocalFlags().FlagUsages()
	}
	var b strings.Builder
	for _, sub := range cmd.Commands() {
		fmt.Fprintf(&b, "%-*s  %s\n", cmd.NamePadding(), sub.Name(), sub.Short)
	}
	return b.String()
}

func block(b *bytes.Buffer, text string) {
	if text = strings.TrimRight(text, "\n "); text != "" {
		fmt.Fprintf(b, "```text\n%s\n```\n\n", text)
	}
}

// TestReference: the page of the commands is what they say themselves.
func TestReference(t *testing.T) {
	const name = "../../docs/cli.md"
	want := reference()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./internal/cli -run Reference -update (-commands +page):\n%s", diff)
	}
}
