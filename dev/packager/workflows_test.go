package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is what these tests look at of a GitHub workflow.
type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `yaml:"permissions"`
		Needs       any               `yaml:"needs"`
		Steps       []struct {
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
	if writers != 1 {
		t.Errorf("%d jobs may write, want 1", writers)
	}
}

// What is published was tested and built twice, by two kinds of machine.
func TestReleaseIsRebuilt(t *testing.T) {
	jobs := workflows(t)["release.yml"].Jobs
	needs, _ := jobs["publish"].Needs.([]any)
	for _, job := range []string{"test", "build", "rebuild"} {
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
	if err := run(small(t), plain, []string{"amd64"}, nil); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-tags=mine -gcflags=-N")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	if err := run(small(t), odd, []string{"amd64"}, nil); err != nil {
		t.Fatal(err)
	}
	if folder(t, plain)["SHA256SUMS"] != folder(t, odd)["SHA256SUMS"] {
		t.Error("GOFLAGS or GOAMD64 of the environment change the package")
	}
}
