package watch

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// keptLines is how many lines of the connector's log are kept.
const keptLines = 30

// connector runs idnsentinel serve, and starts it again when it ends, as a service manager does.
type connector struct {
	path string
	env  []string

	mu     sync.Mutex
	cmd    *exec.Cmd // the process that runs; nil for none
	starts int
	lines  []string // the newest last
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
}

// kill ends the process without a warning, if one runs.
func (c *connector) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil {
		_ = c.cmd.Process.Kill() // it may have ended by itself
	}
}

// log returns the newest lines, newest first, and how often a process was started.
func (c *connector) log() (lines []string, starts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines = slices.Clone(c.lines)
	slices.Reverse(lines)
	return lines, c.starts
}
