package kqltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// Function is a saved function, see [content.ParseFunction].
type Function = content.Function

// Root returns the path of a file or folder of the project.
func Root(tb testing.TB, path ...string) string {
	tb.Helper()
	root, err := project.Root()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(append([]string{root}, path...)...)
}

// Functions returns the saved functions of the given folders.
func Functions(tb testing.TB, folders ...string) []Function {
	tb.Helper()
	all, err := content.Functions(folders...)
	if err != nil {
		tb.Fatal(err)
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
