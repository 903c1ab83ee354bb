package readback_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
)

var update = flag.Bool("update", false, "write golden files")

var goldenMark = filepath.Join("testdata", "v1.mark.json")

// TestMarkGolden keeps version 1 readable.
func TestMarkGolden(t *testing.T) {
	want := readback.Mark{Through: time.Date(2026, 9, 23, 13, 5, 0, 0, time.UTC)}
	data, err := readback.EncodeMark(want)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenMark, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(goldenMark)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), string(data)); diff != "" {
		t.Errorf("EncodeMark (-golden +got):\n%s", diff)
	}
	got, err := readback.DecodeMark(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DecodeMark (-want +got):\n%s", diff)
	}
}

func TestMarkIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		data  string
		newer bool
		says  string
	}{
		"empty":                           {"", false, "cut or no JSON"},
		"cut":                             {`{"version":1,"thr`, false, "cut or no JSON"},
		"no version":                      {`{"through":"2026-09-01T00:00:00Z"}`, false, "no version"},
		"no moment":                       {`{"version":1}`, false, "no moment"},
		"no time":                         {`{"version":1,"through":"yesterday"}`, false, "does not look like one"},
		"a year that can't be spelled":    {`{"version":1,"through":"9999-12-31T23:59:59-01:00"}`, false, "no moment"},
		"newer":                           {`{"version":2,"through":"2026-09-01T00:00:00Z"}`, true, "newer version"},
		"newer, and made in another way":  {`{"version":2,"through":{"Events":[1]}}`, true, "format 2, this one knows 1"},
		"another kind of file altogether": {`[1]`, false, "cut or no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readback.DecodeMark([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, readback.ErrNewer) != test.newer {
				t.Errorf("DecodeMark: %v, want it to say %q", err, test.says)
			}
		})
	}
}

func FuzzDecodeMark(f *testing.F) {
	stored, err := os.ReadFile(goldenMark)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored)
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"through":"9999-12-31T23:59:59-01:00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readback.DecodeMark(data)
		if err != nil {
			return
		}
		again, err := readback.EncodeMark(m)
		if err != nil {
			t.Fatalf("what was decoded can't be encoded: %v", err)
		}
		got, err := readback.DecodeMark(again)
		if err != nil {
			t.Fatalf("what was encoded can't be decoded: %v", err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
