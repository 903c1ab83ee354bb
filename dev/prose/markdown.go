package prose

import (
	"regexp"
	"strings"
)

var (
	listItem  = regexp.MustCompile(`^\s*(?:[-*+]|\d+\.)\s+`)
	codeSpan  = regexp.MustCompile("`[^`]+`")
	linkURL   = regexp.MustCompile(`\]\([^)]*\)`)
	wordAbove = regexp.MustCompile(`\S+$`)

	// boundary is the end of a sentence and the begin of the next in one line.
	boundary = regexp.MustCompile(`[.!?][)\]"'*_` + "`" + `]*\s+[(\["'*_]*[A-Z0-9` + "`" + `]`)
	// ended is the end of a line after which the paragraph may continue.
	ended = regexp.MustCompile(`(?:[.!?:][)\]"'*_` + "`" + `]*|\\|<br>)$`)
	badge = regexp.MustCompile(`^\[!\[`)
)

// abbreviations end in a full stop that ends no sentence.
const abbreviations = " e.g. i.e. etc. vs. cf. approx. incl. no. nos. min. max. "

// Lines returns the lines of a Markdown page that hold more than one sentence,
// or end before their sentence does. Code, tables, headings, comments and HTML
// are not prose.
func Lines(page string) []Finding {
	var found []Finding
	fenced, commented := false, false
	open := "" // the line before, if its paragraph may continue here
	for i, line := range strings.Split(page, "\n") {
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), ">"))
		switch {
		case strings.HasPrefix(text, "```"):
			fenced, open = !fenced, ""
			continue
		case fenced, commented:
			commented = commented && !strings.Contains(text, "-->")
			continue
		case strings.HasPrefix(text, "<!--"):
			commented, open = !strings.Contains(text, "-->"), ""
			continue
		case text == "", strings.HasPrefix(text, "|"), strings.HasPrefix(text, "#"), strings.HasPrefix(text, "<"), strings.HasPrefix(text, "---"):
			open = ""
			continue
		}
		if item := listItem.FindString(line); item != "" {
			text, open = strings.TrimSpace(line[len(item):]), ""
		}
		text = linkURL.ReplaceAllString(codeSpan.ReplaceAllString(text, "`x`"), "]")
		if open != "" && !ended.MatchString(open) && !badge.MatchString(open) {
			found = append(found, Finding{i, open, "the sentence continues on the next line: one sentence a line"})
		}
		if at := second(text); at > 0 {
			found = append(found, Finding{i + 1, text[max(0, at-20):min(len(text), at+20)], "two sentences in one line"})
		}
		open = text
	}
	return found
}

// Sentences splits a text without code or links, for a page that is generated.
func Sentences(text string) []string {
	var all []string
	for {
		at := second(text)
		if at == 0 {
			return append(all, text)
		}
		head := strings.TrimRight(text[:at], "([\"'*_")
		all, text = append(all, strings.TrimSpace(head)), text[len(head):]
	}
}

// second is where the second sentence of a line begins, or 0.
func second(text string) int {
	for _, at := range boundary.FindAllStringIndex(text, -1) {
		last := strings.ToLower(strings.Trim(wordAbove.FindString(text[:at[0]+1]), `(["'*_`))
		if !strings.Contains(abbreviations, " "+last+" ") {
			return at[1] - 1
		}
	}
	return 0
}

// Unreleased is the part of a changelog that may still change.
func Unreleased(page string) string {
	_, rest, ok := strings.Cut(page, "\n## Unreleased")
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}
