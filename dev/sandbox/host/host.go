package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultInitTimeout     = 30 * time.Second // customHandler.initializationTimeout
	defaultFunctionTimeout = 10 * time.Minute // functionTimeout of host.json
)

// Config says what to start.
type Config struct {
	// Path is the executable. A relative one is meant within Dir.
	Path string
	// Args are its arguments; the real host.json has none.
	Args []string
	// Dir is the root of the function app and the working directory. "" means the
	// directory of Path.
	Dir string
	// Env holds the app settings as NAME=value. Of this process's own environment
	// only what a program needs to run at all is passed on.
	Env []string
	// InitTimeout is how long a process may take to answer GET /. 0 means 30 s.
	InitTimeout time.Duration
	// FunctionTimeout is how long an invocation may take before the process is
	// killed. 0 means 10 min. The real host adds 2 s of grace.
	FunctionTimeout time.Duration
	// Output receives the lines of stdout and stderr as they come, if not nil.
	Output io.Writer
}

// Host runs one handler process, and its successors.
type Host struct {
	cfg    Config
	client *http.Client
	fired  atomic.Int64
	out    lines
	errs   lines
	done   chan struct{} // closed when no process runs and none will

	mu       sync.Mutex
	current  *process
	changed  chan struct{} // closed and replaced when current or err changes
	stopping bool
	restarts int
	err      error   // why there will be no further process
	logs     []Trace // of the answers
}

// Exit is how a process ended.
type Exit struct {
	// Code is the exit status, or -1 after a signal.
	Code int
	// Status is the same in words.
	Status string
	// CPU is the time that the process spent on processors.
	CPU time.Duration
}

// Start launches the process and returns when it answers. ctx bounds only that;
// the process runs until one of Kill, Terminate and Close.
func Start(ctx context.Context, cfg Config) (*Host, error) {
	if cfg.Dir == "" {
		cfg.Dir = filepath.Dir(cfg.Path)
	} else if !filepath.IsAbs(cfg.Path) {
		cfg.Path = filepath.Join(cfg.Dir, cfg.Path)
	}
	var err error
	if cfg.Path, err = filepath.Abs(cfg.Path); err != nil {
		return nil, fmt.Errorf("start handler: %w", err)
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("start handler: %w", err)
	}
	if cfg.InitTimeout == 0 {
		cfg.InitTimeout = defaultInitTimeout
	}
	if cfg.FunctionTimeout == 0 {
		cfg.FunctionTimeout = defaultFunctionTimeout
	}
	h := &Host{
		cfg: cfg,
		client: &http.Client{
			Transport: &http.Transport{DisableCompression: true},
			// The real one follows redirects, so a handler must never send one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		out: lines{tee: cfg.Output}, errs: lines{tee: cfg.Output},
		done: make(chan struct{}), changed: make(chan struct{}),
	}
	go h.supervise()
	if _, err := h.ready(ctx); err != nil {
		h.Close()
		return nil, fmt.Errorf("start handler: %w", err)
	}
	return h, nil
}

// ready waits for a process that answers.
func (h *Host) ready(ctx context.Context) (*process, error) {
	for {
		h.mu.Lock()
		p, changed, err := h.current, h.changed, h.err
		h.mu.Unlock()
		if err != nil {
			return nil, err
		}
		var answers chan struct{}
		if p != nil {
			answers = p.answers
		}
		select {
		case <-answers:
			if !p.ended() {
				return p, nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// ReadyAfter is how long the newest process took from its start to its first
// answer, in steps of the polling interval; 0 if it has not answered yet.
func (h *Host) ReadyAfter() time.Duration {
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p == nil {
		return 0
	}
	select {
	case <-p.answers:
		return p.readyAfter
	default:
		return 0
	}
}

// PID is that of the newest process.
func (h *Host) PID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return 0
	}
	return h.current.cmd.Process.Pid
}

// URL is the address of the newest process.
func (h *Host) URL() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return ""
	}
	return h.current.url
}

// Restarts counts the processes after the first.
func (h *Host) Restarts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.restarts
}

// Stdout returns the newest lines of standard output, of all processes so far.
// They are complete when the process has ended; until then some may be on their way.
func (h *Host) Stdout() []string { return h.out.all() }

// Stderr returns the same of standard error, where the real host sees errors.
func (h *Host) Stderr() []string { return h.errs.all() }

// PeakRSS is the largest resident set of the newest process so far, in bytes.
// It needs Linux and a process that is alive.
func (h *Host) PeakRSS() (int64, error) {
	return peakRSS(h.PID())
}

// PeakRSS is the same for any process.
func PeakRSS(pid int) (int64, error) { return peakRSS(pid) }

// Done is closed when no process runs and none will be started.
func (h *Host) Done() <-chan struct{} { return h.done }

// Kill ends the process with SIGKILL, as the host does. It is not started again.
func (h *Host) Kill() Exit {
	p := h.stop()
	if p == nil {
		<-h.done
		return Exit{Code: -1, Status: "never started"}
	}
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-h.done
	return p.exit()
}

// Terminate ends the process with SIGTERM, as the platform does when it stops a
// container, and waits for it until ctx ends. It is not started again.
func (h *Host) Terminate(ctx context.Context) (Exit, error) {
	p := h.stop()
	if p == nil {
		return Exit{}, errors.New("terminate handler: it never started")
	}
	if err := terminate(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Exit{}, fmt.Errorf("terminate handler: %w", err)
	}
	select {
	case <-h.done:
		return p.exit(), nil
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("terminate handler: it is still running: %w", context.Cause(ctx))
	}
}

// Close makes sure that no process is left. It may be called at any time and
// more than once.
func (h *Host) Close() {
	h.Kill()
	h.client.CloseIdleConnections()
}

// stop forbids further processes and returns the newest.
func (h *Host) stop() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	return h.current
}
