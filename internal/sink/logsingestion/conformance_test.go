package logsingestion_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

const endpoint = "https://rule.westeurope-1.ingest.monitor.azure.com"

// open makes a sink that talks to a service without sockets.
func open(tb testing.TB, service http.Handler, change func(*logsingestion.Config)) *logsingestion.Sink {
	tb.Helper()
	cfg := logsingestion.Config{
		Endpoint: at(endpoint), RuleID: workspace.DefaultRule, Credential: workspace.Credential{},
		Streams: schema.Streams(append(schema.SailPoint(), schema.Health())),
		HTTP:    &http.Client{Transport: fault.Transport(service)},
	}
	if change != nil {
		change(&cfg)
	}
	sink, err := logsingestion.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return sink
}

// newWorkspace has the rule that the template deploys.
func newWorkspace() *workspace.Workspace {
	return &workspace.Workspace{Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()}}
}

// anything declares what the records of the suite have, so that their bytes can be compared.
func anything() []schema.Stream {
	var streams []schema.Stream
	for _, name := range []string{"SailPointIDN_Events", "SailPointIDN_Triggers"} {
		s := schema.Stream{Name: name, Columns: []schema.Column{{Name: "id", Type: schema.String}, {Name: "idnConformed", Type: schema.String}}}
		for _, member := range []string{"created", "name", "list", "number", "zero", "null", "empty", "none", "html", "separator", "long", "text", "x", "s", schema.Extra} {
			s.Columns = append(s.Columns, schema.Column{Name: member, Type: schema.Dynamic})
		}
		streams = append(streams, s)
	}
	return streams
}

// stored gives a table to a stream, with nothing but ids.
func anyRule() *workspace.Rule {
	r := &workspace.Rule{Streams: anything()}
	for _, s := range r.Streams {
		r.Flows = append(r.Flows, schema.Table{Name: s.Name + "_CL", Stream: s, Fields: []schema.Field{{Column: schema.Column{Name: "id_s", Type: schema.String}, From: "id"}}})
	}
	return r
}

func TestSink(t *testing.T) {
	sinktest.Run(t, sinktest.Subject{
		Service: true,
		Rules:   true,
		Open: func(tb testing.TB, setup sinktest.Setup) sinktest.Opened {
			ws := &workspace.Workspace{Faults: setup.Faults, Poison: setup.Poison, Rules: map[string]*workspace.Rule{workspace.DefaultRule: anyRule()}}
			return sinktest.Opened{
				Sink: open(tb, ws, func(c *logsingestion.Config) {
					c.Streams, c.HTTP = anything(), setup.Client(fault.Transport(ws), http.StatusNoContent)
				}),
				Stored: func(stream string) []jsontext.Value {
					var rows []jsontext.Value
					for _, raw := range ws.Table(stream).Raw() {
						rows = append(rows, raw)
					}
					return rows
				},
			}
		},
	})
}

// Events in every shape that is known, made to fit, lose nothing in the table.
func TestConformedEventsLoseNothing(t *testing.T) {
	g := synth.New(synth.Options{Seed: 3, Start: time.Now().Add(-time.Hour)})
	ws := newWorkspace()
	sink := open(t, ws, nil)
	conformed := make(map[synth.Shape]bool)
	for shape := synth.Shape(1); shape <= synth.Poison; shape <<= 1 {
		raw := g.EventWith(1, shape)
		row, changes, err := sink.Fit(stream, raw)
		if err != nil {
			t.Fatalf("shape %#x: %v", shape, err)
		}
		if changes != nil {
			conformed[shape] = true
		} else if string(row) != string(raw) {
			t.Errorf("shape %#x: changed without a word", shape)
		}
		if err := sink.Write(t.Context(), "SailPointIDN_Events", []pipeline.Record{{ID: "x", Raw: row}}); err != nil {
			t.Fatalf("shape %#x: %v", shape, err)
		}
	}
	want := map[synth.Shape]bool{synth.BigNumber: true, synth.LongTokens: true, synth.DuplicateKey: true, synth.InvalidUTF8: true, synth.Huge: true}
	if diff := cmp.Diff(want, conformed); diff != "" {
		t.Errorf("shapes that had to be changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string(nil), ws.Table("SailPointIDN_Events").Losses()); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}

// The same over real connections, which are kept and used again.
func TestOverSockets(t *testing.T) {
	ws := newWorkspace()
	ws.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.BadGateway, Nth: []int{1}}}}
	server := httptest.NewUnstartedServer(ws)
	var connections atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	sink := open(t, nil, func(c *logsingestion.Config) { c.HTTP, c.Endpoint = nil, at(server.URL) })
	records := events(1000)
	failed := 0
	for i := range 10 {
		if err := sink.Write(t.Context(), "SailPointIDN_Events", records[:1+i*100]); err != nil {
			failed++
		}
	}
	if stats := ws.Stats(); failed != 1 || stats.Batches != 9 || stats.LargestRows != 901 || stats.Wire*3 > stats.Raw {
		t.Errorf("%d writes failed, stats %+v", failed, stats)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 10 writes in a row", n)
	}
	if err := sink.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// events are synthetic audit events that fit.
func events(n int) []pipeline.Record {
	g := synth.New(synth.Options{Seed: 1, Start: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)})
	batch := make([]pipeline.Record, n)
	for i := range batch {
		batch[i] = pipeline.Record{ID: g.ID(i), Raw: g.Event(i)}
	}
	return batch
}
