package datacollector_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Members that are data become one column as text, which changes no value: the record counts as it
// is. Other tables are not touched.
func TestOpenMembersTakeOneColumn(t *testing.T) {
	ws := &workspace.Workspace{}
	sink, err := datacollector.New(datacollector.Config{
		WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), HTTP: &http.Client{Transport: fault.Transport(ws)},
		Open: map[string]*table.Open{"Okta": {Parent: "debugContext", Name: "debugData", Known: map[string]bool{"url": true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := jsontext.Value(`{"id":"1","debugContext":{"debugData":{"url":"/x","risk":"LOW"}}}`)
	for stream, want := range map[string]string{
		"Okta":  `{"id":"1","debugContext":{"debugData":{"url":"/x"}},"debugContext_debugData":"{\"url\":\"/x\",\"risk\":\"LOW\"}"}`,
		"Other": string(raw),
	} {
		row, changes, err := sink.Fit(stream, raw)
		if err != nil || len(changes) > 0 || string(row) != string(raw) {
			t.Errorf("%s: fit gives %s, %v, %v", stream, row, changes, err)
		}
		batch := []pipeline.Record{{ID: "1", Raw: raw}}
		if err := sink.Write(t.Context(), stream, batch); err != nil {
			t.Fatal(err)
		}
		if got := string(ws.Table(stream).Raw()[0]); got != want || string(batch[0].Raw) != string(raw) {
			t.Errorf("%s: the workspace has %s, want %s", stream, got, want)
		}
	}
	long := jsontext.Value(`{"id":"2","debugContext":{"debugData":{"risk":"` + strings.Repeat("x", 40_000) + `"}}}`)
	if _, changes, err := sink.Fit("Okta", long); err != nil || len(changes) == 0 {
		t.Errorf("a text that the service would cut is not named: %v, %v", changes, err)
	}
}

// oktaSink writes events of Okta to nowhere.
func oktaSink(tb testing.TB) *datacollector.Sink {
	tb.Helper()
	open := schema.Okta().Stream.Open
	known := map[string]bool{}
	for _, name := range open.Known {
		known[name] = true
	}
	sink, err := datacollector.New(datacollector.Config{
		WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), HTTP: &http.Client{Transport: &drain{make([]byte, 32<<10)}},
		Open: map[string]*table.Open{"Okta": {Parent: open.Parent, Name: open.Name, Known: known}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sink
}

// oktaPage are n events of all kinds, with their outlines, as the source reads them.
func oktaPage(tb testing.TB, n int) (records []pipeline.Record, size int64) {
	tb.Helper()
	g := okta.Generator{Seed: 2, Start: time.Now().Add(-time.Hour), Every: time.Second}
	body := []byte{'['}
	for i := range n {
		body = append(append(body, g.Raw(i)...), ',')
	}
	body[len(body)-1] = ']'
	var shapes jsonwalk.Shapes
	if err := shapes.Walk(body, nil, func(e jsonwalk.Element) error {
		records = append(records, pipeline.Record{ID: strconv.Itoa(e.Index), Raw: e.Raw, Outline: e.Outline})
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return records, int64(len(body))
}

// An ordinary event of Okta is known to fit by what the source has noted, whatever members its debugData
// has; a long one is read.
func TestOktaFitsByItsOutline(t *testing.T) {
	sink := oktaSink(t)
	records, _ := oktaPage(t, 500)
	folded := 0
	for _, rec := range records {
		if !sink.FitsOutline("Okta", rec.Outline) {
			t.Fatalf("is read once more: %s", rec.Raw)
		}
		if row, changes, err := sink.Fit("Okta", rec.Raw); err != nil || changes != nil || string(row) != string(rec.Raw) {
			t.Fatalf("%s, %v, %v", row, changes, err)
		}
		if strings.Contains(string(rec.Raw), `"risk"`) {
			folded++
		}
	}
	if folded == 0 {
		t.Error("no event has a member without a column")
	}
	var shapes jsonwalk.Shapes
	for name, raw := range map[string]string{
		"a long value":          `[{"debugContext":{"debugData":{"risk":"` + strings.Repeat("x", 40_000) + `"}}}]`,
		"long together":         `[{"debugContext":{"debugData":{"risk":"` + strings.Repeat("x", 20_000) + `","behaviors":"` + strings.Repeat("y", 20_000) + `"}}}]`,
		"a column of that name": `[{"debugContext":{"debugData":{"risk":"x"}},"debugContext_debugData":1}]`,
		"a known member twice":  `[{"debugContext":{"debugData":{"url":"x","url":"y"}}}]`,
	} {
		if err := shapes.Walk([]byte(raw), nil, func(e jsonwalk.Element) error {
			if sink.FitsOutline("Okta", e.Outline) {
				t.Errorf("%s fits by its outline", name)
			}
			if _, changes, err := sink.Fit("Okta", e.Raw); err != nil || len(changes) == 0 {
				t.Errorf("%s: changes %q, %v", name, changes, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkFitOkta decides for a page of Okta what is sent of it.
func BenchmarkFitOkta(b *testing.B) {
	sink := oktaSink(b)
	records, size := oktaPage(b, 1000)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, rec := range records {
			if f := pipeline.Fit(sink, "Okta", rec); f.Changes != "" {
				b.Fatal(f.Changes)
			}
		}
	}
}

// BenchmarkWriteOkta writes a page of Okta, with the members of debugData in one column.
func BenchmarkWriteOkta(b *testing.B) {
	sink := oktaSink(b)
	records, size := oktaPage(b, 1000)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := sink.Write(b.Context(), "Okta", records); err != nil {
			b.Fatal(err)
		}
	}
}
