package functions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/status/page"
)

// FunctionPath is where the host posts invocations. It is the name of the folder with
// function.json.
const FunctionPath = "/function"

const (
	defaultBudget = 4 * time.Minute // the default of RUN_BUDGET
	defaultGrace  = 5 * time.Second // there is little time between SIGTERM and SIGKILL
	maxEnvelope   = 1 << 20         // bytes; the host sends less than a thousand
)

// Poller runs every stream once and returns a report of each.
type Poller interface {
	Poll(ctx context.Context) []pipeline.Report
}

// Handler responds to the Functions host. Its fields must not change while it serves.
type Handler struct {
	// Open creates the Poller at the first invocation. If it fails, for instance because of
	// invalid settings, the invocation fails with its error and the next one tries again.
	Open func() (Poller, error)
	// Budget is how long one run may take. 0 means 4 minutes. It must be well below
	// functionTimeout in host.json, at which the host kills the process.
	Budget time.Duration
	// Grace is how long [Serve] waits for active polls when it is asked to stop. 0 means 5
	// seconds.
	Grace time.Duration
	// FanOut puts a message for each connection into a queue at every tick, instead of polling:
	// the host posts each to [WorkPath], perhaps in another process. See [Spread].
	FanOut bool
	// AnyHost says that requests for the status may have any host name in their header Host, as the
	// platform's front end passes it on. On a developer's own machine a name that is not the machine's
	// comes from a web page that pointed it there, to read what it may not.
	AnyHost bool
	// Log may be nil.
	Log *slog.Logger

	opening sync.Mutex // guards poller; held while Open runs
	poller  Poller

	mu      sync.Mutex // guards the fields below
	stopped error
	running map[int]context.CancelCauseFunc
	started int
	runs    sync.WaitGroup // what is in running
	bodies  *memory        // for what is pushed
	page    http.Handler   // of the status
}

var _ http.Handler = (*Handler)(nil)

// ServeHTTP implements [http.Handler]. It compares paths itself, because [http.ServeMux]
// redirects unclean ones.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, pushed := hookPath(r.URL.Path)
	switch {
	case r.URL.Path == "/":
		write(w, http.StatusOK, answer{Logs: []string{"ready"}})
	case pushed:
		h.inspected(w, r)
	case page.Serves(r.URL.Path) && !h.AnyHost && !isLoopback(r.Host):
		h.logger().Warn("request refused", "reason", otherHost)
		w.Header().Set("Connection", "close")
		write(w, http.StatusForbidden, failure(errors.New("the status is not shown: "+otherHost)))
	case page.Serves(r.URL.Path):
		h.Status().ServeHTTP(w, r)
	case r.URL.Path != FunctionPath && r.URL.Path != WorkPath:
		write(w, http.StatusNotFound, failure(errors.New("the only functions are "+FunctionPath+" and "+WorkPath)))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, failure(errors.New("invocations must use POST")))
	default:
		if why := stranger(r); why != "" {
			h.logger().Warn("request refused", "reason", why)
			w.Header().Set("Connection", "close") // its body is not needed
			write(w, http.StatusForbidden, failure(errors.New("only the Functions host may start a run, and this request is not from the host: "+why)))
			return
		}
		if r.URL.Path == WorkPath {
			h.work(w, r)
			return
		}
		h.invoke(w, r)
	}
}

// invoke handles one timer invocation.
func (h *Handler) invoke(w http.ResponseWriter, r *http.Request) {
	log := h.logger().With("invocation_id", r.Header.Get(invocationID))
	timer, err := DecodeTimer(readBody(w, r))
	if err != nil {
		log.Debug("timer could not be decoded", "error", err)
	}
	log.Debug("invocation started", "past_due", timer.PastDue, "due", timer.Next)
	if h.FanOut {
		h.fanOut(w, r, log)
		return
	}
	runs, err := h.run(r.Context())
	lines, failed := reportOnce(r.Context(), log, runs, err)
	status := http.StatusOK
	if failed {
		status = http.StatusInternalServerError
	}
	write(w, status, newAnswer(runs, lines, err))
}

// run polls everything, also if the host or the client goes away.
func (h *Handler) run(request context.Context) ([]pipeline.Report, error) {
	return h.within(request, func(ctx context.Context, poller Poller) ([]pipeline.Report, error) {
		return poller.Poll(ctx), nil
	})
}

// within does something with the poller under a context that ends only with the budget or Stop.
func (h *Handler) within(request context.Context, do func(context.Context, Poller) ([]pipeline.Report, error)) (runs []pipeline.Report, err error) {
	return h.withinMore(request, 0, do)
}

// withinMore is within, for what takes some time more than the budget.
func (h *Handler) withinMore(request context.Context, more time.Duration, do func(context.Context, Poller) ([]pipeline.Report, error)) (runs []pipeline.Report, err error) {
	defer func() {
		if value := recover(); value != nil {
			runs, err = nil, &panicError{value, debug.Stack()}
		}
	}()
	ctx, done, err := h.begin(request, more)
	if err != nil {
		return nil, err
	}
	defer done()
	poller, err := h.open()
	if err != nil {
		return nil, err
	}
	return do(ctx, poller)
}

func (h *Handler) open() (Poller, error) {
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.poller == nil {
		poller, err := h.Open()
		if err != nil {
			return nil, err
		}
		h.poller = poller
	}
	return h.poller, nil
}

// begin registers a run with Stop. It fails if Stop was called before.
func (h *Handler) begin(request context.Context, more time.Duration) (context.Context, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped != nil {
		return nil, nil, fmt.Errorf("the process is stopping: %w", h.stopped)
	}
	budget := h.Budget
	if budget == 0 {
		budget = defaultBudget
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(request))
	ctx, expire := context.WithTimeout(ctx, budget+more)
	if h.running == nil {
		h.running = map[int]context.CancelCauseFunc{}
	}
	h.started++
	number := h.started
	h.running[number] = cancel
	h.runs.Add(1)
	return ctx, func() {
		expire()
		cancel(nil)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.running, number)
		h.runs.Done()
	}, nil
}

// Stop asks active polls to end softly, by cancelling their contexts with cause, and
// refuses new invocations.
func (h *Handler) Stop(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped != nil {
		return
	}
	h.stopped = cause
	for _, cancel := range h.running {
		cancel(cause)
	}
}

// quiet waits, until ctx ends, for runs, also those that no request waits for any more, and for what
// the poller does between them. Stop comes first.
func (h *Handler) quiet(ctx context.Context) {
	h.opening.Lock()
	poller := h.poller
	h.opening.Unlock()
	if p, ok := poller.(interface{ Stop(context.Context) }); ok {
		p.Stop(ctx)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.runs.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

func (h *Handler) logger() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}

// panicError is a panic in a run. It fails the invocation, not the process.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("internal error, please report it with the log of this invocation: %v", e.value)
}
