package readback_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

// What is counted is provably the tenant's own, and each record once.
func TestOwnCount(t *testing.T) {
	const id, dashed = "0000000000004000800000000000000a", "00000000-0000-4000-8000-00000000000a"
	for name, test := range map[string]struct {
		rows  []string // members of the rows beside the one of another record
		count int64
		there bool // the record arrived
	}{
		"nothing":                      {nil, 1, false},
		"its row":                      {[]string{`"id":"` + id + `","org":"acme"`}, 2, true},
		"its row, spelled by a rule":   {[]string{`"id":"` + dashed + `","org":"acme"`}, 2, true},
		"its row twice":                {[]string{`"id":"` + id + `","org":"acme"`, `"id":"` + id + `","org":"acme"`}, 2, true},
		"its row in two spellings":     {[]string{`"id":"` + id + `","org":"acme"`, `"id":"` + strings.ToUpper(id) + `","org":"acme"`}, 2, true},
		"the other row twice":          {[]string{`"id":"other","org":"acme"`, `"id":"other","org":"acme"`}, 1, false},
		"a row of another tenant":      {[]string{`"id":"one more","org":"beta"`}, 1, false},
		"the id, of another tenant":    {[]string{`"id":"` + id + `","org":"beta"`}, 1, false},
		"the id, without org":          {[]string{`"id":"` + id + `"`}, 1, true},
		"a row without id":             {[]string{`"org":"acme"`}, 1, false},
		"the id of another time's row": {[]string{`"id":"` + id + `","org":"acme","created":"2000-01-01T01:59:59Z"`}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, workspace: &workspace.Workspace{}, begin: time.Now().UTC().Add(2 * time.Hour)}
				sink, err := datacollector.New(datacollector.Config{
					WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), HTTP: &http.Client{Transport: w},
				})
				if err != nil {
					t.Fatal(err)
				}
				created := w.begin.Add(time.Second)
				record := func(id, members string) pipeline.Record {
					raw := fmt.Sprintf(`{"created":%q,%s}`, created.Format("2006-01-02T15:04:05.000Z"), members)
					return pipeline.Record{ID: id, Time: created, Raw: jsontext.Value(raw)}
				}
				w.records = []pipeline.Record{record("other", `"id":"other","org":"acme"`)}
				batch := []pipeline.Record{w.records[0]}
				for i, members := range test.rows {
					rec := record(strconv.Itoa(i), members)
					if i == 0 && name == "the id of another time's row" {
						rec.Raw = jsontext.Value("{" + members + "}")
					}
					batch = append(batch, rec)
				}
				<-time.After(3 * time.Hour)
				if err := sink.Write(t.Context(), stream, batch); err != nil {
					t.Fatal(err)
				}
				w.records = append(w.records, make([]pipeline.Record, 9)...)
				a := w.arrivals(nil)
				n, err := a.Count(t.Context(), w.begin, w.begin.Add(window))
				if err != nil || n != test.count {
					t.Errorf("count %d, %v, want %d", n, err, test.count)
				}
				fresh, err := a.Claim(t.Context(), []pipeline.Record{record(id, `"id":"`+id+`","org":"acme"`), record("other", `"id":"other","org":"acme"`)})
				if diff := cmp.Diff([]bool{!test.there, false}, fresh); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

// A record whose org nobody has seen yet is looked for among the rows of that org, too.
func TestAnotherOrg(t *testing.T) {
	for _, org := range []string{"acme-sb", `o'dd "name"\\`} {
		t.Run(org, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(int) bool { return true })
				sink, err := datacollector.New(datacollector.Config{
					WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), HTTP: &http.Client{Transport: w},
				})
				if err != nil {
					t.Fatal(err)
				}
				record := func(id string) pipeline.Record {
					raw := fmt.Sprintf(`{"id":%q,"org":%q,"created":%q}`, id, org, w.begin.Format("2006-01-02T15:04:05.000Z"))
					return pipeline.Record{ID: id, Time: w.begin, Raw: jsontext.Value(raw)}
				}
				if err := sink.Write(t.Context(), stream, []pipeline.Record{record("there")}); err != nil {
					t.Fatal(err)
				}
				a := w.arrivals(nil)
				fresh, err := a.Claim(t.Context(), []pipeline.Record{w.records[0], w.records[1]})
				if diff := cmp.Diff([]bool{false, false}, fresh); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				fresh, err = a.Claim(t.Context(), []pipeline.Record{record("there"), record("lost")})
				if diff := cmp.Diff([]bool{false, true}, fresh); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}
