package flock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/flock"
)

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	try := func(f *os.File, want bool) {
		t.Helper()
		if got, err := flock.TryLock(f); err != nil || got != want {
			t.Errorf("TryLock = %v, %v; want %v", got, err, want)
		}
	}
	a, b := open(), open()
	defer b.Close()
	try(a, true)
	try(b, false)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	try(b, true)
	if _, err := flock.TryLock(a); err == nil {
		t.Error("TryLock of a closed file: no error")
	}
}
