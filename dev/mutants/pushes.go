package main

// pushMutants are defects of what is pushed, from the request to the inbox and out of it.
func pushMutants() []Mutant {
	const app, inbox = "internal/app/", "internal/source/inbox/"
	return []Mutant{
		{Breaks: "a push is answered with 200 although it was not stored", File: app + "mailbox.go", Old: "g.err = m.box.Put(ctx, g.records)", New: "_ = m.box.Put(ctx, g.records)"},
		{Breaks: "a push in pieces is answered with 200 although one was not stored", File: app + "mailbox.go", Old: "\t\t\tif err == nil {\n\t\t\t\terr = g.err\n", New: "\t\t\tif err != nil {\n\t\t\t\terr = g.err\n"},
		{Breaks: "a push is answered with 200 although it is not stored in time", File: app + "hooks.go", Old: "err = i.put(ctx, push.Records, within)", New: "err = i.put(ctx, push.Records, within)\n\tif within > 0 {\n\t\terr = nil\n\t}"},
		{Breaks: "an acknowledgement deletes what an earlier walk of the inbox has read", File: inbox + "inbox.go", Old: "\ts.pages = nil\n", New: ""},
		{Breaks: "a group takes no more than the first push", File: app + "mailbox.go", Old: "g.records = append(g.records, records...)", New: "if len(g.records) == 0 {\n\t\tg.records = records\n\t}"},
		{Breaks: "a push is delivered with the next tick only", File: app + "hooks.go", Old: "\t\ti.runs.nudge()\n", New: ""},
		{Breaks: "the body is read before the credentials are checked", File: "internal/functions/hooks.go", Old: "admitted, err := inlet.Admits(", New: "_, _ = io.ReadAll(r.Body)\n\tadmitted, err := inlet.Admits("},
		{Breaks: "any credentials are good", File: "internal/lib/gate/gate.go", Old: "return subtle.ConstantTimeCompare(a[:], b[:]) == 1", New: "return subtle.ConstantTimeCompare(a[:], b[:]) >= 0"},
		{Breaks: "of two credentials one is enough", File: sailpoint + "hook.go", Old: "if len(authorization) != 1 {", New: "if len(authorization) == 0 {"},
		{Breaks: "an answer is posted to any host", File: sailpoint + "callback.go", Old: "!strings.EqualFold(u.Host, base.Host)", New: "strings.EqualFold(u.Host, \"\")"},
		{Breaks: "an answer is posted to any path", File: sailpoint + "callback.go", Old: "u.Opaque != \"\" || !callbackPath.MatchString(u.EscapedPath())", New: "u.Opaque != \"\""},
		{Breaks: "a callback follows redirects", File: sailpoint + "callback.go", Old: "return http.ErrUseLastResponse }", New: "return nil }"},
		{Breaks: "a pre-approval is refused", File: sailpoint + "neutral.go", Old: "answer = approval{Approved: true, Comment: comment, Approver: user}\n", New: "answer = approval{Comment: comment, Approver: user}\n"},
		{Breaks: "the row of a push has another id than that of the poll", File: sailpoint + "envelope.go", Old: "rec.ID = p.invocationID + \"|\"", New: "rec.ID = p.invocationID"},
		{Breaks: "an acknowledgement deletes all that was read", File: inbox + "inbox.go", Old: "for i := s.index(cursor); i >= 0; i-- {\n\t\tnames", New: "for i := len(s.pages) - 1; i >= 0; i-- {\n\t\tnames"},
		{Breaks: "an object that can't be read is acknowledged", File: inbox + "inbox.go", Old: "s.broken = errors.Join(s.broken, broken[i])\n\t\t\tcontinue", New: "s.broken = errors.Join(s.broken, broken[i])"},
		{Breaks: "an object that can't be read is not reported", File: inbox + "inbox.go", Old: "page.Through, page.Incomplete = begun, s.broken", New: "page.Through = begun"},
		{Breaks: "what the other stream has delivered is delivered again", File: "internal/state/ledger/beside.go", Old: "fresh[i] = fresh[i] && !known[i]", New: "fresh[i] = fresh[i] && !known[0]"},
		{Breaks: "one bad element refuses the whole array", File: sailpoint + "hook.go", Old: "\t\t\tbroken = append(broken, errObject)\n", New: "\t\t\treturn nil, []error{errObject}\n"},
		{Breaks: "a lost element of an array is not reported", File: sailpoint + "hook.go", Old: "\tcase len(broken) > 0: // one", New: "\tcase len(broken) < 0: // one"},
		{Breaks: "each part of an answer has a deadline of its own", File: "internal/functions/hooks.go", Old: "ctx, cancel := context.WithTimeout(ctx, left)", New: "ctx, cancel := context.WithTimeout(ctx, max(left, answerIn))"},
		{Breaks: "the store takes what time it wants", File: app + "hooks.go", Old: "within = min(within, time.Until(end))", New: "within = max(within, time.Until(end))"},
		{Breaks: "a plain event is answered with 200 because an access request shares its body", File: sailpoint + "hook.go", Old: "push.Waiting = waiting == len(push.Records)", New: "push.Waiting = waiting > 0", Tests: []string{"./internal/app"}},
		{Breaks: "an answer is posted before the request is answered", File: app + "hooks.go", Old: "defer i.answers.afterwards(ctx, push.After, kept)", New: "i.answers.afterwards(ctx, push.After, kept)"},
		{Breaks: "an answer that is owed dies with the process", File: app + "hooks.go", Old: "kept = i.answers.keep(ctx, push.Owed)", New: "kept = i.answers.keep(ctx, nil)"},
		{Breaks: "a stop does not wait for answers that are being posted", File: app + "answers.go", Old: "\ta.settle(ctx)\n", New: "\t_ = a.settle\n"},
		{Breaks: "a report is answered with 200 although it is not valid", File: reports + "reports.go", Old: "if err := s.confirm(ctx, r); err != nil {", New: "if err := context.Cause(ctx); err != nil {"},
		{Breaks: "a report that is sent again is stored again", File: reports + "reports.go", Old: "if err == nil && before.is(at) {", New: "if err == nil && before.is(at) && ctx == nil {"},
		{Breaks: "a report whose receiver has not noted it is delivered beside its twin", File: reports + "reports.go", Old: "\t\tcase stands:\n", New: "\t\tcase stands && ctx == nil:\n"},
		{Breaks: "of two that receive a report at once none withdraws", File: reports + "reports.go", Old: "!errors.Is(err, state.ErrConflict) {\n\t\treturn false", New: "!errors.Is(err, state.ErrConflict) || ctx != nil {\n\t\treturn false"},
	}
}
