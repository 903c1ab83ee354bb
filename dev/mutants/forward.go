package main

// forwardMutants are defects of the forwarding of reports to a workflow.
func forwardMutants() []Mutant {
	const forward, flow, queue, app = "internal/forward/", sailpoint + "workflow.go", reports + "forwarding.go", "internal/app/forwarding.go"
	starts, both := []string{"./internal/forward"}, []string{"./internal/forward", "./internal/state/reports"}
	background := []string{"./internal/app", "-run", "Forward|Kept|RunsDoNotWait|StopWaits"}
	return []Mutant{
		{Breaks: "a start is posted without an intent", File: forward + "forward.go", Old: "\tif err := f.Queue.Save(ctx, item); err != nil {\n\t\tf.remember(item.ID, g.span)", New: "\tif err := ctx.Err(); err != nil {\n\t\tf.remember(item.ID, g.span)"},
		{Breaks: "a start is posted although its intent could not be stored", File: forward + "forward.go", Old: "return fmt.Errorf(\"nothing was posted: %w\", err)", New: "_ = fmt.Errorf(\"nothing was posted: %w\", err)"},
		{Breaks: "an intent without a result is repeated", File: forward + "entry.go", Old: "e.doubt(\"the process was stopped before it noted the answer\", repeat)", New: "e.Posting = nil"},
		{Breaks: "an intent without a result is settled in silence", File: forward + "entry.go", Old: "e.doubt(\"the process was stopped before it noted the answer\", repeat)", New: "e.settle()"},
		{Breaks: "a start in doubt is repeated by default", File: forward + "entry.go", Old: "if repeat && s.Tries < mostRepeats {", New: "if s.Tries < mostRepeats {"},
		{Breaks: "a start in doubt is forgotten", File: forward + "entry.go", Old: "\t\te.Doubts = append(e.Doubts, s)\n", New: ""},
		{Breaks: "what the workflow refuses is forgotten", File: forward + "entry.go", Old: "\te.Refused = append(e.Refused, s)\n", New: ""},
		{Breaks: "a start that did not happen counts as made", File: forward + "forward.go", Old: "\t\titem.withdraw()\n\t\treturn f.failed", New: "\t\titem.settle()\n\t\treturn f.failed"},
		{Breaks: "a repeated start does not say so", File: forward + "rows.go", Old: "repeated: tries > 0,", New: "repeated: tries < 0,"},
		{Breaks: "trying never ends", File: forward + "entry.go", Old: "now.Sub(e.Since) > patience", New: "now.Sub(e.Since) < 0"},
		{Breaks: "doubts are not bounded", File: forward + "entry.go", Old: "if len(e.Doubts) >= mostKept {", New: "if len(e.Doubts) < 0 {"},
		{Breaks: "a stop cuts a post short", File: forward + "forward.go", Old: "once, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)", New: "once, cancel := context.WithTimeout(ctx, startTimeout)"},
		{Breaks: "a 200 with a failure counts as a start", File: flow, Old: "\tcase answer.ID != \"\" && said == \"\":", New: "\tcase answer.ID != \"\" || said != \"\":", Tests: starts},
		{Breaks: "a 200 without anything is tried again", File: flow, Old: "return &forward.Doubt{Err: fmt.Errorf(\"%s: the answer names neither an execution nor a failure\", startWorkflow)}", New: "return fmt.Errorf(\"%s: the answer names neither an execution nor a failure\", startWorkflow)", Tests: starts},
		{Breaks: "a lost answer is tried again", File: flow, Old: "if transport.Unsent(err) ||", New: "if !transport.Unsent(err) ||", Tests: starts},
		{Breaks: "a 5xx is tried again", File: flow, Old: "return &forward.Doubt{Err: &pipeline.Retryable{Err: text, After: after}}", New: "return &pipeline.Retryable{Err: text, After: after}", Tests: starts},
		{Breaks: "an answer that repeats the report is shown", File: flow, Old: "if echoes(string(body), input) {", New: "if echoes(string(body), nil) {", Tests: starts},
		{Breaks: "the parts of a report go with its delivery", File: reports + "reports.go", Old: "\tif kept {\n\t\treturn s.deleteWaiting(ctx, id)\n\t}\n", New: "\tif kept {\n\t\t_ = s.removeParts(ctx, id)\n\t\treturn s.deleteWaiting(ctx, id)\n\t}\n", Tests: both},
		{Breaks: "a report that was delivered is not forwarded", File: queue, Old: "if r, bad := DecodeReport(object.Data); err == nil && bad == nil && r.Forward {", New: "if r, bad := DecodeReport(object.Data); err == nil && bad == nil && !r.Forward {", Tests: both},
		{Breaks: "the parts of what waits to be forwarded are tidied away", File: reports + "reports.go", Old: "return waiting[id] || forwarded[id] }", New: "return waiting[id] }", Tests: both},
		{Breaks: "a report that was forwarded is forwarded again while its rows wait", File: queue, Old: "\t_, err := s.store.Get(ctx, s.waiting(item.ID))\n\tif errors.Is(err, state.ErrNotFound) {", New: "\t_, err := s.store.Get(ctx, s.waiting(item.ID))\n\tif err == nil {\n\t\treturn s.store.Delete(ctx, s.forward(item.ID))\n\t}\n\tif errors.Is(err, state.ErrNotFound) {", Tests: both},
		{Breaks: "a report whose record lost parts is forwarded without the rest", File: "internal/forward/rows.go", Old: "number == e.Parts && left != 0", New: "number == e.Parts && left < 0"},
		{Breaks: "a failed forwarding is tried again at once", File: app, Old: "f.runs.pause(wait)", New: "f.runs.pause(-wait)", Tests: background},
		{Breaks: "a run waits for the forwarding", File: "internal/app/connection.go", Old: "\tc.nudge(p)\n", New: "\tc.nudge(p)\n\tfor _, f := range c.forwardings {\n\t\tf.runs.wait(ctx)\n\t}\n", Tests: background},
		{Breaks: "a stop leaves the start under way", File: "internal/app/background.go", Old: "\tb.mu.Unlock()\n\tb.wait(ctx)\n", New: "\tb.mu.Unlock()\n", Tests: background},
		{Breaks: "a workflow may be of another tenant", File: "internal/config/workflow.go", Old: "!strings.EqualFold(workflow.URL.Host, tenant.BaseURL.Host)", New: "workflow.URL.Host == \"\""},
	}
}
