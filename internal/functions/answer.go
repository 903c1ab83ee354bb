package functions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// answer is the body of a response. The host defines the names. Outputs and ReturnValue are
// objects, because the host decodes a string that happens to be base64.
type answer struct {
	Outputs     outputs     `json:"Outputs"`
	Logs        []string    `json:"Logs"`
	ReturnValue returnValue `json:"ReturnValue"`
}

// outputs are the values of output bindings.
type outputs struct {
	// Work are messages for the queue: the binding of that name in the package for FAN_OUT=queue.
	// The host drops what no binding is named after.
	Work []string `json:"work,omitempty"`
}

type returnValue struct {
	Runs []pipeline.Report `json:"runs"`
	// Error is a failure of the whole invocation; the failure of a stream is in its report.
	Error string `json:"error,omitempty"`
}

// newAnswer is the answer with the reports of runs. Logs are the lines that the host shows at
// the invocation. It drops them if the invocation failed, and what the process's own log
// has said is not said again: see [reportOnce].
func newAnswer(runs []pipeline.Report, logs []string, err error) answer {
	a := answer{Logs: logs, ReturnValue: returnValue{Runs: runs}}
	if err != nil {
		a.ReturnValue.Error = err.Error()
	}
	return a
}

func failure(err error) answer { return newAnswer(nil, nil, err) }

// reportOnce reports each run and the failure of the invocation once: what needs attention in the
// log of the process, where it has a severity, and the rest as lines of the answer, which
// the host shows at the invocation. The host does not read the answer of a failed one,
// so there everything goes to the log.
func reportOnce(ctx context.Context, log *slog.Logger, runs []pipeline.Report, err error) (lines []string, failed bool) {
	failed = err != nil || slices.ContainsFunc(runs, hasFailed)
	for _, run := range runs {
		switch {
		case failed || len(run.Warnings) > 0:
			logRun(log, run)
		case log.Enabled(ctx, slog.LevelInfo):
			lines = append(lines, line(run))
		}
	}
	if err != nil {
		logFailure(log, err)
	}
	return lines, failed
}

func hasFailed(r pipeline.Report) bool { return r.State == pipeline.Failed }

// line is a report in the host's list of invocations, where people look first.
func line(r pipeline.Report) string {
	var b strings.Builder
	if r.Connection != "" {
		b.WriteString(r.Connection + "/")
	}
	fmt.Fprintf(&b, "%s: %s, %d fetched, %d sent, %d duplicates, %d quarantined, lag %.0f s",
		r.Stream, r.State, r.Fetched, r.Sent, r.Duplicates, r.Quarantined, r.LagSeconds)
	if r.Spooled > 0 {
		fmt.Fprintf(&b, ", %d spooled", r.Spooled)
	}
	if r.Mismatches > 0 {
		fmt.Fprintf(&b, ", %d windows incomplete, %d records repaired", r.Mismatches, r.Repaired)
	}
	if r.Unexplained > 0 {
		fmt.Fprintf(&b, ", %d windows unexplained", r.Unexplained)
	}
	if r.Error != "" {
		b.WriteString(": " + r.Error)
	}
	return b.String()
}

// write always writes a body: without one the host would wait for its timeout.
func write(w http.ResponseWriter, status int, a answer) {
	// Errors quote what a service sent, which may not be UTF-8.
	body, err := json.Marshal(a, jsontext.AllowInvalidUTF8(true))
	if err != nil { // a number that JSON can't represent
		body = []byte(`{"Outputs":{},"Logs":["the report could not be encoded"],"ReturnValue":{"runs":[]}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the client is gone, the answer is dropped; the run is logged.
	_, _ = w.Write(body)
}

// logRun logs one line for a stream's run.
func logRun(log *slog.Logger, r pipeline.Report) {
	if r.Connection != "" {
		log = log.With("connection", r.Connection)
	}
	log = log.With(
		"stream", r.Stream, "state", string(r.State), "fetched", r.Fetched, "sent", r.Sent, "duplicates", r.Duplicates,
		"conformed", r.Conformed, "quarantined", r.Quarantined, "spooled", r.Spooled, "batches", r.Batches, "retries", r.Retries,
		"lag_seconds", r.LagSeconds, "seconds", r.Seconds,
		"windows_checked", r.WindowsChecked, "mismatches", r.Mismatches, "repaired", r.Repaired, "unexplained", r.Unexplained,
	)
	if !r.AuditedThrough.IsZero() {
		log = log.With("audited_through", r.AuditedThrough)
	}
	if len(r.Warnings) > 0 {
		log = log.With("warnings", r.Warnings)
	}
	switch {
	case r.State == pipeline.Failed:
		log.Error("stream run failed", "error", r.Error)
	case len(r.Warnings) > 0:
		log.Warn("stream run finished with warnings")
	default:
		log.Info("stream run finished")
	}
}

func logFailure(log *slog.Logger, err error) {
	var p *panicError
	if errors.As(err, &p) {
		log = log.With("stack", string(p.stack))
	}
	log.Error("invocation failed", "error", err)
}
