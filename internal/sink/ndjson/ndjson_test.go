package ndjson_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/ndjson"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

// stored takes lines apart without a JSON decoder, which might change bytes.
func stored(tb testing.TB, text, stream string) []jsontext.Value {
	tb.Helper()
	var rows []jsontext.Value
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "}\n") || !jsontext.Value(line).IsValid() {
			tb.Errorf("not a whole line: %q", line)
			continue
		}
		if row, ok := strings.CutPrefix(line, `{"stream":"`+stream+`","record":`); ok {
			rows = append(rows, jsontext.Value(strings.TrimSuffix(row, "}\n")))
		}
	}
	return rows
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestSink(t *testing.T) {
	t.Run("writer", func(t *testing.T) {
		sinktest.Run(t, sinktest.Subject{Open: func(tb testing.TB, _ sinktest.Setup) sinktest.Opened {
			var b buffer
			return sinktest.Opened{
				Sink:   ndjson.New(&b),
				Stored: func(stream string) []jsontext.Value { return stored(tb, b.String(), stream) },
			}
		}})
	})
	t.Run("file", func(t *testing.T) {
		sinktest.Run(t, sinktest.Subject{Open: func(tb testing.TB, _ sinktest.Setup) sinktest.Opened {
			path := filepath.Join(tb.TempDir(), "out.ndjson")
			return sinktest.Opened{
				Sink:   open(tb, path),
				Stored: func(stream string) []jsontext.Value { return stored(tb, read(tb, path), stream) },
			}
		}})
	})
}

func open(tb testing.TB, path string) *ndjson.Sink {
	tb.Helper()
	sink, err := ndjson.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := sink.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			tb.Error(err)
		}
	})
	return sink
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func one(raw string) []pipeline.Record {
	return []pipeline.Record{{ID: "1", Raw: jsontext.Value(raw)}}
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct{ stream, raw, want string }{
		"byte_for_byte": {"S", `{ "a" : 1.50 }`, `{"stream":"S","record":{ "a" : 1.50 }}` + "\n"},
		"line_breaks":   {"S", "{\r\n \"a\" : \"x\\n\\u00eb\" ,\n \"b\":1.50}", `{"stream":"S","record":{"a":"x\n\u00eb","b":1.50}}` + "\n"},
		"broken_text":   {"S", "{\n\"a\":\"\xff\",\"a\":1}", "{\"stream\":\"S\",\"record\":{\"a\":\"\xff\",\"a\":1}}\n"},
		"odd_name":      {"S\"\n", `{}`, `{"stream":"S\"\n","record":{}}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			batch := one(c.raw)
			if err := ndjson.New(&b).Write(t.Context(), c.stream, batch); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(batch[0].Raw) != c.raw {
				t.Error("the record was written to")
			}
		})
	}
}

func TestNoJSON(t *testing.T) {
	var b bytes.Buffer
	err := ndjson.New(&b).Write(t.Context(), "S", one("{\n"))
	var rejected *pipeline.Rejected
	if !errors.As(err, &rejected) || b.Len() > 0 {
		t.Errorf("got %v, wrote %q", err, b.String())
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriterFails(t *testing.T) {
	err := ndjson.New(failing{}).Write(t.Context(), "S", one(`{}`))
	if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "write 1 records of S") {
		t.Errorf("got %v", err)
	}
}

func TestOpenGoesOnBehindAWholeLine(t *testing.T) {
	const line = `{"stream":"S","record":{}}` + "\n"
	for name, c := range map[string]struct{ before, want string }{
		"new":              {"", line},
		"whole":            {line, line + line},
		"torn":             {line + line[:20], line + line},
		"torn_early":       {line + line[:3], line + line},
		"torn_first":       {line[:len(line)-1], line},
		"torn_and_long":    {line + line[:20] + strings.Repeat("x", 200_000), line + line},
		"somebody_elses":   {"a note", "a note\n" + line},
		"somebody_elses_2": {"a note\n", "a note\n" + line},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			if c.before != "" {
				if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := open(t, path).Write(t.Context(), "S", one(`{}`)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, read(t, path)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFile(t *testing.T) {
	if _, err := ndjson.Open(filepath.Join(t.TempDir(), "missing", "x")); err == nil || !strings.Contains(err.Error(), "NDJSON_PATH") {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "out.ndjson")
	sink := open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), "S", one(`{}`)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write to a closed file: %v", err)
	}
	null := open(t, os.DevNull) // a device can't be synced
	if err := null.Write(t.Context(), "S", one(`{}`)); err != nil {
		t.Error(err)
	}
	if err := ndjson.New(&bytes.Buffer{}).Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteAllocatesLittle(t *testing.T) {
	sink := ndjson.New(discard{})
	batch := one(`{"id":"1","name":"` + strings.Repeat("x", 1000) + `"}`)
	for len(batch) < 500 {
		batch = append(batch, batch[0])
	}
	n := testing.AllocsPerRun(50, func() {
		if err := sink.Write(t.Context(), "SailPointIDN_Events", batch); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 {
		t.Errorf("%v allocations for %d records, want at most 2", n, len(batch))
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
