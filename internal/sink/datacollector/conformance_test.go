package datacollector_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

// open makes a sink that talks to ws without sockets.
func open(tb testing.TB, ws http.Handler, change func(*datacollector.Config)) *datacollector.Sink {
	tb.Helper()
	cfg := datacollector.Config{
		WorkspaceID: workspace.DefaultID,
		Key:         secret.New(workspace.DefaultKey),
		HTTP:        &http.Client{Transport: fault.Transport(ws)},
	}
	if change != nil {
		change(&cfg)
	}
	sink, err := datacollector.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return sink
}

func TestSink(t *testing.T) {
	sinktest.Run(t, sinktest.Subject{
		Service: true,
		Rules:   true,
		Open: func(tb testing.TB, setup sinktest.Setup) sinktest.Opened {
			ws := &workspace.Workspace{Faults: setup.Faults, Poison: setup.Poison}
			return sinktest.Opened{
				Sink: open(tb, ws, func(c *datacollector.Config) { c.HTTP = setup.Client(fault.Transport(ws), http.StatusOK) }),
				Stored: func(stream string) []jsontext.Value {
					var rows []jsontext.Value
					for _, raw := range ws.Table(stream).Raw() {
						rows = append(rows, raw)
					}
					return rows
				},
				Secrets: []string{workspace.DefaultKey},
			}
		},
	})
}

// Events in every shape that is known, made to fit, lose nothing in the table.
func TestConformedEventsLoseNothing(t *testing.T) {
	g := synth.New(synth.Options{Seed: 3})
	ws := &workspace.Workspace{}
	sink := open(t, ws, nil)
	conformed := make(map[synth.Shape]bool)
	for shape := synth.Shape(1); shape <= synth.Poison; shape <<= 1 {
		raw := g.EventWith(1, shape)
		row, changes, err := sink.Fit("SailPointIDN_Events", raw)
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
	ws := &workspace.Workspace{Faults: &fault.Plan{Rules: []fault.Rule{{Kind: fault.BadGateway, Nth: []int{1}}}}}
	server := httptest.NewUnstartedServer(ws)
	var connections atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	sink := open(t, nil, func(c *datacollector.Config) { c.HTTP, c.URL = nil, at(server.URL) })
	records, _ := big()
	failed := 0
	for i := range 10 {
		if err := sink.Write(t.Context(), "T", records[:1+i*400]); err != nil {
			failed++
		}
	}
	if stats := ws.Stats(); failed != 1 || stats.Batches != 9 || stats.LargestRows != 3601 {
		t.Errorf("%d writes failed, stats %+v", failed, stats)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 10 writes in a row", n)
	}
	if err := sink.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
