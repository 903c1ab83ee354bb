package watch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// keptLines and keptRuns are how much of the connector's log is kept.
const (
	keptLines = 30
	keptRuns  = 12
)

// run is what the connector logged about a run of a stream.
type run struct {
	Time        time.Time `json:"time"`
	Stream      string    `json:"stream"`
	State       string    `json:"state"`
	Fetched     int64     `json:"fetched"`
	Sent        int64     `json:"sent"`
	Duplicates  int64     `json:"duplicates"`
	Quarantined int64     `json:"quarantined"`
	Lag         *float64  `json:"lag_seconds"` // nil if unknown
	Error       string    `json:"error"`
}

// LagText is the lag for people.
func (r run) LagText() string {
	if r.Lag == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f s", *r.Lag)
}

// connector runs idnsentinel serve, and starts it again when it ends, as a service manager does.
type connector struct {
	path string
	env  []string

	mu     sync.Mutex
	cmd    *exec.Cmd // the process that runs; nil for none
	starts int
	lines  []string // the newest last
	runs   []run    // likewise
}

// run supervises until ctx ends, and returns when no process is left.
func (c *connector) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.once(ctx); err != nil {
			c.note("the connector ended: " + err.Error())
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// once starts a process and waits for its end.
func (c *connector) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.path, "serve", "--listen", "off", "--log-format", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = slices.Concat(os.Environ(), c.env)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.mu.Lock()
	c.cmd = cmd
	c.starts++
	c.mu.Unlock()
	in := bufio.NewScanner(stderr)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		c.note(in.Text())
	}
	err = cmd.Wait()
	c.mu.Lock()
	c.cmd = nil
	c.mu.Unlock()
	return err
}

func (c *connector) note(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, strings.ToValidUTF8(line, "?"))
	c.lines = c.lines[max(0, len(c.lines)-keptLines):]
	var r run // other lines have other members
	if err := json.Unmarshal([]byte(line), &r); err == nil && r.Stream != "" && r.State != "" {
		c.runs = append(c.runs, r)
		c.runs = c.runs[max(0, len(c.runs)-keptRuns):]
	}
}

// kill ends the process without a warning, if one runs.
func (c *connector) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil {
		_ = c.cmd.Process.Kill() // it may have ended by itself
	}
}

// log returns the newest lines and runs, newest first, and how often a process was started.
func (c *connector) log() (lines []string, runs []run, starts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines, runs = slices.Clone(c.lines), slices.Clone(c.runs)
	slices.Reverse(lines)
	slices.Reverse(runs)
	return lines, runs, c.starts
}
