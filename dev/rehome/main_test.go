package main

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

const root = "../.."

// checkAddresses holds everything that a click or a deployment follows to the
// repository that go.mod names.
func checkAddresses(t *testing.T, dir string) {
	t.Helper()
	mod := content(t, dir, "go.mod")
	m := modulePath.FindStringSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod names no repository")
	}
	repo := m[1] + "/" + m[2]
	template, err := deploy.Read(filepath.Join(dir, "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	tag, _ := template.Parameters["packageVersion"].DefaultValue.(string)
	raw := "https://raw.githubusercontent.com/" + repo + "/" + tag + "/"
	button := "/#create/Microsoft.Template/uri/" + url.QueryEscape(raw+"azuredeploy.json") + "/createUIDefinitionUri/" + url.QueryEscape(raw+"createUiDefinition.json")
	for _, page := range []string{"README.md", "docs/deploy.md"} {
		text := content(t, dir, page)
		for _, portal := range []string{"https://portal.azure.com", "https://portal.azure.us"} {
			if !strings.Contains(text, "("+portal+button+")") {
				t.Errorf("%s lacks the button %s", page, portal+button)
			}
		}
		if other := strings.Count(text, "#create/Microsoft.Template"); other != 2 {
			t.Errorf("%s has %d buttons, want 2", page, other)
		}
	}
	want := "https://github.com/" + repo + "/releases/download/{0}/released-package{1}.zip"
	if got := template.Parameters["packageUrl"].DefaultValue.(string); !strings.Contains(got, "'"+want+"'") {
		t.Errorf("the package's address is %s, want %s", got, want)
	}
	for _, name := range []string{"azuredeploy.json", "createUiDefinition.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("the buttons point to %s: %v", name, err)
		}
	}
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAddresses(t *testing.T) { checkAddresses(t, root) }

// TestRehome moves a copy of the project, in which every import is found after
// that, and which names the old repository nowhere.
func TestRehome(t *testing.T) {
	dir := t.TempDir()
	// What is tracked, or will be: not the checkout's build outputs.
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if os.IsNotExist(err) || err == nil && !info.Mode().IsRegular() { // deleted and not yet committed, or a link
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := modulePath.FindStringSubmatch(content(t, root, "go.mod"))
	var told bytes.Buffer
	if err := run(dir, "Acme-Corp/sail.point", &told); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told.String(), "is Acme-Corp/sail.point now") {
		t.Errorf("it says %q", told.String())
	}
	checkAddresses(t, dir)
	grep := exec.CommandContext(t.Context(), "grep", "-rIlE", `github(usercontent)?\.com(/|%2F)`+old[1]+`(/|%2F)`+old[2]+`([^-_[:alnum:]]|$)`, dir)
	if left, _ := grep.Output(); len(left) > 0 {
		t.Errorf("the old repository is still named in\n%s", left)
	}
	// Every import is found under the new path, without a download: nothing was left behind.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{.Path}}{{end}}{{end}}", "./cmd/handler")
	cmd.Dir = dir
	modules, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, modules)
	}
	if n := strings.Count(string(modules), "github.com/Acme-Corp/sail.point\n"); n < 10 {
		t.Errorf("the handler has %d packages of the new module:\n%s", n, modules)
	}
}

// What only looks like the address stays, and so does everything that is none.
func TestWhatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]string{
		"see github.com/a/b.":     "see github.com/x/y.",
		"github.com/a/b/releases": "github.com/x/y/releases",
		"github.com/a/b-linux":    "github.com/a/b-linux",
		"github.com/a/bee":        "github.com/a/bee",
		"github.com/a/b_c":        "github.com/a/b_c",
		"https%3A%2F%2Fraw.githubusercontent.com%2Fa%2Fb%2Fmain": "https%3A%2F%2Fraw.githubusercontent.com%2Fx%2Fy%2Fmain",
		"gitlab.com/a/b":     "gitlab.com/a/b",
		"a/b":                "a/b",
		"github.com/a/b":     "github.com/x/y",
		"\x00github.com/a/b": "\x00github.com/a/b",
	}
	for before, after := range cases {
		write("go.mod", "module github.com/a/b\n")
		write("file", before)
		write("node_modules/file", "github.com/a/b")
		if err := run(dir, "x/y", io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := content(t, dir, "file"); got != after {
			t.Errorf("%q becomes %q, want %q", before, got, after)
		}
		if got := content(t, dir, "node_modules/file"); got != "github.com/a/b" {
			t.Error("a package of others was changed")
		}
	}
	for _, repo := range []string{"", "x", "x/y/z", "-x/y", "x/y z", "https://github.com/x/y"} {
		if err := run(dir, repo, io.Discard); err == nil {
			t.Errorf("%q is taken for a repository", repo)
		}
	}
}
