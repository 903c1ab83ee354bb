package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The project's own files agree, so that a button, the template that it opens, the
// package that the template fetches and the CHANGELOG are of one release.
func TestProject(t *testing.T) {
	version, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := run("../..", "v99.0.0", "", time.Time{}, io.Discard); err == nil || !strings.Contains(err.Error(), "the files name "+version) {
		t.Errorf("another tag: %v", err)
	}
	all, err := places("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"azuredeploy.json", "createUiDefinition.json", "CHANGELOG.md", "README.md", filepath.Join("docs", "deploy.md")} {
		if !slices.ContainsFunc(all, func(p place) bool { return p.name == want }) {
			t.Errorf("%s is not compared", want)
		}
	}
}

const button = "[![Deploy](x)](https://portal/#create/uri/https%3A%2F%2Fraw.githubusercontent.com%2Fa%2Fb.c%2FVERSION%2Fazuredeploy.json/ui/https%3A%2F%2Fraw.githubusercontent.com%2Fa%2Fb.c%2FVERSION%2FcreateUiDefinition.json)\n"

// small is a project of the five kinds of places.
func small() map[string]string {
	return map[string]string{
		"azuredeploy.json":        `{"parameters": {"other": {"defaultValue": "v9.9.9"}, "packageVersion": {` + "\n" + `"type": "string", "defaultValue": "VERSION", "metadata": {}}}}`,
		"createUiDefinition.json": `[{"name": "other", "defaultValue": "x"}, {"name": "packageVersion", "label": "Release", "defaultValue": "VERSION", "constraints": {}}]`,
		"CHANGELOG.md":            "# Changelog\n\n## Unreleased\n\n- new\n\n## VERSION (2026-11-29)\n\n- old\n\n## v0.0.1 (2026-01-01)\n\n- oldest\n",
		"README.md":               "# readme\n\n" + button,
		"docs/deploy.md":          "# deploy\n\n" + button + button,
		"docs/other.md":           "# no button of v7.7.7\n",
	}
}

func project(t *testing.T, files map[string]string, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "VERSION", version)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	if got, err := read(project(t, small(), "v1.2.3-rc.1")); err != nil || got != "v1.2.3-rc.1" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := read(project(t, small(), "main")); err == nil {
		t.Error("a branch is taken for a version")
	}
	for _, name := range slices.Sorted(maps.Keys(small())) {
		if name == "docs/other.md" {
			continue
		}
		files := small()
		i := strings.LastIndex(files[name], "VERSION")
		files[name] = files[name][:i] + "v1.2.4" + files[name][i+len("VERSION"):]
		_, err := read(project(t, files, "v1.2.3"))
		if err == nil || !strings.Contains(err.Error(), "make version VERSION=") {
			t.Errorf("%s names another version: %v", name, err)
		}
	}
	files := small()
	files["CHANGELOG.md"] = "# Changelog\n\n## Unreleased\n"
	if _, err := read(project(t, files, "v1.2.3")); err == nil || !strings.Contains(err.Error(), "CHANGELOG.md names no version") {
		t.Errorf("a CHANGELOG without versions: %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := project(t, small(), "v1.2.3")
	now := time.Date(2027, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := run(dir, "", "v1.3.0", now, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, "v1.3.0", "", now, io.Discard); err != nil {
		t.Error(err)
	}
	for name, text := range small() {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(text, "VERSION", "v1.3.0")
		if name == "CHANGELOG.md" {
			want = "# Changelog\n\n## Unreleased\n\n## v1.3.0 (2027-02-03)\n\n- new\n\n## v1.2.3 (2026-11-29)\n\n- old\n\n## v0.0.1 (2026-01-01)\n\n- oldest\n"
		}
		if diff := cmp.Diff(want, string(data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, version := range []string{"v1.3.0", "1.4.0", "v1.4", "main", "v01.2.3"} {
		if err := write(dir, version, now); err == nil {
			t.Errorf("%s is written", version)
		}
	}
}
