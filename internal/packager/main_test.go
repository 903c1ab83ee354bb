package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The zip holds what the host needs and nothing else, with the executable bit,
// and is the same from every folder.
func TestWrite(t *testing.T) {
	handler := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(handler, []byte("\x7fELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := write(&first, "../..", handler); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS("../../function")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(elsewhere, "function"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(elsewhere, "function.json"), filepath.Join(elsewhere, "function", "function.json")); err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile("../../host.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "host.json"), host, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(&second, elsewhere, handler); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two folders give two archives")
	}

	r, err := zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len()))
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name    string
		Mode    os.FileMode
		Creator uint16
	}
	var got []entry
	for _, f := range r.File {
		got = append(got, entry{f.Name, f.Mode(), f.CreatorVersion >> 8})
	}
	const unix = 3
	want := []entry{{"function/function.json", 0o644, unix}, {"handler", 0o755, unix}, {"host.json", 0o644, unix}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestWriteMissing(t *testing.T) {
	if err := write(&bytes.Buffer{}, t.TempDir(), "nowhere"); err == nil {
		t.Error("an app without its files makes a zip")
	}
}
