// Command version holds together what names the version of a release: the default of
// packageVersion in the template and in its form, the deploy buttons, whose template and
// form come from the tag, and the newest version in the CHANGELOG.
//
//	go run ./dev/version               prints that version, or says what disagrees
//	go run ./dev/version -tag v1.2.3   fails unless it is v1.2.3 (the release workflow)
//	go run ./dev/version -set v1.2.3   writes it everywhere (make version VERSION=v1.2.3)
//
// A button that named a branch would install a template that may be newer than the
// package it fetches, or older.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	tag := flag.String("tag", "", "the tag that the release is made of")
	set := flag.String("set", "", "the version to write")
	flag.Parse()
	if err := run(".", *tag, *set, time.Now(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "version:", err)
		os.Exit(1)
	}
}

func run(root, tag, set string, now time.Time, out io.Writer) error {
	if set != "" {
		if err := write(root, set, now); err != nil {
			return err
		}
		fmt.Fprintf(out, "the version is %s now; look at it with git diff, commit, tag that commit, and run make release-check\n", set)
		return nil
	}
	got, err := read(root)
	if err != nil {
		return err
	}
	if tag != "" && tag != got {
		return fmt.Errorf("the tag is %s and the files name %s: run make version VERSION=%s, commit, then tag that commit", tag, got, tag)
	}
	fmt.Fprintln(out, got)
	return nil
}

var (
	semantic = regexp.MustCompile(`^v(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$`)

	// The parts of a file around the version, which is the second group.
	ofTemplate = regexp.MustCompile(`("packageVersion": \{[^{}]*?"defaultValue": ")([^"]*)(")`)
	ofForm     = regexp.MustCompile(`("name": "packageVersion",[^{}]*?"defaultValue": ")([^"]*)(")`)
	ofButton   = regexp.MustCompile(`(raw\.githubusercontent\.com%2F[\w.-]+%2F[\w.-]+%2F)([\w.-]+?)(%2F)`)
	ofChanges  = regexp.MustCompile(`(?m)(^## )(v[^ ]+)( \(\d{4}-\d\d-\d\d\)$)`)
)

const unreleased = "## Unreleased\n"

// place is a file, and where the version is in it.
type place struct {
	name   string
	around *regexp.Regexp
	newest bool // only the first match counts
}

const changelog = "CHANGELOG.md"

// places are all files that name the version. Every page may have buttons.
func places(root string) ([]place, error) {
	all := []place{
		{"azuredeploy.json", ofTemplate, false},
		{"createUiDefinition.json", ofForm, false},
		{changelog, ofChanges, true},
	}
	// The template of the content has the connector page in it.
	for _, pattern := range []string{"*.md", "docs/*.md", "sentinel/*.md", "sentinel/Data Connectors/*.json", "sentinel/Package/mainTemplate.json"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, page := range pages {
			data, err := os.ReadFile(page)
			if err != nil {
				return nil, err
			}
			if ofButton.Match(data) {
				name, err := filepath.Rel(root, page)
				if err != nil {
					return nil, err
				}
				all = append(all, place{name, ofButton, false})
			}
		}
	}
	return all, nil
}

// read returns the version that all places name.
func read(root string) (string, error) {
	all, err := places(root)
	if err != nil {
		return "", err
	}
	var version string
	var wrong []error
	for _, p := range all {
		data, err := os.ReadFile(filepath.Join(root, p.name))
		if err != nil {
			return "", err
		}
		found := p.around.FindAllSubmatch(data, -1)
		if len(found) == 0 {
			wrong = append(wrong, fmt.Errorf("%s names no version", p.name))
		}
		if p.newest && len(found) > 1 {
			found = found[:1]
		}
		for _, f := range found {
			switch v := string(f[2]); {
			case version == "":
				version = v
				if !semantic.MatchString(v) {
					wrong = append(wrong, fmt.Errorf("%s names %s, which is not a version of the form v1.2.3", p.name, v))
				}
			case v != version:
				wrong = append(wrong, fmt.Errorf("%s names %s instead of %s", p.name, v, version))
			}
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return "", fmt.Errorf("%w\nrun make version VERSION=v1.2.3", err)
	}
	return version, nil
}

// write puts a version into all places. What was unreleased becomes that version's.
func write(root, version string, now time.Time) error {
	if !semantic.MatchString(version) {
		return fmt.Errorf("%q is not a version of the form v1.2.3", version)
	}
	all, err := places(root)
	if err != nil {
		return err
	}
	for _, p := range all {
		path := filepath.Join(root, p.name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(data)
		if p.name == changelog {
			if text, err = cut(text, version, now); err != nil {
				return err
			}
		} else {
			text = p.around.ReplaceAllString(text, "${1}"+version+"${3}")
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// cut makes a version's section of what was unreleased.
func cut(changes, version string, now time.Time) (string, error) {
	before, after, found := strings.Cut(changes, unreleased)
	if !found {
		return "", fmt.Errorf("%s has no line %q", changelog, strings.TrimSpace(unreleased))
	}
	if strings.Contains(changes, "## "+version+" (") {
		return "", fmt.Errorf("%s has a section %s already", changelog, version)
	}
	return before + unreleased + "\n## " + version + " (" + now.Format(time.DateOnly) + ")\n" + after, nil
}
