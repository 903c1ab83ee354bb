package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
)

// pkg is what go list says of a package.
type pkg struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	ImportMap               map[string]string
}

// listed are the packages of all defects and what they import, by import path.
func listed(t *testing.T, root string) map[string]pkg {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,ImportMap"}
	dirs := map[string]bool{}
	for _, m := range mutants() {
		dirs["./"+filepath.Dir(m.File)] = true
	}
	for dir := range dirs {
		args = append(args, dir)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// Every defect still fits the code, and compiles with it in. That takes types and no build.
func TestEveryDefectApplies(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	all := listed(t, root)
	exports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(all[path].Export)
	})
	for _, m := range mutants() {
		t.Run(m.Breaks, func(t *testing.T) {
			if tests, _ := filepath.Glob(filepath.Join(root, filepath.Dir(m.File), "*_test.go")); len(tests) == 0 && len(m.Tests) == 0 {
				t.Error("its package has no tests, and none are named")
			}
			text, err := m.apply(root)
			if err != nil {
				t.Fatalf("%s: %v", m.File, err)
			}
			for _, p := range all {
				if p.Dir == filepath.Join(root, filepath.Dir(m.File)) {
					compile(t, p, filepath.Base(m.File), text, exports)
					return
				}
			}
			t.Fatalf("no package has %s", m.File)
		})
	}
}

// compile checks the types of a package, one file of which is replaced.
func compile(t *testing.T, p pkg, name string, text []byte, exports types.Importer) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	found := false
	for _, f := range p.GoFiles {
		var src any
		if f == name {
			src, found = text, true
		}
		parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), src, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, parsed)
	}
	if !found {
		t.Fatalf("%s is not built here", name)
	}
	if _, err := (&types.Config{Importer: exports}).Check(p.ImportPath, fset, files, nil); err != nil {
		t.Error(err)
	}
}

// The table can be read by itself.
func TestDefectsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range mutants() {
		if m.Breaks == "" || m.Old == m.New || seen[m.Breaks] {
			t.Errorf("%q of %s: no words, nothing changed, or told twice", m.Breaks, m.File)
		}
		seen[m.Breaks] = true
	}
	if n := len(seen); n < 30 || n > 320 {
		t.Errorf("%d defects: a short list is meant", n)
	}
}
