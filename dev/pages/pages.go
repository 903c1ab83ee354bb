// Package pages holds the project's Markdown against what it names: files and headings
// that links point to, targets of make, commands and flags of the programs, tests.
//
// It knows nothing of the programs: the tests ask them for their help.
package pages

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is what the tests look at of a Markdown file.
type Page struct {
	Anchors []string // of its headings, as GitHub makes them
	Links   []string // destinations
	Code    []string // spans, and lines of shell blocks
}

// Read parses a Markdown file.
func Read(source []byte) Page {
	var p Page
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	// The walk fails only if the function does.
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.Anchors = append(p.Anchors, anchor(plain(n, source), p.Anchors))
		case *ast.Link:
			p.Links = append(p.Links, string(n.Destination))
		case *ast.CodeSpan:
			p.Code = append(p.Code, strings.Join(strings.Fields(plain(n, source)), " "))
		case *ast.FencedCodeBlock:
			if language := string(n.Language(source)); language == "sh" || language == "" {
				p.Code = append(p.Code, lines(n.Lines(), source)...)
			}
		case *ast.CodeBlock:
			p.Code = append(p.Code, lines(n.Lines(), source)...)
		}
		return ast.WalkContinue, nil
	})
	return p
}

// plain returns the text of a node without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(c.Segment.Value(source))
			if c.SoftLineBreak() {
				b.WriteByte(' ')
			}
		default:
			b.WriteString(plain(c, source))
		}
	}
	return b.String()
}

// anchor is the id that GitHub gives a heading on a page that has some already.
func anchor(heading string, taken []string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
	for i, unique := 1, id; ; i++ {
		if !slices.Contains(taken, unique) {
			return unique
		}
		unique = fmt.Sprintf("%s-%d", id, i)
	}
}

// comment is the rest of a shell line.
var comment = regexp.MustCompile(`(^|\s)#.*$`)

// lines returns the commands of a shell block; a backslash continues one.
func lines(segments *text.Segments, source []byte) []string {
	all := strings.ReplaceAll(string(segments.Value(source)), "\\\n", " ")
	var commands []string
	for line := range strings.Lines(all) {
		for command := range strings.SplitSeq(comment.ReplaceAllString(strings.TrimSpace(line), ""), "&&") {
			if command = strings.TrimSpace(command); command != "" {
				commands = append(commands, command)
			}
		}
	}
	return commands
}

var (
	assignment = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	word       = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// Call is a command line of a program.
type Call struct {
	Program string
	Words   []string // the plain words after it, up to the first that is not one
	Flags   []string // with their dashes, without their values
}

// Parse splits a command line. A setting before the program is not part of it.
func Parse(command string) Call {
	words := strings.Fields(command)
	for len(words) > 0 && assignment.MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return Call{}
	}
	call := Call{Program: strings.TrimPrefix(words[0], "./")}
	plain := true
	for _, w := range words[1:] {
		w = strings.Trim(w, "[],")
		if w == "|" || w == ">" || w == ";" {
			break
		}
		if plain = plain && word.MatchString(w); plain {
			call.Words = append(call.Words, w)
		}
		if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") {
			call.Flags = append(call.Flags, flag)
		}
	}
	return call
}
