package main

// statusMutants are defects by which a status would be better than the truth, or show a secret.
func statusMutants() []Mutant {
	const app, status = "internal/app/", "internal/status/"
	tests := []string{"./internal/app", "./internal/status"}
	return []Mutant{
		{Breaks: "a status is well although nothing has run for hours", File: status + "judge.go", Old: "case j.now.Sub(last) > j.silentAfter():", New: "case j.now.Sub(last) > 24*j.silentAfter():", Tests: tests},
		{Breaks: "a run by hand counts as the function", File: "internal/state/runs/runs.go", Old: "if s.By != ByHand && s.At.After(last.At) {", New: "if s.At.After(last.At) {", Tests: tests},
		{Breaks: "a status is well although the last run failed", File: status + "judge.go", Old: "	if f.Failing() {\n		e, often", New: "	if f.Failing() && f.Success.IsZero() {\n		e, often", Tests: tests},
		{Breaks: "a status is well although the stream lags", File: status + "judge.go", Old: "j.now.Sub(through) <= j.lagMost()", New: "j.now.Sub(through) <= 100*j.lagMost()", Tests: tests},
		{Breaks: "a status is well although the state can't be read", File: status + "judge.go", Old: "j.found(Unknown, mayRead(err), \"The state can't be read", New: "j.found(OK, mayRead(err), \"The state can't be read", Tests: tests},
		{Breaks: "what is not delivered counts as proven", File: status + "cover.go", Old: "{To: earlier(proven, cp.Through), Cover: Proven}", New: "{To: cp.Through, Cover: Proven}", Tests: tests},
		{Breaks: "a web page reads the status by pointing its own name at the machine", File: "internal/functions/handler.go", Old: "!h.AnyHost && !isLoopback(r.Host)", New: "false", Tests: []string{"./internal/functions"}},
		{Breaks: "a run that is under way counts as one that ended", File: "internal/state/runs/runs.go", Old: "		f.Begun = at\n		f.Unended++\n", New: "		f.Begun, f.Success = at, at\n		f.Unended++\n", Tests: []string{"./internal/state/runs"}},
		{Breaks: "an outcome shows a secret", File: app + "runs.go", Old: "rep.Error = secret.Mask(text.Cut(rep.Error, longestError), hidden...)", New: "rep.Error = text.Cut(rep.Error, longestError)"},
	}
}
