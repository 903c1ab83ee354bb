package host

import (
	"slices"
	"strings"
)

// Severity is that of a trace in Application Insights.
type Severity string

// The severities that the host gives.
const (
	Information Severity = "Information"
	Warning     Severity = "Warning"
	Error       Severity = "Error"
)

// Trace is a row of the table traces.
type Trace struct {
	Severity Severity
	Message  string
	// Invocation is the id of the invocation that the host shows the line at. Lines of
	// the process's output have none: the host does not know where they belong.
	Invocation string
}

// Traces returns what the host has sent to Application Insights: first the lines of
// answers, then those of stdout and of stderr, each in their order. As with [Host.Stdout],
// they are complete when the process has ended.
func (h *Host) Traces() []Trace {
	h.mu.Lock()
	traces := slices.Clone(h.logs)
	h.mu.Unlock()
	for _, line := range h.out.all() {
		traces = append(traces, Trace{Severity: Information, Message: line})
	}
	for _, line := range h.errs.all() {
		severity := Error
		if strings.Contains(strings.ToLower(line), "warn") {
			severity = Warning
		}
		traces = append(traces, Trace{Severity: severity, Message: line})
	}
	return traces
}

// note keeps the lines of an answer. The host reads the answers of successful
// invocations only.
func (h *Host) note(inv Invocation) {
	if inv.Status != 200 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range inv.Logs {
		h.logs = append(h.logs, Trace{Severity: Information, Message: line, Invocation: inv.ID})
	}
}
