package sentinel_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
)

// TestQueriesOfTheReadBack: what the program sends to a workspace is KQL for Microsoft's parser,
// in tables of both APIs, and gives the columns that the program reads.
func TestQueriesOfTheReadBack(t *testing.T) {
	begin := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	var queries []string
	// So many rows that the ids are listed in parts.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Query string `json:"query"`
		}
		if err := json.UnmarshalRead(r.Body, &ask); err != nil {
			t.Error(err)
		}
		queries = append(queries, ask.Query)
		rows := "[]"
		if len(queries) == 1 {
			rows = fmt.Sprintf(`[[%q,1,1000000]]`, begin.Format(time.RFC3339))
		}
		_, _ = io.WriteString(w, `{"tables":[{"name":"PrimaryResult","rows":`+rows+`}]}`)
	}))
	defer server.Close()
	where, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, orgs := range [][]string{nil, {"acme"}, {"acme", "acme-sb.2"}, {"it's not a name"}} {
		var records []pipeline.Record
		for i, org := range orgs {
			records = append(records, pipeline.Record{ID: strconv.Itoa(i), Time: begin, Raw: jsontext.Value(fmt.Sprintf(`{"org":%q}`, org))})
		}
		records = append(records, pipeline.Record{ID: "last", Time: begin, Raw: jsontext.Value(`{}`)})
		queries = nil
		a := &readback.Arrivals{
			Client: readback.New(readback.Config{URL: where, WorkspaceID: "w"}), Table: readback.Table{Name: "SailPointIDN_Events", Time: "created", ID: "id"},
			From: begin, To: begin.Add(time.Hour), Window: 5 * time.Minute,
			Sample: func(context.Context) (pipeline.Page, error) { return pipeline.Page{Records: records}, nil },
		}
		if _, err := a.Claim(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if len(queries) < 3 {
			t.Fatalf("orgs %q: %d queries, want a count and several lists", orgs, len(queries))
		}
		for _, schema := range []string{"events-classic", "events-dcr"} {
			ws := kqltest.Load(t, schema)
			for i, query := range queries {
				got := ws.MustCheck(t, query)
				want := []kqltest.Column{{Name: "IdG", Type: "string"}, {Name: "IdS", Type: "string"}, {Name: "At", Type: "datetime"}, {Name: "Rows", Type: "long"}}
				if i == 0 {
					want = []kqltest.Column{{Name: "Window", Type: "datetime"}, {Name: "Own", Type: "long"}, {Name: "Rows", Type: "long"}}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, orgs %q: columns (-want +got):\n%s%s", schema, orgs, diff, query)
				}
			}
		}
	}
}
