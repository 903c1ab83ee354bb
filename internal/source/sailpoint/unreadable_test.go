package sailpoint_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// Documents without id that are the same byte for byte are as many records as there are, with the
// same ids each time; with an id they are one.
func TestSameDocuments(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.RefuseIDSort = refuse
			created := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
			for range 3 {
				tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"name":"same"}`, created), time.Time{})
				tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"id":"one"}`, created), time.Time{})
			}
			tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"id":"last"}`, time.Now().Add(-time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")), time.Time{})
			cfg := config(tn)
			cfg.PageSize = 2
			first, _, err := walkFast(t.Context(), sailpoint.NewClient(cfg).Events())
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := walkFast(t.Context(), sailpoint.NewClient(cfg).Events())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, again); diff != "" || len(first) != 5 {
				t.Errorf("%d records, want 5 (-first +second):\n%s", len(first), diff)
			}
		})
	}
}

// An id or a time of any length is taken for none, and holds nothing up.
func TestHugeIDAndCreated(t *testing.T) {
	tn := newTenant()
	at := func(i int) string {
		return time.Now().Add(-time.Hour + time.Duration(i)*time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	huge := strings.Repeat("x", 200_000)
	for i := range 6 {
		id := fmt.Sprint("e", i)
		if i == 3 {
			id = huge
		}
		tn.AddEvent(fmt.Appendf(nil, `{"id":%q,"created":%q}`, id, at(i)), time.Time{})
	}
	cfg := config(tn)
	cfg.PageSize = 2
	got, cursor, err := walkFast(t.Context(), sailpoint.NewClient(cfg).Events())
	if err != nil || len(got) != 6 || len(cursor) > 200 {
		t.Errorf("%d records, cursor %.100s, error %v", len(got), cursor, err)
	}
	for id := range got {
		if len(id) > 100 {
			t.Errorf("an id has %d bytes", len(id))
		}
	}
}

// Where nothing can be read it is not the rows: none is given up, however often it is tried, and
// once the service is well again everything comes.
func TestNothingReadableIsNoRow(t *testing.T) {
	for name, page := range map[string]string{
		"gateway": "<html><body>Blocked</body></html>", "object": `{"message":"denied"}`, "cut": `[{"id":"`, "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				oddEvents(tn, time.Now().Add(-time.Hour), 120)
				sick := false
				h := &tampered{Handler: tn, change: func(body []byte) []byte {
					if sick && strings.HasPrefix(string(body), "[") {
						return []byte(page)
					}
					return body
				}}
				cfg := config(http.Handler(h))
				cfg.PageSize = 50
				src := sailpoint.NewClient(cfg).Events()
				seen := map[string]pipeline.Record{}
				var after pipeline.Cursor
				for n := 0; n < 400; n++ {
					sick = n > 0 && n < 60
					page, err := src.Fetch(t.Context(), after)
					if err != nil {
						if retryable(err) == nil {
							t.Fatal(err)
						}
						pass(time.Second)
						continue
					}
					for _, r := range page.Records {
						if r.Flaw != "" {
							t.Fatalf("given up: %s", r.Flaw)
						}
						seen[r.ID] = r
					}
					if after = page.Next; !page.More {
						break
					}
				}
				sameAs(t, wanted(tn), seen)
			})
		})
	}
}
