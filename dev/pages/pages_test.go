package pages_test

import (
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/pages"
	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

const root = "../.."

// all returns the project's pages by their path below the root.
func all(t *testing.T) map[string]pages.Page {
	t.Helper()
	found := map[string]pages.Page{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "dist", ".local", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".md"):
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		found[filepath.ToSlash(rel)] = pages.Read(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 30 {
		t.Fatalf("%d pages", len(found))
	}
	return found
}

// Every link within the project leads to a file, and to a heading if it names one.
func TestLinks(t *testing.T) {
	found := all(t)
	checked := 0
	for name, page := range found {
		for _, link := range page.Links {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			checked++
			target := name
			if u.Path != "" {
				target = path.Join(path.Dir(name), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s: there is no %s", name, link, target)
				continue
			}
			if u.Fragment == "" {
				continue
			}
			if to, ok := found[target]; !ok || !slices.Contains(to.Anchors, u.Fragment) {
				t.Errorf("%s: %s: %s has no heading #%s", name, link, target, u.Fragment)
			}
		}
	}
	if checked < 100 {
		t.Errorf("%d links were followed", checked)
	}
}

// Every target of make that a page names exists.
func TestTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, page := range all(t) {
		for _, code := range page.Code {
			call := pages.Parse(code)
			if call.Program != "make" {
				continue
			}
			for _, target := range call.Words {
				checked++
				if !bytes.Contains(makefile, []byte("\n"+target+":")) {
					t.Errorf("%s: %q: make has no target %s", name, code, target)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d targets were looked up", checked)
	}
}

// program answers for its help, and remembers the answers.
type program struct {
	run   func(args ...string) string
	helps map[string]string
}

func (p *program) help(words ...string) string {
	key := strings.Join(words, " ")
	if _, ok := p.helps[key]; !ok {
		p.helps[key] = p.run(append(slices.Clone(words), "--help")...)
	}
	return p.helps[key]
}

// path returns how many of the words are commands, each below the one before.
func (p *program) path(words []string) int {
	for i, w := range words {
		if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(w) || !regexp.MustCompile(`(?m)^  `+w+` +[A-Z]`).MatchString(p.help(words[:i]...)) {
			return i
		}
	}
	return len(words)
}

func (p *program) has(flag string, words ...string) bool {
	return regexp.MustCompile(flag + `(\s|$|=)`).MatchString(p.help(words...))
}

func programs(t *testing.T) map[string]*program {
	t.Helper()
	sandbox := filepath.Join(t.TempDir(), "sandbox")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", sandbox, "./cmd/sandbox")
	build.Dir = root
	if msg, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, msg)
	}
	return map[string]*program{
		"idnsentinel": {helps: map[string]string{}, run: func(args ...string) string {
			var out bytes.Buffer
			cli.Run(t.Context(), cli.Process{Args: args, Out: &out, Err: &out})
			return out.String()
		}},
		"sandbox": {helps: map[string]string{}, run: func(args ...string) string {
			out, _ := exec.CommandContext(t.Context(), sandbox, args...).CombinedOutput()
			return string(out)
		}},
	}
}

// Every command and flag of idnsentinel and sandbox that a page names exists. A span may
// leave out the program: `audit --repair`, `quarantine resend`, `--repair`.
func TestCommands(t *testing.T) {
	known := programs(t)
	checked := 0
	for name, page := range all(t) {
		for _, code := range page.Code {
			call := pages.Parse(code)
			p := known[call.Program]
			if p == nil && !strings.Contains(code, "/") {
				p = known["idnsentinel"]
				if p.path([]string{call.Program}) == 0 {
					continue
				}
				call.Words = slices.Insert(call.Words, 0, call.Program)
			}
			if p == nil {
				continue
			}
			checked++
			depth := p.path(call.Words)
			command := call.Words[:depth]
			if len(call.Words) > 0 && depth == 0 || depth < len(call.Words) && strings.Contains(p.help(command...), "Available Commands") {
				t.Errorf("%s: %q: there is no command %s", name, code, call.Words[depth])
			}
			for _, flag := range call.Flags {
				if !p.has(flag, command...) {
					t.Errorf("%s: %q: %s has no flag %s", name, code, strings.Join(command, " "), flag)
				}
			}
		}
	}
	if checked < 60 {
		t.Errorf("%d commands were looked up", checked)
	}
}

// A page that names a test by package and pattern names one that exists.
func TestTests(t *testing.T) {
	checked := 0
	for name, page := range all(t) {
		for _, code := range page.Code {
			if !strings.HasPrefix(code, "go test ") && !strings.Contains(code, " go test ") {
				continue
			}
			var pattern string
			var folder string
			words := strings.Fields(code)
			for i, w := range words {
				switch {
				case w == "-run" && i+1 < len(words):
					pattern = strings.Trim(words[i+1], "'")
				case strings.HasPrefix(w, "./"):
					folder = strings.TrimSuffix(strings.TrimSuffix(w, "..."), "/")
				}
			}
			if folder == "" {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
				t.Errorf("%s: %q: there is no %s", name, code, folder)
			}
			if pattern != "" && !slices.ContainsFunc(tests(t, folder), regexp.MustCompile(pattern).MatchString) {
				t.Errorf("%s: %q: no test of %s is called that", name, code, folder)
			}
		}
	}
	if checked < 10 {
		t.Errorf("%d calls of go test were looked up", checked)
	}
}

// tests lists the tests in and below a folder.
func tests(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := os.ReadFile(name)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(data, -1) {
			names = append(names, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRead(t *testing.T) {
	const page = "# The `code`, and *more*!\n\n## Same\n\n## Same\n\nSee [a](b.md#c) and `make\n  x`.\n\n" +
		"| t |\n|---|\n| [d](e.md) |\n\n```sh\n# only a comment\na --b   # why\nc \\\n  --d && e\n```\n\n```kusto\nf\n```\n\n    g h\n"
	want := pages.Page{
		Anchors: []string{"the-code-and-more", "same", "same-1"},
		Links:   []string{"b.md#c", "e.md"},
		Code:    []string{"code", "make x", "a --b", "c    --d", "e", "g h"},
	}
	if diff := cmp.Diff(want, pages.Read([]byte(page))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	for command, want := range map[string]pages.Call{
		"./idnsentinel audit accept --from=-6h --all": {Program: "idnsentinel", Words: []string{"audit", "accept"}, Flags: []string{"--from", "--all"}},
		"A=b C=d make race lint FUZZTIME=1s":          {Program: "make", Words: []string{"race", "lint"}},
		"sandbox serve | sh --x":                      {Program: "sandbox", Words: []string{"serve"}},
		"A=b":                                         {},
	} {
		if diff := cmp.Diff(want, pages.Parse(command)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
}
