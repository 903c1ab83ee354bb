package cli_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
` + "`idnsentinel man DIRECTORY`" + ` writes the same as manual pages.

| Exit status | |
|---|---|
| 0 | success |
| 1 | a stream or a check failed, something is incomplete, or the output could not be written |
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

// TestManuals: each command has a page that man can show, with what the command says itself.
func TestManuals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, out, complaint := run(t, 0, "man", dir); code != 0 || !strings.Contains(out, "pages in "+dir) {
		t.Fatalf("status %d: %s%s", code, out, complaint)
	}
	for _, cmd := range cli.Commands(cli.Process{}) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		plain := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "", `\[u2026]`, "…").Replace(string(page))
		for _, want := range []string{cmd.Short, strings.TrimSpace(cmd.Long), strings.Trim(cmd.Example, "\n"), "--help"} {
			if !strings.Contains(plain, want) {
				t.Errorf("%s: the page lacks %q", cmd.CommandPath(), want)
			}
		}
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !strings.HasPrefix(line, ".TH") && !strings.HasPrefix(line, ".SH") && line != ".nf\n" && line != ".fi\n" {
				t.Errorf("%s: %q is taken for a request", cmd.CommandPath(), line)
			}
		}
	}
	if mandoc, err := exec.LookPath("groff"); err == nil {
		if out, err := exec.Command(mandoc, "-man", "-Tutf8", "-ww", "-z", filepath.Join(dir, "idnsentinel-poll.1")).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff: %v: %s", err, out)
		}
	}
	if code, _, complaint := run(t, 0, "man"); code != 2 || !strings.Contains(complaint, "name one directory") {
		t.Errorf("without a directory: status %d, %s", code, complaint)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, complaint := run(t, 0, "man", filepath.Join(dir, "file")); code != 1 || !strings.Contains(complaint, "file") {
		t.Errorf("a file: status %d, %s", code, complaint)
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
