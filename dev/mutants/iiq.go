package main

const iiq = "internal/source/identityiq/"

func iiqMutants() []Mutant {
	return []Mutant{
		{Breaks: "a cursor of IdentityIQ's events that is ahead is believed", File: iiq + "events.go", Old: "from, now, aheadMost)", New: "from, from, aheadMost)"},
		{Breaks: "a window that does not fit a page counts as read", File: iiq + "events.go", Old: "case got.total <= int64(n):", New: "case got.total >= 0:"},
		{Breaks: "the first millisecond of a window is left out", File: iiq + "events.go", Old: "strconv.FormatInt(w.from.UnixMilli()-1, 10)", New: "strconv.FormatInt(w.from.UnixMilli(), 10)"},
		{Breaks: "the cursor moves past what is not committed yet", File: iiq + "events.go", Old: "next = got.newest.Add(time.Millisecond)", New: "next = w.to"},
		{Breaks: "a crowd in one millisecond ends with its first page", File: iiq + "events.go", Old: "if len(got.records) == 0 || got.total >= 0 && int64(len(seen)) >= got.total || all.repeats {", New: "if true {"},
		{Breaks: "events that were not asked for are delivered as if they were", File: iiq + "events.go", Old: "if err == nil && !outside.IsZero() {", New: "if false {"},
		{Breaks: "an unreadable row costs its whole window", File: iiq + "events.go", Old: "if w.width() <= time.Millisecond {\n\t\t\t\treturn e.rowByRow(ctx, *w)", New: "if true {\n\t\t\t\treturn e.moment(*w, got)"},
		{Breaks: "a row that can't be read is believed at first sight", File: iiq + "unreadable.go", Old: "if d.times++; d.times < jsonwalk.Sightings {", New: "if d.times++; d.times < 1 {"},
		{Breaks: "a changed resource is no new record", File: iiq + "resources.go", Old: "rec.ID += \"|\" + s.digest(el.Raw)", New: "_ = s.digest"},
		{Breaks: "what the ledger has forgotten is sent again", File: iiq + "resources.go", Old: "if rec.Time.IsZero() || !rec.Time.Before(since) {", New: "if true {"},
		{Breaks: "a short page ends a list", File: iiq + "resources.go", Old: "if reach > at.Seen && (at.At == 1 || int64(reach) != got.total) {", New: "if false {"},
		{Breaks: "a list whose first page comes for ever has no end", File: iiq + "resources.go", Old: "if at.At == 1 || at.First == \"\" || !begins(got) {", New: "if true {"},
		{Breaks: "a crowd of which only the first page comes counts as read", File: iiq + "events.go", Old: "\t\thidden = max(hidden, 1)\n", New: ""},
		{Breaks: "a list that shrinks while it is read counts as read", File: iiq + "resources.go", Old: "gone > again {", New: "false {"},
		{Breaks: "an empty list has delivered what it lists later", File: iiq + "resources.go", Old: "at.Seen > 0 && moved", New: "moved"},
		{Breaks: "lists that can't be read as a whole fail no run", File: iiq + "resources.go", Old: "begun.Sub(first) < shortAge", New: "begun.Sub(first) >= 0"},
		{Breaks: "an empty list is believed of an answer that is cut", File: iiq + "list.go", Old: "\tcase err != nil:\n\t\treturn l, err\n\tcase found:\n\t\treturn l, atEnd(d, body)\n", New: "\tcase found:\n\t\treturn l, nil\n\tcase err != nil:\n\t\treturn l, err\n"},
		{Breaks: "a list that takes long is never read to its end", File: iiq + "resources.go", Old: "> sweepAge+time.Duration(at.Pages)*pageTime", New: "> sweepAge"},
		{Breaks: "a window whose first row can't be read is not audited", File: iiq + "events.go", Old: "number <= tries && errors.As(", New: "number <= 1 && errors.As("},
	}
}
