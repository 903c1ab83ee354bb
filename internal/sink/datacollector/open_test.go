package datacollector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
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
