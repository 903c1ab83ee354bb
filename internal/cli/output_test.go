package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// fullDisk is stdout that goes to a disk without space.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// TestOutputLost: a command whose output could not be written says so in one line and does not
// succeed, whatever it came to.
func TestOutputLost(t *testing.T) {
	settings := left(t, pipeline.Report{Stream: "SailPointIDN_Events", State: pipeline.Drained}, pipeline.Report{Stream: "SailPointIDN_Triggers", State: pipeline.Drained})
	for _, line := range []string{
		"--help", "--version", "version --json", "settings --settings FILE", "settings --settings FILE --json",
		"checkpoint show --settings FILE", "status --settings FILE", "status --settings FILE --json",
	} {
		t.Run(line, func(t *testing.T) {
			var stderr bytes.Buffer
			code := cli.Run(t.Context(), cli.Process{Args: strings.Fields(strings.Replace(line, "FILE", settings, 1)), Out: fullDisk{}, Err: &stderr})
			if want := "idnsentinel: the output is lost: write /dev/stdout: no space left on device\n"; code != 1 || stderr.String() != want {
				t.Errorf("exit status %d, stderr %q, want 1 and %q", code, &stderr, want)
			}
		})
	}
}

// TestOutputOfFailureLost: what a command found wrong was on stdout only, so that nobody has seen it.
func TestOutputOfFailureLost(t *testing.T) {
	settings := left(t)
	dir := filepath.Join(filepath.Dir(settings), "state", "acme", "checkpoints")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "SailPointIDN_Events.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{Args: []string{"checkpoint", "show", "--settings", settings}, Out: fullDisk{}, Err: &stderr})
	if want := "idnsentinel: the output is lost: write /dev/stdout: no space left on device\n"; code != 1 || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("exit status %d, stderr %q, want 1 and %q", code, &stderr, want)
	}
}

// TestNothingToAudit: what was not compared is not complete, and there is no certificate about it.
func TestNothingToAudit(t *testing.T) {
	dir := t.TempDir()
	settings, report := filepath.Join(dir, "settings.json"), filepath.Join(dir, "report.json")
	text := `{"Values":{"SAAS_WEBHOOK_SECRET":"canary-secret-of-reports","STATE_URL":"file://` + filepath.ToSlash(dir) + `/state","LEGACY_CHECKPOINT":"off",
		"CUSTOMER_ID":"11111111-2222-4333-8444-555555555555","SHARED_KEY":"Y2FuYXJ5LWtleS0yMjIy"}}`
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, done := range map[string]string{"audit --report " + report: "audited", "backfill --from -2h": "backfilled"} {
		code, out, complaint := run(t, 0, append(strings.Fields(line), "--settings", settings)...)
		if want := "none of the configured streams can be " + done; code != 2 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("%s: exit status %d, %q, %q, want 2 and %q", line, code, out, complaint, want)
		}
	}
	if _, err := os.Stat(report); err == nil {
		t.Error("there is a certificate")
	}
}

// TestKeyInPlaceOfItsFile: whoever types a secret where its file is meant does not see it in an error.
func TestKeyInPlaceOfItsFile(t *testing.T) {
	code, _, complaint := run(t, 0, "serve", "--settings", left(t), "--listen", "off", "--status-key", "canary-key-of-the-status")
	if code != 2 || !strings.Contains(complaint, "--status-key: the file could not be read: ") {
		t.Errorf("exit status %d, %q", code, complaint)
	}
}

// TestMisspeltShell: completion for a shell that does not exist is an error, not its help.
func TestMisspeltShell(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{Args: []string{"completion", "powershel"}, Out: &stdout, Err: &stderr})
	if want := "idnsentinel: there is no command \"powershel\"; did you mean powershell?\nhint: idnsentinel completion --help shows the usage\n"; code != 2 || stdout.Len() > 0 || stderr.String() != want {
		t.Errorf("exit status %d, stdout %q, stderr %q, want 2, nothing and %q", code, &stdout, &stderr, want)
	}
}

// TestMisspeltCommandWithFlags: the command is named, not its first flag, which is right.
func TestMisspeltCommandWithFlags(t *testing.T) {
	for line, want := range map[string]string{
		"statsu --settings local.settings.json":    `there is no command "statsu"; did you mean status?`,
		"jobs lits --settings local.settings.json": `there is no command "lits"; did you mean list?`,
		"triggers lst --json":                      `there is no command "lst"; did you mean list or test?`,
		"jobs list --setings x":                    "unknown flag: --setings; did you mean --settings?",
	} {
		var stderr bytes.Buffer
		code := cli.Run(t.Context(), cli.Process{Args: strings.Fields(line), Out: io.Discard, Err: &stderr})
		if got, _, _ := strings.Cut(stderr.String(), "\n"); code != 2 || got != "idnsentinel: "+want {
			t.Errorf("%s: exit status %d, %q, want 2, %q", line, code, got, want)
		}
	}
}

// TestJobsNarrow: the list of backfills fits a narrow terminal, too.
func TestJobsNarrow(t *testing.T) {
	settings := left(t, pipeline.Report{Stream: "SailPointIDN_Events", State: pipeline.Drained})
	dir := filepath.Join(filepath.Dir(settings), "state", "acme", "jobs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	job := `{"version":1,"tenant":"acme","stream":"SailPointIDN_Events","jobs":[{"id":"5g3ouu","from":"2026-08-01T00:00:00Z","to":"2026-09-01T00:00:00Z","created":"2026-09-20T00:00:00Z","by_version":"v1.2.0","events":28490,"state":"delivering","counts":{"fetched":12000,"sent":12000}}]}`
	if err := os.WriteFile(filepath.Join(dir, "SailPointIDN_Events.json"), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{40, 120} {
		var stdout, stderr bytes.Buffer
		p := cli.Process{Args: []string{"jobs", "list", "--settings", settings}, Out: &stdout, Err: &stderr, OutWidth: func() int { return width }}
		if code := cli.Run(t.Context(), p); code != 0 || !strings.Contains(stdout.String(), "5g3ouu") || !strings.Contains(stdout.String(), "12000") {
			t.Fatalf("exit status %d, stdout %q, stderr %q", code, &stdout, &stderr)
		}
		for line := range strings.Lines(stdout.String()) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > width || strings.HasSuffix(line, " ") {
				t.Errorf("width %d: line %q", width, line)
			}
		}
	}
}

// TestStateIsAFile: a state that is no folder can't be read, which is not the same as empty.
func TestStateIsAFile(t *testing.T) {
	settings := left(t)
	afile := filepath.Join(filepath.Dir(settings), "afile")
	if err := os.WriteFile(afile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"status", "checkpoint show", "jobs list"} {
		var stdout, stderr bytes.Buffer
		code := cli.Run(t.Context(), cli.Process{Args: append(strings.Fields(command), "--settings", settings, "--state", "file://"+afile), Out: &stdout, Err: &stderr})
		if all := stdout.String() + stderr.String(); code == 0 || !strings.Contains(all, "STATE_URL must name a folder") || strings.Contains(all, "No run has left anything") {
			t.Errorf("%s: exit status %d\n%s", command, code, all)
		}
	}
}
