package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const registry = "internal/app/registry.go"

// Only the registry names a source. Everything else of these rooms serves any of them.
func TestOnlyTheRegistryNamesASource(t *testing.T) {
	name := sourceNames(t)
	root := os.DirFS(filepath.Join("..", ".."))
	files := 0
	for _, room := range []string{"internal/app", "internal/cli", "internal/functions", "internal/source", "internal/lib/check", "cmd/handler", "cmd/idnsentinel"} {
		err := fs.WalkDir(root, room, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path.Dir(file) == "internal/source":
				return fs.SkipDir // the sources themselves
			case d.IsDir(), !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
				return nil
			}
			files++
			text, err := fs.ReadFile(root, file)
			if err != nil {
				return err
			}
			found := mentions(t, file, string(text), name)
			if (len(found) > 0) != (file == registry) {
				t.Errorf("names of sources in %s, which only %s may have: %q", file, registry, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 30 {
		t.Errorf("only %d files were looked at", files)
	}
}

// What the test above looks for it also finds.
func TestMentionsOfASourceAreFound(t *testing.T) {
	name := sourceNames(t)
	for text, want := range map[string][]string{
		`import "github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"`:    {"import internal/source/sailpoint"},
		`import s "github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"`: {"import internal/source/sourcetest"},
		`import "github.com/idn-sentinel/idn-sentinel/internal/source"`:              nil,
		`const prefix = "SailPointIDN_"`:                                             {`"SailPointIDN_"`},
		"const help = `brings what\nIdentityNow has`":                                {"`brings what\nIdentityNow has`"},
		`const host = "acme.identitynow.com"`:                                        {`"acme.identitynow.com"`},
		`var client struct{ SailPoint int }`:                                         {"SailPoint"},
		`var a = b.newSailpoint`:                                                     {"newSailpoint"},
		"// as SailPoint wrote it\nvar a int":                                        {"// as SailPoint wrote it"},
		`var a = "idnsentinel check"`:                                                nil,
	} {
		if diff := cmp.Diff(want, mentions(t, "x.go", "package x\n"+text, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// sourceNames matches what the sources are called: their folders, and what people say.
func sourceNames(t *testing.T) *regexp.Regexp {
	t.Helper()
	names := []string{"identity ?now", "identity ?iq", `\bidn_`, `\biiq`}
	folders, err := os.ReadDir(filepath.Join("..", "source"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		// The inbox is how pushes of any service are read.
		if f.IsDir() && !strings.HasSuffix(f.Name(), "test") && f.Name() != "inbox" {
			names = append(names, f.Name())
		}
	}
	if !slices.Contains(names, "sailpoint") {
		t.Fatalf("the folders of the sources are not where they were: %q", names)
	}
	return regexp.MustCompile("(?i)" + strings.Join(names, "|"))
}

// mentions are the imports, identifiers, literals and comments of a file that name a source.
func mentions(t *testing.T, file, text string, name *regexp.Regexp) (found []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/idn-sentinel/idn-sentinel/"
	note := func(text string) {
		if name.MatchString(text) {
			found = append(found, text)
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			if of := strings.TrimPrefix(strings.Trim(n.Path.Value, `"`), module); strings.HasPrefix(of, "internal/source/") {
				found = append(found, "import "+of)
			}
			return false
		case *ast.BasicLit:
			note(n.Value)
		case *ast.Ident:
			note(n.Name)
		case *ast.Comment:
			note(n.Text)
		}
		return true
	})
	for _, group := range parsed.Comments { // those that belong to no declaration
		if parsed.Doc != group {
			for _, c := range group.List {
				if name.MatchString(c.Text) && !slices.Contains(found, c.Text) {
					found = append(found, c.Text)
				}
			}
		}
	}
	return found
}
