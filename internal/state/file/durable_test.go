package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
)

// disk knows what would be left after the power has failed: bytes of files, and names in folders,
// as they were when they were last synced.
type disk struct {
	tb    testing.TB
	mu    sync.Mutex
	files []synced
	names map[string][]string // by folder
	fail  func(path string) error
}

type synced struct {
	info os.FileInfo
	data string
}

func newDisk(tb testing.TB, store *file.Store) *disk {
	d := &disk{tb: tb, names: map[string][]string{}}
	store.OnSync(d.sync)
	return d
}

func (d *disk) sync(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail(f.Name()); err != nil {
			return err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(f.Name())
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name()
		}
		d.names[f.Name()] = names
		return err
	}
	data, err := os.ReadFile(f.Name())
	d.files = append(d.files, synced{info, string(data)})
	return err
}

// left returns the bytes of a file as the power failure leaves them; ok is false if its name, or that
// of a folder around it below top, is not on the disk.
func (d *disk) left(top, path string) (data string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := path; at != top; at = filepath.Dir(at) {
		if !slices.Contains(d.names[filepath.Dir(at)], filepath.Base(at)) {
			return "", false
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		d.tb.Fatal(err)
	}
	for _, f := range slices.Backward(d.files) { // a number on the disk is used again
		if os.SameFile(f.info, info) {
			return f.data, true
		}
	}
	return "", true
}

// What was written is on the disk when Put returns, and what was deleted is not when Delete does.
func TestPowerFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders can't be synced there")
	}
	top := t.TempDir()
	root := filepath.Join(top, "not", "there", "yet")
	store := open(root)
	d := newDisk(t, store)
	path := func(key string) string { return filepath.Join(root, filepath.FromSlash(key)) }
	want := func(key, data string) {
		t.Helper()
		if got, ok := d.left(top, path(key)); !ok || got != data {
			t.Errorf("%s: after the power has failed it holds %q (%v), want %q", key, got, ok, data)
		}
	}
	etag, err := store.Put(t.Context(), "t/ledger/s/2026-09-01/000000", []byte("one"), state.Absent)
	if err != nil {
		t.Fatal(err)
	}
	want("t/ledger/s/2026-09-01/000000", "one")
	if _, err := store.Put(t.Context(), "t/ledger/s/2026-09-01/000000", []byte("two"), etag); err != nil {
		t.Fatal(err)
	}
	want("t/ledger/s/2026-09-01/000000", "two")
	writes := []*state.Write{{Key: "t/ledger/s/2026-09-01/000500", Data: []byte("three")}, {Key: "t/ledger/s/2026-09-02/000000", Data: []byte("four")}}
	store.PutAll(t.Context(), writes)
	for _, w := range writes {
		if w.Err != nil {
			t.Fatal(w.Err)
		}
		want(w.Key, string(w.Data))
	}
	for key, folder := range map[string]string{
		"t/ledger/s/2026-09-01/000000": "t/ledger/s/2026-09-01", // others stay in it
		"t/ledger/s/2026-09-02/000000": "t/ledger/s",            // it was the last one
	} {
		if err := store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(key, folder+"/"), "/")
		if slices.Contains(d.names[path(folder)], name) {
			t.Errorf("%s is back after the power has failed", key)
		}
	}
}

// A write that the disk does not confirm has failed.
func TestSyncFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders can't be synced there")
	}
	broken := errors.New("input/output error")
	for name, test := range map[string]struct {
		fails func(path string) bool
		kept  bool // what was there before
	}{
		"of the file":   {func(path string) bool { return strings.Contains(path, "~tmp") && filepath.Base(path) != "~tmp" }, true},
		"of the folder": {func(path string) bool { return filepath.Base(path) == "checkpoints" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t.TempDir())
			d := newDisk(t, store)
			etag, err := store.Put(t.Context(), "t/checkpoints/x.json", []byte("one"), state.Absent)
			if err != nil {
				t.Fatal(err)
			}
			d.fail = func(path string) error { return map[bool]error{true: broken}[test.fails(path)] }
			if _, err := store.Put(t.Context(), "t/checkpoints/x.json", []byte("two"), etag); !errors.Is(err, broken) {
				t.Errorf("Put: %v, want the disk's error", err)
			}
			o, err := store.Get(context.Background(), "t/checkpoints/x.json")
			if err != nil || test.kept && string(o.Data) != "one" {
				t.Errorf("Get: %q, %v", o.Data, err)
			}
		})
	}
}
