package main

const oktaDir = "internal/source/okta/"

func oktaMutants() []Mutant {
	return []Mutant{
		{Breaks: "a place in Okta's log that is ahead is believed", File: oktaDir + "logs.go", Old: "at.Newest, now, clockSlack)", New: "at.Newest, at.Newest, clockSlack)"},
		{Breaks: "the place in Okta's log is a time and not the org's link", File: oktaDir + "logs.go", Old: "Next: place{Next: r.next, Newest: newest}.encode(), From: at.from()", New: "Next: place{Newest: newest}.encode(), From: at.from()"},
		{Breaks: "the place in Okta's log does not move at its end", File: oktaDir + "logs.go", Old: "if q.loops(r.next) {", New: "if q.loops(r.next) || len(r.records) < r.limit {"},
		{Breaks: "a page that the server cut is taken for the end of Okta's log", File: oktaDir + "logs.go", Old: "(len(r.records) >= min(r.limit, l.largest) || !r.reaches(present))", New: "len(r.records) >= r.limit"},
		{Breaks: "an answer without links is taken for the end of Okta's log", File: oktaDir + "logs.go", Old: "if r.next == \"\" {\n\t\treturn pipeline.Page{}, &pipeline", New: "if false {\n\t\treturn pipeline.Page{}, &pipeline"},
		{Breaks: "the events of an answer that is no success are quoted", File: oktaDir + "errors.go", Old: "code == \"\" && status >= http.StatusBadRequest {", New: "code == \"\" {", Tests: []string{"./internal/app"}},
		{Breaks: "a place that the org refuses stops the stream", File: oktaDir + "logs.go", Old: "|| !refused.ofPlace() {", New: "|| refused.ofPlace() {"},
		{Breaks: "an org that refuses each place is asked without end", File: oktaDir + "logs.go", Old: "l.restarts == maxRestarts", New: "l.restarts == 1<<30"},
		{Breaks: "a daily re-read of Okta keeps the first page only", File: oktaDir + "logs.go", Old: "more := r.next != \"\" && len(r.records) > 0 && !q.loops(r.next)", New: "more := false"},
		{Breaks: "a window of Okta lacks what happened at its begin", File: oktaDir + "logs.go", Old: "formatTime(from.Add(-time.Millisecond))", New: "formatTime(from)"},
		{Breaks: "an event of the future takes the place in Okta's log there", File: oktaDir + "logs.go", Old: "\t\tnewest = now.Truncate(time.Millisecond) //", New: "\t\t//"},
		{Breaks: "Okta's log is covered up to now while there is more to come", File: oktaDir + "logs.go", Old: "if !page.More && r.asked.After(newest) {", New: "if r.asked.After(newest) {"},
		{Breaks: "Okta's token follows a link to another host", File: oktaDir + "cursor.go", Old: "return u.Path + \"?\"", New: "return \"@\" + u.Host + u.Path + \"?\""},
		{Breaks: "a stored place outside Okta's log is followed", File: oktaDir + "cursor.go", Old: "err == nil && u.Path == logsPath && u.RawQuery != \"\"", New: "err == nil && u != nil"},
		{Breaks: "a link to another resource of Okta is a place in the log", File: oktaDir + "client.go", Old: "if err != nil || u.Path != logsPath || u.RawQuery == \"\" {", New: "if err != nil {"},
		{Breaks: "a link with another query is a place in Okta's log", File: oktaDir + "client.go", Old: "if other := otherThan(target, u); other != \"\" {", New: "if other := otherThan(target, u); len(other) < 0 {"},
		{Breaks: "a stored place in a part of Okta's log is kept", File: oktaDir + "logs.go", Old: "at.strays(logsPath); other != \"\" {", New: "at.strays(logsPath); len(other) < 0 {"},
		{Breaks: "a place in Okta's log that is too long for a server is kept", File: oktaDir + "logs.go", Old: ", http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:", New: ":"},
		{Breaks: "an empty list with something behind it is an empty page", File: "internal/lib/jsonwalk/flaws.go", Old: "!visited && !isEmpty(page)", New: "visited && !isEmpty(page)", Tests: []string{"./internal/lib/jsonwalk", "./internal/source/okta"}},
		{Breaks: "a page of Okta has any number of rows", File: oktaDir + "page.go", Old: "if len(r.records) == maxRows {", New: "if len(r.records) < 0 {"},
		{Breaks: "a page of Okta with events that leads to itself is the end", File: oktaDir + "logs.go", Old: "if len(r.records) > 0 { // there may be", New: "if len(r.records) >= r.limit { // there may be"},
		{Breaks: "pages of Okta that lead to each other are read without end", File: oktaDir + "circle.go", Old: "if next == c.mark {", New: "if next == \"\" {"},
		{Breaks: "all of Okta's rate limit is used", File: oktaDir + "pace.go", Old: "max(q.limit/2-burst, q.limit/10)", New: "q.limit"},
		{Breaks: "what other clients use of Okta's rate limit does not count", File: oktaDir + "pace.go", Old: "q.remaining >= q.limit/2 {", New: "q.remaining >= 0 {"},
		{Breaks: "Okta's reset is measured by this machine's clock", File: oktaDir + "pace.go", Old: "now = date", New: "_ = date"},
		{Breaks: "the nonce for DPoP is not kept", File: oktaDir + "serviceapp.go", Old: "a.nonces[path] = nonce", New: "_ = nonce"},
		{Breaks: "a request with an old nonce is not repeated with the new one", File: oktaDir + "serviceapp.go", Old: "return resp.Header.Get(\"DPoP-Nonce\") != \"\", a.proofRemedy()", New: "return false, a.proofRemedy()"},
		{Breaks: "a DPoP proof goes with any token", File: oktaDir + "serviceapp.go", Old: "claims[\"ath\"] = base64.RawURLEncoding.EncodeToString(sum[:])", New: "_ = sum"},
		{Breaks: "an event of Okta that can't be read is believed at first sight", File: oktaDir + "logs.go", Old: "l.trouble.again(q.spot()) < jsonwalk.Sightings", New: "l.trouble.again(q.spot()) < 1"},
	}
}
