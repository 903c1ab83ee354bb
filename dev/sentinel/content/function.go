package content

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Function is a saved function: a .kql file whose head holds comment lines
// "// key: value". The key function is required:
//
//	// function: SailPointIDNEvents(starttime: datetime = datetime(null))
//	// title: what a list of functions shows
//	// category: the group in that list
type Function struct {
	Name   string            `json:"name"`
	Params string            `json:"params"` // as they are declared
	Body   string            `json:"body"`   // the whole file: the head is comments
	Head   map[string]string `json:"-"`
	File   string            `json:"-"` // path
}

var (
	headLine  = regexp.MustCompile(`^// ?([a-z_]+): (.*)$`)
	signature = regexp.MustCompile(`^(\w+)\((.*)\)$`)
)

// ParseFunction reads the text of a function's file.
func ParseFunction(text string) (Function, error) {
	f := Function{Body: text, Head: map[string]string{}}
	for line := range strings.Lines(text) {
		m := headLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m != nil {
			f.Head[m[1]] = m[2]
		} else if !strings.HasPrefix(line, "//") {
			break
		}
	}
	m := signature.FindStringSubmatch(f.Head["function"])
	if m == nil {
		return f, fmt.Errorf("no line \"// function: Name(parameters)\" in the head, but %q", f.Head["function"])
	}
	f.Name, f.Params = m[1], m[2]
	return f, nil
}

// Functions reads the saved functions of folders, sorted by file name within each.
func Functions(folders ...string) ([]Function, error) {
	var all []Function
	for _, folder := range folders {
		paths, err := files(folder, ".kql")
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				return nil, err
			}
			f, err := ParseFunction(string(text))
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", p, err)
			}
			f.File = p
			all = append(all, f)
		}
	}
	return all, nil
}

// Calls lists those functions that a query names, in the order of the list.
func Calls(query string, functions []Function) []string {
	words := map[string]bool{}
	for line := range strings.Lines(query) {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			for _, w := range word.FindAllString(line, -1) {
				words[w] = true
			}
		}
	}
	var names []string
	for _, f := range functions {
		if words[f.Name] {
			names = append(names, f.Name)
		}
	}
	return names
}

var word = regexp.MustCompile(`[A-Za-z_]\w*`)
