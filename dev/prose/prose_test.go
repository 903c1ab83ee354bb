package prose_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/prose"
)

const root = "../.."

// kind is a way to look at a file.
type kind struct {
	name string
	in   []string // folders, or single files
	ext  string
	find func(name, text string) ([]prose.Finding, error)
}

func kinds() []kind {
	shipped := []string{"cmd", "internal", "dev/sandbox"}
	texts := func(_, text string) ([]prose.Finding, error) { return prose.Idioms(text, 1), nil }
	return []kind{
		{"texts", shipped, ".go", func(name, text string) ([]prose.Finding, error) { return prose.Literals(name, []byte(text)) }},
		{"comments", shipped[:2], ".go", func(name, text string) ([]prose.Finding, error) { return prose.Comments(name, []byte(text)) }},
		{"content", []string{"sentinel/Analytic Rules", "sentinel/Hunting Queries", "sentinel/asim", "sentinel/parsers"}, ".yaml", texts},
		{"content", []string{"azuredeploy.json", "createUiDefinition.json", "sentinel/Workbooks", "sentinel/CustomTables", "sentinel/Data Connectors", "sentinel/Data"}, ".json", texts},
		{"content", []string{"Makefile"}, "", texts},
		{"pages", []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", "sentinel/README.md"}, ".md", page},
	}
}

func page(name, text string) ([]prose.Finding, error) {
	if path.Base(name) == "CHANGELOG.md" {
		text = prose.Unreleased(text)
	}
	return slices.Concat(prose.Idioms(text, 1), prose.Lines(text)), nil
}

// TestProse holds the strike list over everything that ships and every page,
// and one sentence a line in Markdown.
//
// testdata/todo.txt lists what still has findings: a package of Go for its
// texts or comments, else a file. It only shrinks: an entry without findings
// fails too.
func TestProse(t *testing.T) {
	todo := map[string]bool{} // whether it has findings
	list, err := os.ReadFile("testdata/todo.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		todo[strings.TrimSpace(line)] = false
	}
	read := 0
	for _, k := range kinds() {
		for _, name := range files(t, k) {
			data, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			found, err := k.find(name, string(data))
			if err != nil {
				t.Fatal(err)
			}
			read++
			entry := k.name + " " + name
			if k.ext == ".go" {
				entry = k.name + " " + path.Dir(name)
			}
			_, open := todo[entry]
			for _, f := range found {
				if open {
					todo[entry] = true
					t.Logf("to do: %s: %s:%s", k.name, name, f)
				} else {
					t.Errorf("%s: %s:%s", k.name, name, f)
				}
			}
		}
	}
	for entry, found := range todo {
		if !found {
			t.Errorf("testdata/todo.txt: nothing is left to do for %q: remove the entry", entry)
		}
	}
	if read < 200 {
		t.Errorf("%d files were read: the folders have moved", read)
	}
}

func files(t *testing.T, k kind) []string {
	t.Helper()
	var names []string
	for _, dir := range k.in {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err = filepath.Rel(root, name)
			switch {
			case err != nil:
				return err
			case d.IsDir():
				if strings.HasSuffix(d.Name(), "test") && k.ext == ".go" { // a conformance suite
					return filepath.SkipDir
				}
			case strings.HasSuffix(name, "_test.go"):
			case strings.HasSuffix(name, k.ext):
				names = append(names, filepath.ToSlash(name))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestIdioms(t *testing.T) {
	for text, want := range map[string][]string{
		"the checkpoint moves behind a write":                 {"behind"},
		"a host behind a TLS-inspecting proxy":                nil,
		"the stream falls behind and lags far behind":         nil,
		"it is no GUID, and there is no other":                {"is no"},
		"it is no longer read; there are no rows":             nil,
		"Nobody knows; it tells\nof one\nand goes on to mend": {"Nobody", "tells", "goes on", "mend"},
		"untold recommended intelligence":                     nil,
		"12 at the most, on a slow line":                      {"at the most", "slow line"},
	} {
		var got []string
		for _, f := range prose.Idioms(text, 1) {
			got = append(got, f.Text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if f := prose.Idioms("a\nb\nit is behind", 5); len(f) != 1 || f[0].Line != 7 {
		t.Errorf("found %v, want line 7", f)
	}
}

// src has what is looked at and what isn't.
const src = `// Package p is no
// place to go on.
package p

import _ "example.com/behind"

type t struct {
	f int ` + "`json:\"told\"`" + `
}

// An identifier is not a text.
var behind = "it is " +
	"no GUID"

var raw = ` + "`" + `
mend it
` + "`" + `
`

func TestGo(t *testing.T) {
	for name, tc := range map[string]struct {
		find func(string, []byte) ([]prose.Finding, error)
		want []string
	}{
		"texts":    {prose.Literals, []string{"12 is no", "16 mend"}},
		"comments": {prose.Comments, []string{"1 is no", "2 go on"}},
	} {
		found, err := tc.find("p.go", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprint(f.Line, " ", f.Text))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string]int{
		"One sentence.\nAnother one.":                              0,
		"One sentence. Another one.":                               1,
		"One sentence (in brackets). `code` begins the next.":      1,
		"A sentence over\ntwo lines.":                              1,
		"Names, e.g. Go 1.26 or `x. Y`, are not the end.":          0,
		"| a table. Has cells |":                                   0,
		"```\nsome code. More code\n```":                           0,
		"- an item. And more\n- another\n- third":                  1,
		"1. First\n2. Second\n\n# A title. Of two\n\nText.":        0,
		"<!-- generated. By -->\nText: \n\n- a\n- b":               0,
		"> **Note.** A quote.":                                     1,
		"See [a page](x.md#a. B). [Another](y.md) page follows it": 1,
		"<!--\nhidden. Text\n-->\nShown. Text":                     1,
	} {
		if found := prose.Lines(text); len(found) != want {
			t.Errorf("%q: found %v, want %d", text, found, want)
		}
	}
}

func TestSentences(t *testing.T) {
	got := prose.Sentences("It stops (see e.g. Go). \"Why?\" Because 1.2 is out. End")
	if diff := cmp.Diff([]string{"It stops (see e.g. Go).", "\"Why?\"", "Because 1.2 is out.", "End"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnreleased(t *testing.T) {
	const page = "# Changelog\n\n## Unreleased\n\nnew\n\n## 1.0.0\n\nold\n"
	if got := strings.TrimSpace(prose.Unreleased(page)); got != "new" {
		t.Errorf("%q", got)
	}
}
