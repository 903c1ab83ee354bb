package functions

import (
	"context"
	"net/http"
)

// This file is for a process that has no Functions host.

// Hooks serves what is pushed, as if the host had passed it on, and nothing else.
func (h *Handler) Hooks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := hookPath(r.URL.Path); !ok {
			http.NotFound(w, r)
			return
		}
		h.inspected(w, r)
	})
}

// Local reports whether a request comes from a program or a browser on this machine and means it: its
// Host header names the machine, so it is not a web page that points its own name here, and no proxy
// has passed it on. That the listener is on loopback is for the caller to know.
func Local(r *http.Request) bool { return isLoopback(r.Host) && !forwarded(r.Header) }

// Tick does one run, and logs a line for each stream. A run ends with the budget or [Handler.Stop],
// not with ctx.
func (h *Handler) Tick(ctx context.Context) {
	runs, err := h.run(ctx)
	for _, run := range runs {
		logRun(h.logger(), run)
	}
	if err != nil && ctx.Err() == nil { // after that it was refused because the process stops
		logFailure(h.logger(), err)
	}
}

// Drain ends, softly, what the poller does between runs, and waits for that and for runs until ctx ends.
// [Handler.Stop] comes first.
func (h *Handler) Drain(ctx context.Context) { h.quiet(ctx) }
