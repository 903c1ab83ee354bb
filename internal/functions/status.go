package functions

import (
	"context"
	"net/http"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
	"github.com/idn-sentinel/idn-sentinel/internal/status/page"
)

// StatusPath is where the host passes on requests for the status: the route prefix and the route
// of status/function.json.
const StatusPath = page.Path

// reporter is a [Poller] that says how it is.
type reporter interface {
	Status(context.Context) status.Snapshot
}

// Status serves the status page and what belongs to it, below [StatusPath]. Who may call is checked
// before: by the host, which demands a function key, or by whatever listens.
func (h *Handler) Status() http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.page == nil {
		h.page = page.New(page.Config{Snapshot: h.snapshot, Run: h.runNow})
	}
	return h.page
}

// snapshot says how everything is, also if nothing can be opened.
func (h *Handler) snapshot(ctx context.Context) status.Snapshot {
	poller, err := h.open()
	if err != nil {
		return status.Broken(version.String(), err)
	}
	of, ok := poller.(reporter)
	if !ok {
		return status.Snapshot{State: status.Unknown}
	}
	return of.Status(ctx)
}

// runNow polls for a person, and logs what it came to.
func (h *Handler) runNow(ctx context.Context) ([]pipeline.Report, error) {
	runs, err := h.run(ctx)
	for _, run := range runs {
		logRun(h.logger(), run)
	}
	if err != nil {
		logFailure(h.logger(), err)
	}
	return runs, err
}
