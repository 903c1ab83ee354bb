package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	pollInterval  = 25 * time.Millisecond
	restartCode   = 200              // an intended restart, not counted
	maxStrikes    = 3                // then the host shuts down
	strikeMemory  = 30 * time.Minute // an older error is forgotten
	stderrExcerpt = 3                // lines that the host quotes
)

var errStopped = errors.New("the host was stopped")

// process is one run of the executable.
type process struct {
	cmd     *exec.Cmd
	url     string
	started time.Time
	answers chan struct{} // closed with the first answer
	exited  chan struct{} // closed with the end

	readyAfter time.Duration // valid once answers is closed
	deaf       bool          // did not answer in time; valid once exited is closed
	timedOut   bool          // killed over a function timeout; guarded by Host.mu
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// exit describes the end of a process that has ended.
func (p *process) exit() Exit {
	s := p.cmd.ProcessState
	return Exit{Code: s.ExitCode(), Status: s.String(), CPU: s.UserTime() + s.SystemTime()}
}

// supervise starts the process again and again, by the host's rules. It stays on
// one thread of the operating system: Linux takes the end of the thread that
// started a child for the end of its parent.
func (h *Host) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(h.done)
	strikes, last := 0, time.Time{}
	for {
		p, err := h.spawn()
		if err != nil {
			h.finish(err)
			return
		}
		probed := make(chan struct{})
		go func() {
			defer close(probed)
			h.probe(p)
		}()
		// The error is in ProcessState, or about output that came too late.
		_ = p.cmd.Wait()
		close(p.exited)
		<-probed

		h.mu.Lock()
		stopping, timedOut := h.stopping, p.timedOut
		h.mu.Unlock()
		switch exit := p.exit(); {
		case stopping:
			h.finish(fmt.Errorf("%w (%s)", errStopped, exit.Status))
			return
		case timedOut, exit.Code == restartCode:
		case exit.Code == 0:
			h.finish(errors.New("the process ended with status 0, which the host takes for intended: it is not started again, and invocations are refused"))
			return
		default:
			if time.Since(last) > strikeMemory {
				strikes = 0
			}
			strikes, last = strikes+1, time.Now()
			if strikes == maxStrikes {
				h.finish(h.giveUp(p))
				return
			}
		}
	}
}

// giveUp says why the host shuts down.
func (h *Host) giveUp(p *process) error {
	why := p.exit().Status
	if p.deaf {
		why = fmt.Sprintf("no answer on its port within %v", h.cfg.InitTimeout)
	}
	lines := h.errs.all()
	return fmt.Errorf("the process failed %d times, last: %s; stderr: %q", maxStrikes, why, lines[max(0, len(lines)-stderrExcerpt):])
}

// finish tells everybody who waits that there will be no further process.
func (h *Host) finish(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.announce()
}

// announce wakes up those who wait for a change. Callers hold mu.
func (h *Host) announce() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// spawn starts a process, unless the host is stopping.
func (h *Host) spawn() (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(h.cfg.Path, h.cfg.Args...) //nolint:noctx // it outlives every context; stop ends it
	cmd.Dir = h.cfg.Dir
	cmd.Env = h.environment(port)
	cmd.Stdout, cmd.Stderr = &h.out, &h.errs
	cmd.WaitDelay = 5 * time.Second
	dieWithParent(cmd)

	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return nil, errStopped
	}
	p := &process{
		cmd: cmd, url: "http://" + net.JoinHostPort("127.0.0.1", port),
		answers: make(chan struct{}), exited: make(chan struct{}), started: time.Now(),
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if h.current != nil {
		h.restarts++
	}
	h.current = p
	h.announce()
	return p, nil
}

// environment is what the host gives to a custom handler: every app setting, and
// the variables of its own, in both generations of their names.
func (h *Host) environment(port string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SystemRoot", "GOCOVERDIR", "GORACE", "GODEBUG", "GOMAXPROCS"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	worker := guid()
	return append(append(env, h.cfg.Env...),
		"FUNCTIONS_CUSTOMHANDLER_PORT="+port,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+worker,
		"FUNCTIONS_HTTPWORKER_PORT="+port,
		"FUNCTIONS_HTTPWORKER_ID="+worker,
		"FUNCTIONS_APP_ROOT_PATH="+h.cfg.Dir,
	)
}

// probe asks GET / until anything answers, and kills a process that does not in
// time.
func (h *Host) probe(p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.InitTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if h.ping(ctx, p.url) {
			p.readyAfter = time.Since(p.started)
			close(p.answers)
			return
		}
		select {
		case <-p.exited:
			return
		case <-ctx.Done():
			p.deaf = true
			_ = p.cmd.Process.Kill()
			return
		case <-tick.C:
		}
	}
}

func (h *Host) ping(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}

// freePort asks the system for a port that nobody listens on right now.
func freePort() (string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("find a free port: %v is not a TCP address", ln.Addr())
	}
	return strconv.Itoa(addr.Port), nil
}

// statusField returns the number of a "Name:  1234 kB" line, in bytes.
func statusField(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("no %s in the process status", name)
}
