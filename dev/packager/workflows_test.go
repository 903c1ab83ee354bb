package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// workflow is what these tests look at of a GitHub workflow.
type workflow struct {
	On struct {
		Schedule []map[string]string `yaml:"schedule"`
	} `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `yaml:"permissions"`
		Needs       any               `yaml:"needs"`
		Strategy    struct {
			Matrix map[string][]string `yaml:"matrix"`
		} `yaml:"strategy"`
		Steps []struct {
			Uses string         `yaml:"uses"`
			Run  string         `yaml:"run"`
			With map[string]any `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("workflows: %v, %v", paths, err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(data, &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = w
	}
	return all
}

// A tag of an action can be moved to other code; a commit can't.
func TestActionsArePinnedByCommit(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	for name, w := range workflows(t) {
		for job, j := range w.Jobs {
			for _, s := range j.Steps {
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s, job %s: %s is not pinned by commit", name, job, s.Uses)
				}
			}
		}
	}
}

// A job that may write or sign runs nothing that others wrote: no npm, no Go,
// no make, not even a checkout. Every other job can only read, and does not keep
// the token in its work tree.
func TestWhoMayPublishRunsNoForeignCode(t *testing.T) {
	foreign := regexp.MustCompile(`\b(npm|npx|node|go|make|bash|sh) `)
	writers := 0
	for name, w := range workflows(t) {
		for job, j := range w.Jobs {
			rights := j.Permissions
			if rights == nil {
				rights = w.Permissions
			}
			if rights == nil {
				t.Errorf("%s, job %s has the default rights", name, job)
			}
			writes := slices.Contains(slices.Collect(maps.Values(rights)), "write")
			if writes {
				writers++
			}
			for _, s := range j.Steps {
				checkout := strings.HasPrefix(s.Uses, "actions/checkout@")
				switch {
				case writes && (checkout || foreign.MatchString(s.Run)):
					t.Errorf("%s, job %s may write, and runs code: %s%s", name, job, s.Uses, s.Run)
				case checkout && s.With["persist-credentials"] != false:
					t.Errorf("%s, job %s leaves its token in the work tree", name, job)
				}
			}
		}
	}
	if writers != 3 {
		t.Errorf("%d jobs may write, want parts, publish and image", writers)
	}
}

// Every program of a release has a signed list of its parts, and every file a provenance.
func TestReleaseIsAttested(t *testing.T) {
	var programs []string
	for _, variant := range []string{"", "-queue"} {
		for _, arch := range []string{"amd64", "arm64"} {
			programs = append(programs, "idn-sentinel"+variant+"-linux-"+arch)
		}
	}
	for _, s := range everySystem() {
		programs = append(programs, "idnsentinel-"+s.OS+"-"+s.Arch)
	}
	jobs := workflows(t)["release.yml"].Jobs
	if diff := cmp.Diff(programs, jobs["parts"].Strategy.Matrix["program"]); diff != "" {
		t.Errorf("programs of the job parts (-packager +workflow):\n%s", diff)
	}
	attested := map[string]any{}
	for _, job := range []string{"parts", "publish"} {
		for _, s := range jobs[job].Steps {
			if strings.HasPrefix(s.Uses, "actions/attest@") {
				maps.Copy(attested, s.With)
			}
		}
	}
	want := map[string]any{
		"subject-path":      "dist/${{ matrix.program }}.zip\ndist/${{ matrix.program }}.tar.gz\n",
		"sbom-path":         "dist/${{ matrix.program }}.cdx.json",
		"subject-checksums": "dist/SHA256SUMS",
	}
	if diff := cmp.Diff(want, attested); diff != "" {
		t.Errorf("inputs of actions/attest (-want +got):\n%s", diff)
	}
	image := jobs["image"].Steps
	if last := image[len(image)-1]; !strings.HasPrefix(last.Uses, "actions/attest@") || last.With["subject-digest"] != "${{ steps.push.outputs.digest }}" {
		t.Errorf("the image is not attested by the digest that was pushed: %+v", last)
	}
}

// make release-check runs what the workflow runs on its machines.
func TestReleaseCheckPlaysTheWorkflow(t *testing.T) {
	script, err := os.ReadFile("release-check.sh")
	if err != nil {
		t.Fatal(err)
	}
	var steps strings.Builder
	for _, job := range []string{"build", "rebuild", "publish"} {
		for _, s := range workflows(t)["release.yml"].Jobs[job].Steps {
			steps.WriteString(s.Run + "\n")
		}
	}
	for _, command := range []string{"go run ./dev/version -tag", " release", "diff ", "sha256sum -c --strict"} {
		if !strings.Contains(steps.String(), command) || !strings.Contains(string(script), command) {
			t.Errorf("%q is not a step of both the workflow and release-check.sh", command)
		}
	}
}

// A release has the templates that its pages tell people to deploy from a file.
func TestReleaseHasTheTemplates(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(text), "\nrelease:")
	_, with, _ := strings.Cut(recipe, "WITH=")
	with, _, _ = strings.Cut(with, "\n")
	got := strings.Split(with, ",")
	for _, name := range []string{"azuredeploy.json", "createUiDefinition.json", "deploy/workspace.json"} {
		if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(name))); err != nil || !slices.Contains(got, name) {
			t.Errorf("make release publishes %q, and not %s: %v", got, name, err)
		}
	}
}

// What is published was tested and built twice, by two kinds of machine.
func TestReleaseIsRebuilt(t *testing.T) {
	jobs := workflows(t)["release.yml"].Jobs
	needs, _ := jobs["publish"].Needs.([]any)
	for _, job := range []string{"test", "build", "rebuild", "parts"} {
		if !slices.Contains(needs, any(job)) {
			t.Errorf("publish does not wait for %s", job)
		}
	}
	compared := false
	for _, s := range jobs["rebuild"].Steps {
		compared = compared || strings.Contains(s.Run, "diff published/SHA256SUMS")
	}
	if !compared {
		t.Error("rebuild compares nothing")
	}
}

// Nothing goes into a release but the tagged commit: the tests hand nothing on, and no job restores a
// cache that another workflow may have written.
func TestReleaseTakesNothingFromElsewhere(t *testing.T) {
	for job, j := range workflows(t)["release.yml"].Jobs {
		for _, s := range j.Steps {
			switch name, _, _ := strings.Cut(s.Uses, "@"); {
			case name == "actions/cache", name == "actions/setup-go" && s.With["cache"] != false, name == "actions/setup-node" && s.With["package-manager-cache"] != false:
				t.Errorf("job %s restores a cache: %s %v", job, s.Uses, s.With)
			case name == "actions/upload-artifact" && job != "build":
				t.Errorf("job %s hands something on", job)
			}
		}
	}
}

// Known vulnerabilities are looked for where their database can be reached, also without a commit.
func TestVulnerabilitiesAreLookedFor(t *testing.T) {
	ci := workflows(t)["ci.yml"]
	looked := false
	for _, j := range ci.Jobs {
		for _, s := range j.Steps {
			looked = looked || strings.TrimSpace(s.Run) == "make vuln"
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if !looked || len(ci.On.Schedule) == 0 || !strings.Contains(string(makefile), "govulncheck ./cmd/...") {
		t.Errorf("CI looks for vulnerabilities: %v, schedule %v", looked, ci.On.Schedule)
	}
}

// The Go release is part of what makes the bytes, so go.mod pins it to the patch.
func TestToolchainIsPinned(t *testing.T) {
	pinned, err := toolchain(root)
	if err != nil || !regexp.MustCompile(`^go1\.\d+\.\d+$`).MatchString(pinned) {
		t.Fatalf("toolchain %q, %v", pinned, err)
	}
	if err := sameToolchain(root, pinned); err != nil {
		t.Errorf("with the pinned release: %v", err)
	}
	if err := sameToolchain(root, "go1.2.3"); err == nil || !strings.Contains(err.Error(), "GOTOOLCHAIN="+pinned) {
		t.Errorf("with another release: %v", err)
	}
}

// A developer's settings don't change the package.
func TestEnvironmentDoesNotMatter(t *testing.T) {
	plain, odd := t.TempDir(), t.TempDir()
	if err := run(plain, release{root: small(t), archs: []string{"amd64"}}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-tags=mine -gcflags=-N")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	if err := run(odd, release{root: small(t), archs: []string{"amd64"}}); err != nil {
		t.Fatal(err)
	}
	if folder(t, plain)["SHA256SUMS"] != folder(t, odd)["SHA256SUMS"] {
		t.Error("GOFLAGS or GOAMD64 of the environment change the package")
	}
}

// The unit that is shipped is one that systemd takes.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	unit, err := os.ReadFile(filepath.Join(root, "deploy/idnsentinel.service"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable() // the real one is not installed here
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "idnsentinel.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(unit, []byte("/usr/local/bin/idnsentinel"), []byte(program)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
