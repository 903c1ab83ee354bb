package deploy_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shipped is what the package holds, of the root.
var shipped = []string{"function", "handler", "hooks", "host.json", "status"}

// Core Tools and VS Code publish the root without what .funcignore lists. They
// read it differently, so its lines are plain names, or with a star.
func TestFuncignore(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, ".funcignore"))
	if err != nil {
		t.Fatal(err)
	}
	patterns := strings.Fields(string(data))
	ignored := func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, name)
			if err != nil {
				t.Fatalf("pattern %s: %v", p, err)
			}
			return ok
		})
	}
	for _, p := range patterns {
		if strings.ContainsAny(p, "!/#[") || strings.Contains(p, "**") {
			t.Errorf("pattern %s is not understood alike by both tools", p)
		}
	}
	// What git tracks, and what the Makefile and people leave behind.
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{".git", ".local", "dist", "idnsentinel", "sandbox", "coverage.out", "coverage.html", "local.settings.json", ".env", "x.test", "node_modules"}
	for file := range strings.Lines(string(list)) {
		first, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		names = append(names, first)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if got, want := ignored(name), !slices.Contains(shipped, name); got != want {
			t.Errorf("%s: left out %v, want %v", name, got, want)
		}
	}
	for _, name := range append([]string{"function.json"}, shipped...) {
		if ignored(name) {
			t.Errorf("%s does not ship", name)
		}
	}
}

// VS Code takes the project for a custom handler, builds it before a deployment,
// and names only tasks that are there.
func TestVSCode(t *testing.T) {
	var settings map[string]any
	readJSON(t, ".vscode/settings.json", &settings)
	var tasks struct {
		Version string           `json:"version"`
		Tasks   []map[string]any `json:"tasks"`
	}
	readJSON(t, ".vscode/tasks.json", &tasks)
	labels := map[string]map[string]any{}
	for _, task := range tasks.Tasks {
		labels[task["label"].(string)] = task
	}
	// Without the first one a go.mod makes the extension guess another kind of app.
	want := map[string]any{"azureFunctions.projectLanguage": "Custom", "azureFunctions.projectRuntime": "~4", "azureFunctions.deploySubpath": "."}
	got := map[string]any{}
	for name := range want {
		got[name] = settings[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	build := labels[settings["azureFunctions.preDeployTask"].(string)]
	env := map[string]any{"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0"}
	if diff := cmp.Diff(env, dig(build, "options", "env")); diff != "" || !strings.HasSuffix(build["command"].(string), "-o handler ./cmd/handler") {
		t.Errorf("the task before a deployment is %v\n%s", build, diff)
	}
	for label, task := range labels {
		if on, ok := task["dependsOn"].(string); ok && labels[on] == nil {
			t.Errorf("task %s depends on %s, which is not there", label, on)
		}
	}
	var launch struct {
		Version        string           `json:"version"`
		Configurations []map[string]any `json:"configurations"`
	}
	readJSON(t, ".vscode/launch.json", &launch)
	for _, c := range launch.Configurations {
		if before, ok := c["preLaunchTask"].(string); ok && labels[before] == nil {
			t.Errorf("launch %s begins with the task %s, which is not there", c["name"], before)
		}
		if program, ok := c["program"].(string); ok {
			if _, err := os.Stat(filepath.Join(root, strings.TrimPrefix(program, "${workspaceFolder}/"))); err != nil {
				t.Errorf("launch %s: %v", c["name"], err)
			}
		}
	}
	var extensions struct {
		Recommendations []string `json:"recommendations"`
	}
	readJSON(t, ".vscode/extensions.json", &extensions)
	for _, needed := range []string{"ms-azuretools.vscode-azurefunctions", "azurite.azurite"} { // a timer needs storage, here as there
		if !slices.Contains(extensions.Recommendations, needed) {
			t.Errorf("the extension %s is not recommended", needed)
		}
	}
}

// The release workflow calls targets that are there, and builds for every
// architecture from a commit that the template names.
func TestReleaseWorkflow(t *testing.T) {
	workflow, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "release.yml"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile(`\bmake (?:-C \S+ )?([a-z]+)(?: ARCHS=(\S+))?`).FindAllStringSubmatch(string(workflow), -1)
	if len(called) < 3 {
		t.Errorf("make is called %d times, want at least 3", len(called))
	}
	for _, m := range called {
		if !strings.Contains(string(makefile), "\n"+m[1]+": ") {
			t.Errorf("make has no target %s", m[1])
		}
		if m[1] == "package" && m[2] != "amd64,arm64" {
			t.Errorf("package is built for %q", m[2])
		}
	}
	version, _ := read(t).Parameters["packageVersion"].DefaultValue.(string)
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(version) || !strings.Contains(string(workflow), `go run ./dev/version -tag "$GITHUB_REF_NAME"`) {
		t.Errorf("the template installs %q, and the workflow has to compare that with the tag", version)
	}
}
