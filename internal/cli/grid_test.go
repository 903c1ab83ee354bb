package cli_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// On 40 columns a table becomes short lines, with the names of the cells; no line is wider, and
// nothing is lost.
func TestNarrowTable(t *testing.T) {
	reports := []pipeline.Report{
		{Stream: "SailPointIDN_Events", State: pipeline.Drained, Fetched: 36016, Sent: 36000, Duplicates: 12, Conformed: 118, Quarantined: 4, LagSeconds: 62},
		{Stream: "SailPointIDN_Triggers", State: pipeline.Failed},
	}
	for _, width := range []int{40, 60, 79} {
		got := cli.Table(reports, func() int { return width })
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("%d columns: %q takes %d", width, line, n)
			}
		}
		for _, want := range []string{"SailPointIDN_Events\n  state: drained\n  fetched: 36016\n", "  quarantined: 4\n  lag: 62s\n\nSailPointIDN_Triggers\n  state: failed\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("%d columns: no %q in\n%s", width, want, got)
			}
		}
	}
	if wide := cli.Table(reports, func() int { return 120 }); wide != cli.Table(reports, nil) || !strings.Contains(wide, "  STREAM ") {
		t.Errorf("a wide terminal gets\n%s", wide)
	}
}

// Each command that prints a table fits 40 columns, and has no colours that nobody asked for.
func TestNarrowCommands(t *testing.T) {
	settings := left(t, drained("SailPointIDN_Events"), drained("SailPointIDN_Triggers"))
	for _, args := range [][]string{{"status"}, {"checkpoint", "show"}, {"settings"}, {"settings", "--all"}, {"quarantine", "list"}, {"jobs", "list"}, {"connections", "list"}} {
		t.Setenv("NO_COLOR", "1")
		_, out, complaint := run(t, 40, append(args, "--settings", settings)...)
		if out+complaint == "" || strings.Contains(out+complaint, "\x1b") {
			t.Errorf("%v: %q", args, out+complaint)
		}
		for line := range strings.Lines(out) {
			text := strings.TrimRight(line, "\n")
			if utf8.RuneCountInString(text) > 40 && strings.ContainsAny(strings.TrimSpace(text), " ") && !unbroken(text) {
				t.Errorf("%v: %q takes %d columns", args, text, utf8.RuneCountInString(text))
			}
		}
		_, piped, _ := run(t, 0, append(args, "--settings", settings)...)
		if strings.Contains(piped, "\x1b") {
			t.Errorf("%v to a pipe has colours: %q", args, piped)
		}
	}
}

// unbroken reports whether a line is wide only because of a word that can't be broken.
func unbroken(line string) bool {
	for word := range strings.FieldsSeq(line) {
		if utf8.RuneCountInString(word) > 30 {
			return true
		}
	}
	return false
}
