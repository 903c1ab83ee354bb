package datacollector_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

// Property: however it is read, the body is the records in brackets with commas,
// and as long as announced.
func TestArrayReader(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var (
			batch []pipeline.Record
			raws  []string
		)
		for range rapid.IntRange(1, 10).Draw(rt, "records") {
			raw := `{"x":"` + strings.Repeat("x", rapid.IntRange(0, 50).Draw(rt, "size")) + `"}`
			raws = append(raws, raw)
			batch = append(batch, pipeline.Record{Raw: jsontext.Value(raw)})
		}
		want := "[" + strings.Join(raws, ",") + "]"
		r, size := datacollector.ArrayReader(batch)
		if size != len(want) {
			rt.Errorf("announced %d bytes, want %d", size, len(want))
		}
		var got bytes.Buffer
		for buf := make([]byte, 64); ; {
			n, err := r.Read(buf[:rapid.IntRange(0, 64).Draw(rt, "read")])
			got.Write(buf[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		if got.String() != want {
			rt.Errorf("got %s, want %s", got.String(), want)
		}
		again, _ := datacollector.ArrayReader(batch)
		if err := iotest.TestReader(again, []byte(want)); err != nil {
			rt.Error(err)
		}
	})
}

// drain is a service that reads the body and says 200.
type drain struct{ buf []byte }

func (d *drain) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, d.buf); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// big is a batch of about 4 MB.
func big() (records []pipeline.Record, size int64) {
	raw := jsontext.Value(`{"id":"1","x":"` + strings.Repeat("x", 1000) + `"}`)
	for range 4096 {
		records = append(records, pipeline.Record{ID: "1", Raw: raw})
		size += int64(len(raw)) + 1
	}
	return records, size
}

// The cost of a write must not depend on the size of its batch.
func TestWriteAllocatesLittle(t *testing.T) {
	sink := open(t, nil, func(c *datacollector.Config) { c.HTTP = &http.Client{Transport: &drain{make([]byte, 32<<10)}} })
	records, _ := big()
	write := func(batch []pipeline.Record) float64 {
		return testing.AllocsPerRun(20, func() {
			if err := sink.Write(t.Context(), "T", batch); err != nil {
				t.Fatal(err)
			}
		})
	}
	small, large := write(records[:1]), write(records)
	if large > small+2 || large > 200 { // some for the exchange, none for a record
		t.Errorf("%v allocations for 1 record, %v for %d", small, large, len(records))
	}
}

func BenchmarkWrite(b *testing.B) {
	sink := open(b, nil, func(c *datacollector.Config) { c.HTTP = &http.Client{Transport: &drain{make([]byte, 32<<10)}} })
	records, size := big()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := sink.Write(b.Context(), "T", records); err != nil {
			b.Fatal(err)
		}
	}
}
