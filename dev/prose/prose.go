// Package prose checks the English of everything that a user or a contributor
// reads: string literals and comments of shipped Go, the texts of the templates
// and of the Sentinel content, and the Markdown pages.
//
// It finds two things: idioms that make a native reader stop ([Idioms]), and
// Markdown lines that hold more or less than one sentence ([Lines]). It doesn't
// judge style beyond that.
//
// A false alarm gets an entry in [allowed], with a reason, never a reworded test.
package prose

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Finding is one place that needs a rewrite.
type Finding struct {
	Line int
	Text string // the words found
	Hint string // what to write instead
}

func (f Finding) String() string { return fmt.Sprintf("%d: %q: %s", f.Line, f.Text, f.Hint) }

type idiom struct {
	pattern *regexp.Regexp
	hint    string
}

func word(pattern, hint string) idiom {
	return idiom{regexp.MustCompile(`(?i)\b(` + pattern + `)\b`), hint}
}

// idioms is the strike list.
func idioms() []idiom {
	return []idiom{
		word(`behind`, `write "after", "past" or "later than"`),
		word(`mend|mends|mended|mending`, `write "fix" or "repair"`),
		word(`tell|tells|told|telling`, `write "report", "show", "say" or "distinguish"`),
		word(`(is|are|was|were|be) no`, `write "is not a …" or "has no …"`),
		word(`nobody|anybody|somebody|whoever`, `name who, or write "no one", "anyone who"`),
		word(`(puts?|putting) (it |them |that )?right`, `write "fix" or "repair"`),
		word(`at the (most|least)`, `write "at most" or "at least"`),
		word(`(go|goes|went|going|gone) on`, `write "continue"`),
		word(`on (its|their) way`, `write "in flight" or "being sent"`),
		word(`(let|lets|letting) go of`, `write "delete", "drop" or "release"`),
		word(`(slow|fast|bad|broken|poor|weak) lines?`, `write "connection"`),
		word(`(is|are|was) (that|those) of`, `write "belongs to"`),
		word(`(stays?|remains?) so`, `write "if this persists"`),
		word(`anyhow`, `write "anyway"`),
		word(`wants`, `write "needs" or "requires"`),
		word(`one's own`, `write "your" or "its own"`),
		word(`in vain`, `write "without success"`),
		word(`for the sake of`, `write "for"`),
		word(`(as far as|so far as|than) (one|we|it) can tell`, `say what is known`),
	}
}

// allowed are uses of the words above that a native writer would keep. They are
// removed before the search.
func allowed() []*regexp.Regexp {
	return []*regexp.Regexp{
		// A machine stands behind a proxy.
		regexp.MustCompile(`(?i)\bbehind (an?|the|this|your|its|such an?|the same|corporate) ?([\w-]+ ){0,2}(proxy|proxies|firewall|gateway|balancer)\b`),
		// Progress is slower than arrival.
		regexp.MustCompile(`(?i)\b(fall|falls|fell|fallen|falling|lag|lags|lagging) ([\w-]+ ){0,2}behind\b`),
		// A clock is behind another one.
		regexp.MustCompile(`^behind$|%v behind %s`),
		// The resource name of an alert rule stays what it is in deployments that exist.
		regexp.MustCompile(`"name": "behind"`),
		// Negation of existence and comparison, not of a noun.
		regexp.MustCompile(`(?i)\b(there (is|are|was|were)|there can be|(is|are|was|were) there|there will be) no\b`),
		regexp.MustCompile(`(?i)\b(is|are|was|were|be) no (longer|more|less|fewer|later|earlier|older|newer|larger|smaller|shorter|faster|slower|better|worse|different)\b`),
	}
}

// Idioms returns what of the strike list text contains; first is the number of
// its first line.
func Idioms(text string, first int) []Finding {
	blank := func(s string) string { // keeps the line breaks, so that lines count
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return '_'
		}, s)
	}
	for _, a := range allowed() {
		text = a.ReplaceAllStringFunc(text, blank)
	}
	at := map[int]Finding{}
	for _, i := range idioms() {
		for _, m := range i.pattern.FindAllStringIndex(text, -1) {
			at[m[0]] = Finding{first + strings.Count(text[:m[0]], "\n"), text[m[0]:m[1]], i.hint}
		}
	}
	var found []Finding
	for _, begin := range slices.Sorted(maps.Keys(at)) {
		found = append(found, at[begin])
	}
	return found
}

// Literals returns the findings in the string literals of a Go file. A text
// that is put together from several literals is read as one. Import paths and
// struct tags are not texts.
func Literals(name string, src []byte) ([]Finding, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []Finding
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.BinaryExpr:
			if text, ok := constant(n); ok {
				found = append(found, Idioms(text, files.Position(n.Pos()).Line)...)
				return false
			}
		case *ast.BasicLit:
			if text, ok := constant(n); ok {
				found = append(found, Idioms(text, files.Position(n.Pos()).Line)...)
			}
		}
		return true
	})
	return found, nil
}

// constant is the value of an expression of string literals and +.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, ok := constant(e.X)
		if !ok {
			return "", false
		}
		right, ok := constant(e.Y)
		return left + right, ok
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}

// Comments returns the findings in the comments of a Go file.
func Comments(name string, src []byte) ([]Finding, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, group := range file.Comments {
		var text strings.Builder
		for _, c := range group.List {
			text.WriteString(strings.TrimPrefix(c.Text, "//") + "\n")
		}
		// An idiom may be broken over two lines.
		found = append(found, Idioms(unwrap(text.String()), files.Position(group.Pos()).Line)...)
	}
	return found, nil
}

// unwrap swaps each line break inside a sentence for the space before it, so
// that "is\nno GUID" is found, on the line where it begins.
func unwrap(s string) string {
	return regexp.MustCompile(`(\w+)\n ?(\w+)`).ReplaceAllString(s, "$1 $2\n")
}
