package statetest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// Codec is a format of stored objects, for [TestCodec] and [FuzzCodec].
type Codec[T any] struct {
	Encode func(T) ([]byte, error)
	Decode func([]byte) (T, error)
	// Golden are objects in testdata, and what they hold. What an earlier version wrote is
	// read by every later one, so none of them is ever changed.
	Golden map[string]T
	// Newer are objects of a version that is not known yet.
	Newer []string
	// Draw makes any value that can be stored; nil if there is no such test.
	Draw func(*rapid.T) T
	// Compare says how two values are compared.
	Compare cmp.Options
	// Update writes the golden files that do not exist.
	Update bool
}

// TestCodec runs the suite that every format passes.
func TestCodec[T any](t *testing.T, c Codec[T]) {
	t.Helper()
	for name, want := range c.Golden {
		t.Run(name, func(t *testing.T) { c.golden(t, name, want) })
		t.Run(name+" truncated", func(t *testing.T) { c.truncated(t, name) })
	}
	t.Run("newer", func(t *testing.T) {
		for _, data := range c.Newer {
			if got, err := c.Decode([]byte(data)); !errors.Is(err, format.ErrNewer) {
				t.Errorf("Decode of %q: %+v, %v; want ErrNewer", data, got, err)
			}
		}
	})
	if c.Draw != nil {
		t.Run("round trip", func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := c.Draw(t)
				if got := c.again(t, want); !cmp.Equal(want, got, c.Compare) {
					t.Fatalf("(-want +got):\n%s", cmp.Diff(want, got, c.Compare))
				}
			})
		})
	}
}

// FuzzCodec decodes anything. What can be decoded can be stored, and is the same then.
func FuzzCodec[T any](f *testing.F, c Codec[T], seeds ...string) {
	f.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.Golden)) {
		f.Add(read(f, name))
	}
	for _, seed := range slices.Concat(c.Newer, seeds) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := c.Decode(data)
		if err != nil {
			return
		}
		if diff := cmp.Diff(first, c.again(t, first), c.Compare); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}

// golden keeps an object readable, and the newest format as it is.
func (c Codec[T]) golden(t *testing.T, name string, want T) {
	data, err := c.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if _, err := os.Stat(file); c.Update && errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stored := read(t, name)
	if diff := cmp.Diff(string(stored), string(data)); diff != "" {
		t.Errorf("Encode (-%s +got):\n%s", name, diff)
	}
	got, err := c.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, c.Compare); diff != "" {
		t.Errorf("Decode %s (-want +got):\n%s", name, diff)
	}
}

// truncated: an object of which the end is missing is never taken for a whole one.
func (c Codec[T]) truncated(t *testing.T, name string) {
	whole := bytes.TrimSuffix(read(t, name), []byte("\n"))
	for n := range whole {
		if got, err := c.Decode(whole[:n]); err == nil {
			t.Fatalf("Decode of the first %d of %d bytes: %+v, no error", n, len(whole), got)
		}
	}
}

// again is a value that was stored and read.
func (c Codec[T]) again(t interface{ Fatalf(string, ...any) }, value T) (got T) {
	data, err := c.Encode(value)
	if err != nil {
		t.Fatalf("%+v can't be encoded: %v", value, err)
	}
	if got, err = c.Decode(data); err != nil {
		t.Fatalf("what was encoded can't be decoded: %v\n%q", err, data)
	}
	return got
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
