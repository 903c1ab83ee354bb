//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a poll under way.
type process struct {
	*exec.Cmd
	lines chan string // of stderr, closed at its end
}

func startPoll(t *testing.T, s *stage, dir string, args ...string) *process {
	t.Helper()
	p := &process{exec.CommandContext(t.Context(), "idnsentinel", append([]string{"poll"}, args...)...), make(chan string, 1000)}
	p.Env = s.environment("STATE_URL=file://" + filepath.ToSlash(dir))
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(stderr); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	return p
}

// environment is that of a process on the stage.
func (s *stage) environment(more ...string) []string {
	return slices.Concat(s.settings, more, []string{"GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH"), "LOG_LEVEL=warn"})
}

// interrupt sends the signal of Ctrl-C.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// until waits for a line with text.
func (p *process) until(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for line := range p.lines {
		if all = append(all, line); strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("stderr ended without %q:\n%s", text, strings.Join(all, "\n"))
	return ""
}

// end waits for the end of the process and returns its exit status, or -1 when a
// signal ended it.
func (p *process) end() int {
	for line := range p.lines {
		_ = line
	}
	_ = p.Wait() // the status says it
	return p.ProcessState.ExitCode()
}

// TestSoftStop: the first interrupt lets the write under way end and remembers
// it; the next run sends the rest, and nothing twice.
func TestSoftStop(t *testing.T) {
	t.Parallel()
	s, closeAll := newStage(options{events: 1500, hold: 4})
	defer closeAll()
	s.settings = append(s.settings, "LIMIT=100", "BATCH_BYTES=20000")
	dir := filepath.Join(t.TempDir(), "state")
	first := startPoll(t, s, dir)
	<-s.held
	first.interrupt(t)
	first.until(t, "stopping: work in progress is finished and recorded")
	s.letGo()
	first.until(t, "STREAM")
	if line := first.until(t, "SailPointIDN_Events"); !strings.Contains(line, "budget") {
		t.Errorf("after an interrupt: %s; want the state budget", line)
	}
	if status := first.end(); status != 130 {
		t.Errorf("exit status %d, want 130: a script must not continue as if all was done", status)
	}
	table := s.workspace.Table("SailPointIDN_Events")
	if n := table.Count(); n == 0 || n == 1500 {
		t.Errorf("%d rows were sent before the stop; want a part of 1500", n)
	}
	if status := startPoll(t, s, dir).end(); status != 0 {
		t.Errorf("second run: exit status %d", status)
	}
	if n, ids := table.Count(), len(table.IDs()); n != 1500 || ids != 1500 {
		t.Errorf("%d rows with %d ids, want 1500 of both", n, ids)
	}
}

// TestSecondInterrupt: it ends the process at once, in the middle of a write.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	s, closeAll := newStage(options{hold: 1})
	defer closeAll()
	p := startPoll(t, s, filepath.Join(t.TempDir(), "state"))
	<-s.held
	p.interrupt(t)
	p.until(t, "press Ctrl-C again to end at once")
	p.interrupt(t)
	p.end()
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v, want that the signal ended it", p.ProcessState)
	}
}

// TestReaderLeaves: a reader that has seen enough, as head has, ends the command
// quietly, as it ends any filter.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	s, closeAll := newStage(options{events: 3000})
	defer closeAll()
	cmd := exec.CommandContext(t.Context(), "idnsentinel", "poll", "--ingestion-api", "ndjson")
	cmd.Env = s.environment()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGPIPE || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%v, want that it ended like cat; stderr:\n%s", cmd.ProcessState, said.String())
	}
}

// TestStoppedAudit: an audit that Ctrl-C ends says so, and that nothing has to be undone.
func TestStoppedAudit(t *testing.T) {
	t.Parallel()
	s, closeAll := newStage(options{events: 300})
	defer closeAll()
	s.settings = append(s.settings, "LIMIT=100")
	dir := filepath.Join(t.TempDir(), "state")
	if status := startPoll(t, s, dir).end(); status != 0 {
		t.Fatalf("poll: status %d", status)
	}
	// A function runs, so the audit is slow.
	name := filepath.Join(dir, "acme", "runs", "SailPointIDN_Events.json")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(text), `"by":"command"`, `"by":"function"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	audit := exec.CommandContext(t.Context(), "idnsentinel", "audit", "--stream", "Events", "--from", "-20h", "--each-window", "-v")
	audit.Env = s.environment("STATE_URL=file://" + filepath.ToSlash(dir))
	var out, said strings.Builder
	audit.Stdout, audit.Stderr = &out, &said
	if err := audit.Start(); err != nil {
		t.Fatal(err)
	}
	asked := s.tenant.Requests()["/search/v1/count"]
	for range 600 {
		if s.tenant.Requests()["/search/v1/count"] > asked+3 {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	if err := audit.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = audit.Wait() // the status says it
	if status := audit.ProcessState.ExitCode(); status != 130 || !strings.Contains(out.String(), "stopped before the end") || !strings.Contains(said.String(), "hint: what is done stays done; the same command does the rest") {
		t.Errorf("status %d\n%s%s", status, &out, &said)
	}
}
