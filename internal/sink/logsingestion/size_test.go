package logsingestion_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// deliver writes records as the pipeline does: batches of the size that the sink
// aims at, halved when they are rejected.
func deliver(t *testing.T, sink *logsingestion.Sink, rows []pipeline.Record) (rejected int) {
	t.Helper()
	var write func(batch []pipeline.Record)
	write = func(batch []pipeline.Record) {
		err := sink.Write(t.Context(), stream, batch)
		var reject *pipeline.Rejected
		switch {
		case err == nil:
		case errors.As(err, &reject) && len(batch) > 1:
			rejected++
			write(batch[:len(batch)/2])
			write(batch[len(batch)/2:])
		default:
			t.Fatal(err)
		}
	}
	for len(rows) > 0 {
		target, size, n := sink.Limits().BatchBytes, 0, 0
		for n < len(rows) && (n == 0 || size+len(rows[n].Raw)+1 <= target) {
			size += len(rows[n].Raw) + 1
			n++
		}
		write(rows[:n])
		rows = rows[n:]
	}
	return rejected
}

// noise are records of about a kilobyte that hardly compress.
func noise(n int) []pipeline.Record {
	batch := make([]pipeline.Record, n)
	for i := range batch {
		b := make([]byte, 750)
		_, _ = rand.Read(b)
		batch[i] = pipeline.Record{ID: strconv.Itoa(i), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d","name":"%s"}`, i, base64.StdEncoding.EncodeToString(b)))}
	}
	return batch
}

// Batches grow until they fill requests, with room to spare.
func TestBatchesFillRequests(t *testing.T) {
	ws := newWorkspace()
	sink := open(t, ws, nil)
	rows := events(7000)
	rejected := deliver(t, sink, rows)
	stats := ws.Stats()
	mean := int(stats.Wire) / stats.Batches
	if rejected > 1 || stats.Rows != len(rows) || stats.LargestBody > logsingestion.MaxWire || mean < 400_000 {
		t.Errorf("%d rejected, %d bytes a request, stats %+v", rejected, mean, stats)
	}
	t.Logf("%d records of %d bytes in %d requests of %d bytes on the wire, %d rejected; aims at %d", stats.Rows, int(stats.Raw)/stats.Rows, stats.Batches, mean, rejected, sink.Limits().BatchBytes)
}

// Content that compresses badly halves a batch once, and then batches suit it.
func TestBatchesShrink(t *testing.T) {
	ws := newWorkspace()
	sink := open(t, ws, nil)
	rows := noise(3000)
	rejected := deliver(t, sink, rows)
	if stats := ws.Stats(); rejected > 4 || stats.Rows != len(rows) || stats.LargestBody > logsingestion.MaxWire || stats.Duplicates > 0 {
		t.Errorf("%d rejected, stats %+v", rejected, stats)
	}
	if target := sink.Limits().BatchBytes; target > 1_400_000 {
		t.Errorf("aims at %d bytes of noise", target)
	}
}

// Something in between that takes less than the service makes batches smaller.
func TestRefusedForItsSize(t *testing.T) {
	ws := newWorkspace()
	refused := 0
	sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 100_000 {
			refused++
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		ws.ServeHTTP(w, r)
	}), nil)
	rows := events(4000)
	deliver(t, sink, rows)
	if stats := ws.Stats(); refused == 0 || refused > 6 || stats.Rows != len(rows) {
		t.Errorf("%d refused, stats %+v", refused, stats)
	}
	if target := sink.Limits().BatchBytes; target < 64<<10 || target > 1_000_000 {
		t.Errorf("aims at %d bytes", target)
	}
}

func TestLimits(t *testing.T) {
	for configured, want := range map[int]int{0: 3_760_128, -1: 3_760_128, 1000: 1000, 1_000_000: 1_000_000, 1 << 40: 3_760_128} {
		limits := open(t, nil, func(c *logsingestion.Config) { c.BatchBytes = configured }).Limits()
		if limits.BatchBytes != want || limits.RecordBytes != 48<<20-2 {
			t.Errorf("BatchBytes %d gives %d, want %d; RecordBytes %d", configured, limits.BatchBytes, want, limits.RecordBytes)
		}
	}
}

// A single record that does not fit is compressed harder; if that does not help
// it is rejected and nothing was sent.
func TestSingleRecordTooLarge(t *testing.T) {
	ws := newWorkspace()
	sink := open(t, ws, nil)
	b := make([]byte, 1_100_000)
	_, _ = rand.Read(b)
	large := pipeline.Record{ID: "1", Raw: jsontext.Value(`{"id":"1","name":"` + base64.StdEncoding.EncodeToString(b) + `"}`)}
	err := sink.Write(t.Context(), stream, []pipeline.Record{large})
	if kindOf(err) != "rejected" || !strings.Contains(err.Error(), "1044480 bytes on the wire") || ws.Stats().Requests != 0 {
		t.Errorf("%v, stats %+v", err, ws.Stats())
	}
}

// Members that fill more than a column have are no reason to lose them in silence.
func TestTooManyExtras(t *testing.T) {
	ws := newWorkspace()
	sink := open(t, ws, nil)
	raw := jsontext.Value(`{"id":"1","a":"` + strings.Repeat("x", 40_000) + `","b":"` + strings.Repeat("y", 40_000) + `"}`)
	if err := sink.Write(t.Context(), stream, []pipeline.Record{{ID: "1", Raw: raw}}); kindOf(err) != "rejected" {
		t.Errorf("as it came: %v", err)
	}
	row, changes, err := sink.Fit(stream, raw)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%q, %v", changes, err)
	}
	if err := sink.Write(t.Context(), stream, []pipeline.Record{{ID: "1", Raw: row}}); err != nil {
		t.Error(err)
	}
	if losses := ws.Table(stream).Losses(); losses != nil {
		t.Errorf("losses %q", losses)
	}
}

// Packing a batch needs its own bytes and little more.
func TestAllocations(t *testing.T) {
	sink := open(t, answering(204, "", ""), func(c *logsingestion.Config) { c.Credential = granting("synthetic") })
	rows := events(500)
	write := func() {
		if err := sink.Write(t.Context(), stream, rows); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if n := testing.AllocsPerRun(10, write); n > 250 {
		t.Errorf("%v allocations for a batch of %d records", n, len(rows))
	}
}

func BenchmarkWrite(b *testing.B) {
	sink := open(b, answering(204, "", ""), func(c *logsingestion.Config) { c.Credential = workspace.Credential{} })
	rows := events(2000)
	size := 0
	for _, r := range rows {
		size += len(r.Raw)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := sink.Write(b.Context(), stream, rows); err != nil {
			b.Fatal(err)
		}
	}
}

// docs/cost.md counts an event with the size of its JSON. What is charged are the
// values of its row, which come to about as much at the most, whichever way it takes.
func TestRowBytes(t *testing.T) {
	const n = 500
	g := synth.New(synth.Options{Seed: 1, Start: time.Now().Add(-time.Hour), Rate: 1})
	ruled, classic := newWorkspace(), &workspace.Workspace{}
	collector, err := datacollector.New(datacollector.Config{
		WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), URL: at("http://127.0.0.1"),
		HTTP: &http.Client{Transport: fault.Transport(classic)},
	})
	if err != nil {
		t.Fatal(err)
	}
	source := 0
	for i := range n {
		source += len(g.Event(i))
	}
	mean := func(sink pipeline.Sink, ws *workspace.Workspace) (bytes int) {
		var batch []pipeline.Record
		for i := range n {
			row, _, err := sink.Fit(stream, g.Event(i))
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, pipeline.Record{ID: g.ID(i), Raw: row})
		}
		if err := sink.Write(t.Context(), stream, batch); err != nil {
			t.Fatal(err)
		}
		for _, row := range ws.Table(stream).Rows() {
			for name, value := range row {
				if name != "Type" { // which is not charged
					bytes += len(value)
				}
			}
		}
		return bytes / n
	}
	rule, plain := mean(open(t, ruled, nil), ruled), mean(collector, classic)
	t.Logf("an event has %d bytes of JSON; its row %d by the Data Collector API, %d by the Logs Ingestion API", source/n, plain, rule)
	if most := source / n * 11 / 10; plain > most || rule > most || plain == 0 {
		t.Errorf("a row has more than %d bytes: docs/cost.md says that it has less", most)
	}
}

// A record that fits a request only if it is compressed as well as possible is sent: it can't be
// divided, and would be in quarantine otherwise.
func TestRecordThatFitsWhenCompressedWell(t *testing.T) {
	// Words far apart are found again only by who looks for long.
	words, dice := make([]string, 4000), mathrand.New(mathrand.NewPCG(1, 2))
	for i := range words {
		words[i] = strconv.FormatUint(dice.Uint64(), 36)
	}
	text := func(n int) string {
		var b strings.Builder
		for dice := mathrand.New(mathrand.NewPCG(3, 4)); b.Len() < n; b.WriteByte(' ') {
			b.WriteString(words[dice.IntN(len(words))])
		}
		return b.String()[:n]
	}
	columns := make([]schema.Column, 50)
	for i := range columns {
		columns[i] = schema.Column{Name: fmt.Sprintf("c%02d", i), Type: schema.String}
	}
	record := func(n int) []pipeline.Record {
		row, rest := []byte(`{"id":"1"`), text(n)
		for _, c := range columns {
			part := rest[:min(len(rest), 60_000)]
			row, rest = fmt.Appendf(row, `,%q:%q`, c.Name, part), rest[len(part):]
		}
		if rest != "" {
			t.Fatalf("%d bytes have no column", len(rest))
		}
		return []pipeline.Record{{ID: "1", Raw: append(row, '}')}}
	}
	wire := func(level, n int) int {
		var out bytes.Buffer
		z, _ := gzip.NewWriterLevel(&out, level)
		_, _ = z.Write(record(n)[0].Raw)
		_ = z.Close()
		return out.Len()
	}
	const sample = 1 << 20
	fast, best := float64(wire(gzip.BestSpeed, sample))/sample, float64(wire(gzip.BestCompression, sample))/sample
	n := int(logsingestion.MaxWire / ((fast + best) / 2))
	if f, b := wire(gzip.BestSpeed, n), wire(gzip.BestCompression, n); f <= logsingestion.MaxWire || b > logsingestion.MaxWire {
		t.Skipf("%d bytes at speed and %d at best: the compressor has changed", f, b)
	}
	sink := open(t, answering(http.StatusNoContent, "", ""), func(cfg *logsingestion.Config) {
		cfg.Streams = []schema.Stream{{Name: stream, Columns: append(columns, schema.Column{Name: "id", Type: schema.String}, schema.Column{Name: schema.Extra, Type: schema.Dynamic})}}
	})
	if err := sink.Write(t.Context(), stream, record(n)); err != nil {
		t.Error(err)
	}
}
