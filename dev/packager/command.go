package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// system is what a program is built for, in Go's words.
type system struct{ OS, Arch string }

func (s system) String() string { return s.OS + "/" + s.Arch }

// everySystem is where the operator's command runs.
func everySystem() []system {
	return []system{
		{"linux", "amd64"},
		{"linux", "arm64"},
		{"darwin", "amd64"},
		{"darwin", "arm64"},
		{"windows", "amd64"},
		{"windows", "arm64"},
	}
}

func parseSystems(list string) ([]system, error) {
	switch list {
	case "":
		return nil, nil
	case "all":
		return everySystem(), nil
	}
	var systems []system
	for text := range strings.SplitSeq(list, ",") {
		known := false
		for _, s := range everySystem() {
			if s.String() == text {
				systems, known = append(systems, s), true
			}
		}
		if !known {
			return nil, fmt.Errorf("-cli: %q is not one of %v", text, everySystem())
		}
	}
	return systems, nil
}

// command adds to files the archive of the operator's command for a system, and what it is made of.
func command(files map[string][]byte, root, tmp string, s system) error {
	name := fmt.Sprintf("idnsentinel-%s-%s", s.OS, s.Arch)
	program := "idnsentinel"
	if s.OS == "windows" {
		program += ".exe"
	}
	built := filepath.Join(tmp, name)
	if err := build(root, built, "./cmd/idnsentinel", s); err != nil {
		return err
	}
	parts, err := bill(built, s)
	if err != nil {
		return err
	}
	files[name+".cdx.json"] = parts
	// The stand-ins, and what to fill in: a person without Go tries the command with them.
	sandbox := "sandbox" + strings.TrimPrefix(program, "idnsentinel")
	if err := build(root, built+"-sandbox", "./cmd/sandbox", s); err != nil {
		return err
	}
	const example = "local.settings.example.json"
	contents := []content{{"LICENSE", filepath.Join(root, "LICENSE")}, {program, built}, {example, filepath.Join(root, example)}, {sandbox, built + "-sandbox"}}
	if s.OS == "linux" {
		contents = append(contents, content{"idnsentinel.service", filepath.Join(root, "deploy", "idnsentinel.service")})
	}
	if s.OS == "windows" { // its Explorer opens zip files
		files[name+".zip"], err = zipOf(contents)
	} else {
		files[name+".tar.gz"], err = tarOf(contents)
	}
	return err
}

// content is a file of an archive and where its bytes are.
type content struct{ name, path string }

func zipOf(contents []content) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, c := range contents {
		if err := add(z, c.name, c.path); err != nil {
			return nil, fmt.Errorf("add %s: %w", c.name, err)
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

func tarOf(contents []content) ([]byte, error) {
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	t := tar.NewWriter(g)
	for _, c := range contents {
		data, err := os.ReadFile(c.path)
		if err != nil {
			return nil, fmt.Errorf("add %s: %w", c.name, err)
		}
		mode := int64(0o644)
		if executable(c.name) {
			mode = 0o755
		}
		// Owner and time are fixed, so that the same commit gives the same bytes.
		h := &tar.Header{Name: c.name, Mode: mode, Size: int64(len(data)), ModTime: modified(), Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("add %s: %w", c.name, err)
		}
		if _, err := t.Write(data); err != nil {
			return nil, fmt.Errorf("add %s: %w", c.name, err)
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	err := g.Close()
	return b.Bytes(), err
}

// modified is the time of every file of an archive.
func modified() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }

func executable(name string) bool {
	switch strings.TrimSuffix(name, ".exe") {
	case "handler", "idnsentinel", "sandbox":
		return true
	}
	return false
}
