package kqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/nodetools"
)

// Function is a saved function: a .kql file whose head holds comment lines
// "// key: value". The key function is required:
//
//	// function: SailPointIDNEvents(starttime: datetime = datetime(null))
//	// title: what a list of functions shows
//	// category: the group in that list
type Function struct {
	Name   string            `json:"name"`
	Params string            `json:"params"`
	Body   string            `json:"body"`
	Head   map[string]string `json:"-"`
	File   string            `json:"-"`
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

// Root returns the path of a file or folder of the project.
func Root(tb testing.TB, path ...string) string {
	tb.Helper()
	root, err := nodetools.Root()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(append([]string{root}, path...)...)
}

// Functions returns the saved functions of the given folders.
func Functions(tb testing.TB, folders ...string) []Function {
	tb.Helper()
	var all []Function
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.kql"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				tb.Fatal(err)
			}
			f, err := ParseFunction(string(text))
			if err != nil {
				tb.Fatalf("%s: %v", p, err)
			}
			f.File = p
			all = append(all, f)
		}
	}
	return all
}

// Schemas returns the tables of sentinel/schemas/<name>.json together. It fails
// the test if two of them declare one table.
func Schemas(tb testing.TB, names ...string) map[string]jsontext.Value {
	tb.Helper()
	tables := map[string]jsontext.Value{}
	for _, n := range names {
		text, err := os.ReadFile(Root(tb, "sentinel", "schemas", n+".json"))
		if err != nil {
			tb.Fatal(err)
		}
		var file map[string]jsontext.Value
		if err := json.Unmarshal(text, &file); err != nil {
			tb.Fatalf("schema %s: %v", n, err)
		}
		for table, columns := range file {
			if _, ok := tables[table]; ok {
				tb.Fatalf("schema %s: table %s is declared twice", n, table)
			}
			tables[table] = columns
		}
	}
	return tables
}

// Columns returns the declared columns of a table, in order.
func (w *Workspace) Columns(tb testing.TB, table string) []Column {
	tb.Helper()
	var cols []Column
	dec := jsontext.NewDecoder(strings.NewReader(string(w.Tables[table])))
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return cols
		}
		if tok.Kind() == '"' {
			name := tok.String()
			typ, err := dec.ReadToken()
			if err != nil {
				tb.Fatal(err)
			}
			cols = append(cols, Column{Name: name, Type: typ.String()})
		}
	}
}

// Load returns a workspace with the project's functions and the tables of the
// named schemas.
func Load(tb testing.TB, schemas ...string) *Workspace {
	tb.Helper()
	return &Workspace{
		Tables:    Schemas(tb, schemas...),
		Functions: Functions(tb, Root(tb, "sentinel", "parsers"), Root(tb, "sentinel", "asim")),
	}
}
