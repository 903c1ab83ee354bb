package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// odd are records that are easily changed on the way.
func odd() []pipeline.Record {
	var batch []pipeline.Record
	for i, raw := range []string{
		`{}`,
		`{"id":"1","name":"Zoë \u00eb \ud83d\ude00 😀 \/ \"\\"}`,
		`{ "id" : "2" , "list" : [ 1 , 2 ] }`,
		`{"id":"3","number":1.50e+3,"zero":-0.0,"null":null,"empty":{},"none":[]}`,
		`{"id":"4","html":"<a href='x'>&amp;</a>","separator":"` + "\u2028" + `"}`,
		`{"id":"5","long":"` + strings.Repeat("x", 20_000) + `"}`,
		`{"id":"2"}`, // an id again: a sink does not sort out duplicates
	} {
		batch = append(batch, pipeline.Record{ID: fmt.Sprintf("odd-%d", i), Raw: jsontext.Value(raw)})
	}
	return batch
}

func testBytes(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	batch := odd()
	want := texts(batch)
	o.write(t, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
	if diff := cmp.Diff(want, texts(batch)); diff != "" {
		t.Errorf("the batch was written to (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(want, o.stored(stream)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	single := batch[:1]
	o.write(t, single, func() error { return o.Sink.Write(t.Context(), stream, single) })
	if diff := cmp.Diff(append(want, want[0]), o.stored(stream)); diff != "" {
		t.Errorf("stored after a second write (-want +got):\n%s", diff)
	}
}

func testEmpty(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	o.write(t, nil, func() error { return o.Sink.Write(t.Context(), stream, nil) })
	if got := o.stored(stream); got != nil {
		t.Errorf("stored %q", got)
	}
}

func testStreams(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	a, b := records("a", 3), records("b", 2)
	o.write(t, a, func() error { return o.Sink.Write(t.Context(), stream, a) })
	o.write(t, b, func() error { return o.Sink.Write(t.Context(), other, b) })
	if diff := cmp.Diff([][]string{texts(a), texts(b)}, [][]string{o.stored(stream), o.stored(other)}); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func testBatches(t *testing.T, s Subject) {
	rapid.Check(t, func(rt *rapid.T) {
		o := s.Open(t, Setup{})
		var want []string
		for b := range rapid.IntRange(0, 5).Draw(rt, "batches") {
			var batch []pipeline.Record
			for r := range rapid.IntRange(0, 20).Draw(rt, "records") {
				text, err := jsontext.AppendQuote(nil, rapid.StringN(0, 200, -1).Draw(rt, "text"))
				if err != nil {
					rt.Fatalf("quote: %v", err)
				}
				batch = append(batch, pipeline.Record{ID: fmt.Sprintf("%d-%d", b, r), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d-%d","text":%s}`, b, r, text))})
			}
			o.write(rt, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
			want = append(want, texts(batch)...)
		}
		if diff := cmp.Diff(want, o.stored(stream)); diff != "" {
			rt.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}

func testConcurrent(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	var (
		wg   sync.WaitGroup
		want []string
	)
	for writer := range 8 {
		for b := range 10 {
			batch := records(fmt.Sprintf("%d-%d-", writer, b), 20)
			want = append(want, texts(batch)...)
			wg.Go(func() {
				if err := o.Sink.Write(t.Context(), stream, batch); err != nil {
					t.Errorf("write: %v", err)
				}
			})
		}
	}
	wg.Wait()
	got := o.stored(stream)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored, sorted (-want +got):\n%s", diff)
	}
}

// testFit: what Fit makes of any object can be written.
func testFit(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	for _, r := range odd() {
		row, changes, err := o.Sink.Fit(stream, r.Raw)
		if err != nil || changes != nil || string(row) != string(r.Raw) {
			t.Errorf("a good record was changed: %s, %q, %v", row, changes, err)
		}
	}
	if !s.Rules {
		return // every object is a row: testBytes is all there is to ask
	}
	testOutlines(t, o)
	var batch []pipeline.Record
	for _, raw := range []string{
		`{"RawData":1,"tenant":null,"a b":{"c":[]},"n":12345678901234567890,"n":2}`,
		`{"s":"` + strings.Repeat("é", 40_000) + `"}`,
		"{\"s\":\"\xff\\ud800\"}",
	} {
		row, changes, err := o.Sink.Fit(stream, jsontext.Value(raw))
		if err != nil || changes == nil || !row.IsValid() {
			t.Fatalf("fit %.50s: %.100s, %q, %v", raw, row, changes, err)
		}
		batch = append(batch, pipeline.Record{ID: "x", Raw: row})
	}
	o.write(t, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
	if diff := cmp.Diff(texts(batch), o.stored(stream)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if _, _, err := o.Sink.Fit(stream, jsontext.Value(`[1]`)); err == nil {
		t.Error("an array was made a row")
	}
}

// testOutlines: what fits by its outline is what Fit returns itself.
func testOutlines(t *testing.T, o Opened) {
	t.Helper()
	outlined, ok := o.Sink.(pipeline.Outlined)
	if !ok {
		return
	}
	var shapes jsonwalk.Shapes
	fit := 0
	for _, text := range []string{"x", strings.Repeat("x", 40_000), `\ud800`, "\xff", "é"} {
		for _, form := range []string{`[{"a":"%s","b":{"c":1}}]`, `[{"a":1,"b":{"c":["%s"]}}]`, `[{"a":1,"RawData":"%s"}]`, `[{"a":1,"a":"%s"}]`} {
			if err := shapes.Walk(fmt.Appendf(nil, form, text), nil, func(e jsonwalk.Element) error {
				if !outlined.FitsOutline(stream, e.Outline) {
					return nil
				}
				fit++
				if row, changes, err := o.Sink.Fit(stream, e.Raw); err != nil || changes != nil || string(row) != string(e.Raw) {
					t.Errorf("fits by its outline, but: %.50s, %q, %v", row, changes, err)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if fit == 0 || outlined.FitsOutline(stream, jsonwalk.Outline{}) {
		t.Errorf("%d fit by their outline; one of which nothing is known: %v", fit, outlined.FitsOutline(stream, jsonwalk.Outline{}))
	}
}

func testEndedContext(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := o.Sink.Write(ctx, stream, records("a", 3))
	o.checkError(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if got := o.stored(stream); got != nil {
		t.Errorf("stored %q", got)
	}
}

// testTooLarge: what can't be sent is refused by the sink itself.
func testTooLarge(t *testing.T, s Subject) {
	o := s.Open(t, Setup{})
	limits := o.Sink.Limits()
	if limits.RecordBytes == 0 {
		return // nothing is too large
	}
	large := func(size int) pipeline.Record {
		head := `{"id":"large","x":"`
		return pipeline.Record{ID: "large", Raw: jsontext.Value(head + strings.Repeat("x", size-len(head)-len(`"}`)) + `"}`)}
	}
	half := large(limits.RecordBytes/2 + 1)
	for name, batch := range map[string][]pipeline.Record{
		"record": {large(limits.RecordBytes + 1)},
		"batch":  {half, half},
	} {
		err := o.Sink.Write(t.Context(), stream, batch)
		o.checkError(t, err)
		var rejected *pipeline.Rejected
		if !errors.As(err, &rejected) || rejected.Ambiguous {
			t.Errorf("%s: got %v, want a plain rejection", name, err)
		}
	}
	if got := o.stored(stream); got != nil {
		t.Errorf("stored %d rows", len(got))
	}
	largest := []pipeline.Record{large(limits.RecordBytes)}
	o.write(t, largest, func() error { return o.Sink.Write(t.Context(), stream, largest) })
	if limits.BatchBytes > limits.RecordBytes+1 {
		t.Errorf("batches of %d bytes are aimed at, more than a single record may have (%d)", limits.BatchBytes, limits.RecordBytes)
	}
}
