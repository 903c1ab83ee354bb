package reports_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

func TestReportCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Report]{
		Encode: reports.EncodeReport, Decode: reports.DecodeReport, Update: *update,
		Golden: map[string]reports.Report{
			"v1.report":      {ID: id, Name: "Apps \"ü\"", ContentType: "text/csv", Received: noon, Bytes: 7, Parts: 2},
			"v1.report-hash": {ID: id, Name: "Apps", Received: noon, Bytes: 7, Parts: 2, Forward: true, Hash: strings.Repeat("0123456789abcdef", 4)},
		},
		Newer: []string{`{"version":2}`},
		Draw: func(t *rapid.T) reports.Report {
			return reports.Report{
				ID: id, Name: rapid.String().Draw(t, "name"), ContentType: rapid.String().Draw(t, "type"),
				Received: time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "s"), 7).UTC(),
				Bytes:    rapid.Int64Range(1, 1<<40).Draw(t, "bytes"), Parts: rapid.IntRange(1, 99).Draw(t, "parts"),
				Hash: rapid.StringMatching(`([0-9a-f]{64})?`).Draw(t, "hash"),
			}
		},
	})
}

func TestPartCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Part]{
		Encode: reports.EncodePart, Decode: reports.DecodePart, Update: *update,
		Golden: map[string]reports.Part{"v1.part": {ID: id, Number: 2, Data: []byte("{\"a\":\"\xff\"\n}")}},
		Newer:  []string{"{\"version\":2}\n"},
		Draw: func(t *rapid.T) reports.Part {
			return reports.Part{ID: id, Number: rapid.IntRange(1, 99).Draw(t, "number"), Data: rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "data")}
		},
	})
}

func TestSeenCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Seen]{
		Encode: reports.EncodeSeen, Decode: reports.DecodeSeen, Update: *update,
		Golden: map[string]reports.Seen{"v1.seen": {ID: id, Received: noon}, "v1.seen-delivered": {ID: id, Received: noon, Delivered: true}},
		Newer:  []string{`{"version":2}`},
	})
}

func TestForwardingCodec(t *testing.T) {
	spans := func(t *rapid.T, name string) []forward.Span {
		n := rapid.IntRange(0, 3).Draw(t, name)
		var list []forward.Span
		for range n {
			first := rapid.IntRange(1, 1000).Draw(t, "first")
			list = append(list, forward.Span{First: first, Last: first + rapid.IntRange(0, 250).Draw(t, "more"), At: noon, Tries: rapid.IntRange(0, 5).Draw(t, "tries"), Why: rapid.String().Draw(t, "why")})
		}
		return list
	}
	statetest.TestCodec(t, statetest.Codec[forward.Entry]{
		Encode: reports.EncodeForwarding, Decode: reports.DecodeForwarding, Update: *update,
		Golden: map[string]forward.Entry{
			"v1.forward": {ID: id, Name: "Apps \"ü\"", ContentType: "text/csv", Received: noon, Bytes: 7, Parts: 2, Since: noon},
			"v1.forwarding": {
				ID: id, Name: "Apps", Received: noon, Bytes: 7, Parts: 2, Settled: 500, Read: true, Starts: 2, Since: noon.Add(time.Hour), Failures: 3, Parked: "no",
				Posting: &forward.Span{First: 501, Last: 600, At: noon, Tries: 1}, Again: []forward.Span{{First: 1, Last: 1, Tries: 2, Why: "lost"}},
				Doubts: []forward.Span{{First: 2, Last: 3, At: noon, Tries: 1}, {First: 4, Last: 4}}, Refused: []forward.Span{{First: 5, Last: 5}},
			},
		},
		Newer: []string{`{"version":2}`},
		Draw: func(t *rapid.T) forward.Entry {
			e := forward.Entry{
				ID: id, Name: rapid.String().Draw(t, "name"), Received: noon, Bytes: 1, Parts: 1, Since: noon,
				Settled: rapid.IntRange(0, 1000).Draw(t, "settled"), Read: rapid.Bool().Draw(t, "read"),
				Again: spans(t, "again"), Doubts: spans(t, "doubts"), Refused: spans(t, "refused"), Parked: rapid.String().Draw(t, "parked"),
			}
			if rapid.Bool().Draw(t, "posts") {
				e.Posting = &forward.Span{First: 1, Last: 2, At: noon}
			}
			return e
		},
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = reports.DecodeReport(data)
		_, _ = reports.DecodePart(data)
		_, _ = reports.DecodeSeen(data)
	})
}
