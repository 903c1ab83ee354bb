package quarantine_test

import (
	"bytes"
	"flag"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write golden files")

var codec = statetest.Codec[quarantine.Item]{
	Encode: quarantine.Encode, Decode: quarantine.Decode,
	Golden: map[string]quarantine.Item{"v1.quarantine": {
		Stream: events, ID: "2c9180835d2e5168015d32f890ca1581", Time: now.Add(-time.Hour), Reason: pipeline.RejectedBySink,
		Detail: "400 InvalidDataFormat: line\n2", Stored: now, Raw: jsontext.Value("{\"id\": \"2c91\", \"bad\": \"\xff\"\n}"),
	}},
	Newer: []string{"{\"version\":2}\n"},
	Draw: func(t *rapid.T) quarantine.Item {
		when := func(name string) time.Time {
			return time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
		}
		return quarantine.Item{
			Stream: rapid.StringMatching(`[A-Za-z_]{1,20}`).Draw(t, "stream"),
			ID:     rapid.String().Draw(t, "id"), Time: when("time"),
			Reason: rapid.SampledFrom([]pipeline.Reason{pipeline.Conformed, pipeline.RejectedBySink, pipeline.Unfit}).Draw(t, "reason"),
			Detail: rapid.String().Draw(t, "detail"), Stored: when("stored"),
			Raw: rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		}
	},
}

func TestCodec(t *testing.T) {
	codec.Update = *update
	statetest.TestCodec(t, codec)
}

// The original follows the first line as it is, for a person who looks.
func TestOriginalIsVerbatim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := codec.Draw(t)
		data, err := quarantine.Encode(item)
		if _, rest, _ := bytes.Cut(data, []byte{'\n'}); err != nil || !bytes.Equal(rest, item.Raw) {
			t.Fatalf("what follows the first line is %q, %v, want %q", rest, err, item.Raw)
		}
	})
}

func FuzzDecode(f *testing.F) {
	c := codec
	c.Compare = cmp.Options{cmpopts.IgnoreFields(quarantine.Item{}, "Time", "Stored", "Detail")} // what can't be written is left out
	statetest.FuzzCodec(f, c,
		"{\"version\":1,\"stored\":\"9999-12-31T23:59:59-01:00\",\"length\":0,\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}\n",
		"{\"version\":1,\"length\":0,\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}\n")
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
