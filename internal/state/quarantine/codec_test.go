package quarantine_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

var update = flag.Bool("update", false, "write golden files")

var golden = filepath.Join("testdata", "v1.quarantine")

// TestGolden keeps version 1 readable.
func TestGolden(t *testing.T) {
	want := quarantine.Item{
		Stream: events, ID: "2c9180835d2e5168015d32f890ca1581", Time: now.Add(-time.Hour), Reason: pipeline.RejectedBySink,
		Detail: "400 InvalidDataFormat: line\n2", Stored: now, Raw: jsontext.Value("{\"id\": \"2c91\", \"bad\": \"\xff\"\n}"),
	}
	data, err := quarantine.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), string(data)); diff != "" {
		t.Errorf("Encode (-golden +got):\n%s", diff)
	}
	got, err := quarantine.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
}

func TestDetailIsBounded(t *testing.T) {
	for _, test := range []struct{ name, detail string }{
		{"short", "why"},
		{"just fits", strings.Repeat("x", 1024)},
		{"too long", strings.Repeat("x", 1025)},
		{"cut within a character", strings.Repeat("x", 1020) + strings.Repeat("ü", 10)},
		{"huge", strings.Repeat("€", 1<<20)},
		{"no UTF-8", "\xff\xfe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := quarantine.Encode(quarantine.Item{Stream: events, Detail: test.detail})
			if err != nil {
				t.Fatal(err)
			}
			item, err := quarantine.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := item.Detail; len(got) > 1024 || len(got) < min(len(test.detail), 1020) || !utf8.ValidString(got) {
				t.Errorf("detail of %d bytes becomes one of %d bytes", len(test.detail), len(got))
			}
		})
	}
}

func TestTextsThatJSONCannotHold(t *testing.T) {
	item := quarantine.Item{Stream: events, ID: "a\xff\n", Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), Raw: jsontext.Value("x")}
	data, err := quarantine.Encode(item)
	if err != nil {
		t.Fatal(err)
	}
	got, err := quarantine.Decode(data)
	if err != nil || got.ID != "a\uFFFD\n" || !got.Time.IsZero() || string(got.Raw) != "x" {
		t.Errorf("Decode: %+v, %v", got, err)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := func(name string) time.Time {
			return time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
		}
		want := quarantine.Item{
			Stream: rapid.StringMatching(`[A-Za-z_]{1,20}`).Draw(t, "stream"),
			ID:     rapid.String().Draw(t, "id"), Time: when("time"),
			Reason: rapid.SampledFrom([]pipeline.Reason{pipeline.Conformed, pipeline.RejectedBySink, pipeline.Unfit}).Draw(t, "reason"),
			Detail: rapid.String().Draw(t, "detail"), Stored: when("stored"),
			Raw: rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		}
		data, err := quarantine.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if rest := data[bytes.IndexByte(data, '\n')+1:]; !bytes.Equal(rest, want.Raw) {
			t.Fatalf("what is behind the first line is %q, want %q", rest, want.Raw)
		}
		got, err := quarantine.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	stored, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored)
	f.Add([]byte("{\"version\":2}\n"))
	f.Add([]byte("{\"version\":1,\"stored\":\"9999-12-31T23:59:59-01:00\",\"length\":0,\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}\n"))
	f.Add([]byte("{\"version\":1,\"length\":0,\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		item, err := quarantine.Decode(data)
		if err != nil {
			return
		}
		again, err := quarantine.Encode(item)
		if err != nil {
			t.Fatalf("what was decoded can't be encoded: %v", err)
		}
		got, err := quarantine.Decode(again)
		if err != nil {
			t.Fatalf("what was encoded can't be decoded: %v", err)
		}
		if !bytes.Equal(got.Raw, item.Raw) || got.ID != item.ID || got.Stream != item.Stream || got.Reason != item.Reason {
			t.Errorf("%+v becomes %+v", item, got)
		}
	})
}
