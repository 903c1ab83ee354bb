// Command packager makes the zip that a function app is deployed from. Run it
// from the root of the repository (make package).
//
// The archive holds host.json, the function folder and the handler, and
// nothing else. It is written here rather than by a zip program because the
// handler needs its executable bit on every plan and from every operating
// system, and because the same commit must give the same bytes: entries are
// sorted, times fixed, and the binary is built without paths.
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"time"
)

func main() {
	out := flag.String("o", "dist/idn-sentinel-linux-amd64.zip", "the zip to write")
	arch := flag.String("arch", "amd64", "GOARCH of the handler")
	flag.Parse()
	if err := run(*out, *arch); err != nil {
		fmt.Fprintln(os.Stderr, "packager:", err)
		os.Exit(1)
	}
}

func run(out, arch string) error {
	tmp, err := os.MkdirTemp("", "packager")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	handler := filepath.Join(tmp, "handler")
	if err := build(handler, arch); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := write(f, ".", handler); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func build(to, arch string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", to, "./cmd/handler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build handler: %w\n%s", err, msg)
	}
	return nil
}

// write puts the app found in root, with the handler built elsewhere, into a zip.
func write(w io.Writer, root, handler string) error {
	files := map[string]string{"handler": handler, "host.json": filepath.Join(root, "host.json")}
	// A function is a folder directly below the root that holds a function.json.
	found, err := fs.Glob(os.DirFS(root), "*/function.json")
	if err != nil {
		return err
	}
	for _, name := range found {
		files[name] = filepath.Join(root, name)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)

	z := zip.NewWriter(w)
	for _, name := range names {
		if err := add(z, name, files[name]); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	return z.Close()
}

func add(z *zip.Writer, name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	if name == "handler" {
		h.SetMode(0o755)
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
