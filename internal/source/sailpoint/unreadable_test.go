package sailpoint_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
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
		"null": "[null]", "nulls": "[null,null]", "arrays": "[[],[]]", "texts": `["denied"]`, "not JSON": "[denied]", "no rows, and a text": "[] denied", "two lists": "[][]",
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

// indexed adds an event that goes out as it is, or as sent.
func indexed(tn *tenant.Tenant, id string, created time.Time, sent []byte) {
	raw := fmt.Appendf(nil, `{"id":%q,"created":%q}`, id, created.UTC().Format("2006-01-02T15:04:05.000Z"))
	tn.AddEventAs(raw, sent, time.Time{})
}

// readPast reads a stream to its end, however often pages fail, and says how many records are of
// rows that can't be read.
func readPast(t *testing.T, src pipeline.Source) (seen map[string]pipeline.Record, flawed int) {
	t.Helper()
	seen, flawed, _ = readFrom(t, src, "")
	return seen, flawed
}

// readFrom is readPast from a cursor on, and returns the last one.
func readFrom(t *testing.T, src pipeline.Source, after pipeline.Cursor) (seen map[string]pipeline.Record, flawed int, end pipeline.Cursor) {
	t.Helper()
	seen = map[string]pipeline.Record{}
	for range 200 {
		page, err := src.Fetch(t.Context(), after)
		if err != nil {
			if retryable(err) == nil {
				t.Fatal(err)
			}
			pass(time.Second)
			continue
		}
		for _, r := range page.Records {
			if seen[r.ID] = r; r.Flaw != "" {
				flawed++
			}
		}
		if after = page.Next; !page.More {
			return seen, flawed, after
		}
	}
	t.Fatalf("no end after 200 pages, at %s", after)
	return seen, flawed, after
}

// A row that can't be had costs itself, whatever lies before it and however the tenant sorts.
func TestRowThatCantBeHad(t *testing.T) {
	for name, test := range map[string]struct {
		before int  // events of one millisecond, a minute before the row
		refuse bool // to sort by id
	}{
		"first of all":                              {0, false},
		"after ties of fewer than two pages":        {9, false},
		"after ties of more than two pages":         {25, false},
		"first of all, not sorted by id":            {0, true},
		"after ties of two pages, not sorted by id": {9, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.RefuseIDSort = test.refuse
				at := time.Now().Add(-time.Hour)
				for i := range test.before {
					indexed(tn, fmt.Sprintf("tie%02d", i), at, nil)
				}
				indexed(tn, "cut", at.Add(time.Minute), []byte(`{"id":"cut","crea`))
				for i := range 9 {
					indexed(tn, fmt.Sprint("later", i), at.Add(2*time.Minute+time.Duration(i)*time.Second), nil)
				}
				cfg := config(tn)
				cfg.PageSize = 7
				seen, flawed := readPast(t, sailpoint.NewClient(cfg).Events())
				if flawed != 1 || len(seen) != test.before+1+9 {
					t.Errorf("%d records, %d of them of the row that can't be had; want %d and 1", len(seen), flawed, test.before+1+9)
				}
			})
		})
	}
}

// Two rows that can't be had, and so near to each other that the walk stands in the millisecond of
// the first when it meets the second, do not keep it from going on: each
// is one record, which comes at most once more.
func TestTwoRowsThatCantBeHad(t *testing.T) {
	for name, second := range map[string]struct {
		after   time.Duration // the first
		refuse  bool          // to sort by id
		records int           // of the two rows
	}{
		"in one millisecond":                     {0, false, 3}, // the way past the second begins before the first
		"right after the ties":                   {time.Second, false, 2},
		"in one millisecond, not sorted by id":   {0, true, 2},
		"right after the ties, not sorted by id": {time.Second, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.RefuseIDSort = second.refuse
				at := time.Now().Add(-time.Hour)
				for i := range 40 {
					indexed(tn, fmt.Sprintf("tie%02d", i), at, nil)
				}
				indexed(tn, "tie05cut", at, []byte(`{"id":"tie05cut","crea`))
				for i := range 3 {
					indexed(tn, fmt.Sprint("later", i), at.Add(time.Duration(i+1)*100*time.Millisecond), nil)
				}
				indexed(tn, "tie39cut", at.Add(second.after), []byte(`{"id":"tie39cut","crea`))
				for i := range 9 {
					indexed(tn, fmt.Sprint("last", i), at.Add(time.Minute+time.Duration(i)*time.Second), nil)
				}
				cfg := config(tn)
				cfg.PageSize = 7
				seen, flawed := readPast(t, sailpoint.NewClient(cfg).Events())
				if flawed != second.records || len(seen) != 40+3+9+2 {
					t.Errorf("%d records, and %d of the rows that can't be had; want %d and %d", len(seen), flawed, 40+3+9+2, second.records)
				}
			})
		})
	}
}

// What stands for a row that can't be had keeps its id when a readable row of its millisecond is
// indexed late, before it or after it: with two ids in the ledger, the counts would agree without the
// late row.
func TestRowThatCantBeHadKeepsItsID(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.RefuseIDSort = refuse
				at := time.Now().Add(-time.Hour)
				for i := range 5 {
					indexed(tn, fmt.Sprintf("tie%02d", i), at, nil)
				}
				for _, id := range []string{"tie01cut", "tie03cut"} {
					indexed(tn, id, at, []byte(`{"id":"`+id+`","crea`))
				}
				flawed := func() (ids []string) {
					events := sailpoint.NewClient(config(tn)).Events()
					seen, _ := readPast(t, windowOf{events, at.Add(-time.Minute), at.Add(time.Minute)})
					for id, r := range seen {
						if r.Flaw != "" {
							ids = append(ids, id)
						}
					}
					slices.Sort(ids)
					return ids
				}
				first := flawed()
				for _, id := range []string{"tie00late", "tie02late", "tie04late"} {
					indexed(tn, id, at, nil)
				}
				if again := flawed(); len(first) != 2 || !slices.Equal(first, again) {
					t.Errorf("%q, and with three rows more %q", first, again)
				}
			})
		})
	}
}

// Rows without a number, which a service adds to every list, and rows that vanish do not move a walk
// by number past rows that come later.
func TestWalkByNumberEndsWhereNewRowsBegin(t *testing.T) {
	outside := func(body []byte) []byte {
		if len(body) > 2 && body[0] == '[' && body[len(body)-1] == ']' {
			return append(body[:len(body)-1:len(body)-1], `,{"id":"out","created":"9999-01-01T00:00:00.000Z"}]`...)
		}
		return body
	}
	for name, test := range map[string]struct {
		change func([]byte) []byte
		vanish bool
	}{
		"plain":               {nil, false},
		"a row in every list": {outside, false},
		"rows vanish":         {nil, true},
		"both":                {outside, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				at := time.Now().Add(-time.Hour)
				for i := range 20 {
					indexed(tn, fmt.Sprintf("tie%02d", i), at, nil)
				}
				indexed(tn, "tie19cut", at, []byte(`{"id":"tie19cut","crea`))
				cfg := config(http.Handler(&tampered{Handler: tn, change: test.change}))
				cfg.PageSize = 7
				src := sailpoint.NewClient(cfg).Events()
				_, _, after := readFrom(t, src, "")
				if test.vanish {
					tn.Forget("tie03", "tie07", "tie11")
				}
				for i := range 3 {
					indexed(tn, fmt.Sprint("new", i), at.Add(time.Minute+time.Duration(i)*time.Second), nil)
				}
				seen, _, _ := readFrom(t, src, after)
				for i := range 3 {
					if _, ok := seen[fmt.Sprint("new", i)]; !ok {
						t.Errorf("new%d is not read, from %s on", i, after)
					}
				}
			})
		})
	}
}

// A row that says nothing keeps its id when a row before it is indexed late.
func TestNullRowKeepsItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		at := time.Now().Add(-time.Hour)
		indexed(tn, "first", at, nil)
		indexed(tn, "null", at.Add(time.Minute), []byte("null"))
		indexed(tn, "last", at.Add(2*time.Minute), nil)
		flawed := func() (ids []string) {
			events := sailpoint.NewClient(config(tn)).Events()
			seen, _ := readPast(t, windowOf{events, at, at.Add(5 * time.Minute)})
			for id, r := range seen {
				if r.Flaw != "" {
					ids = append(ids, id)
				}
			}
			return ids
		}
		first := flawed()
		indexed(tn, "late", at.Add(30*time.Second), nil)
		if again := flawed(); len(first) != 1 || !slices.Equal(first, again) {
			t.Errorf("%q, and with a row more before it %q", first, again)
		}
	})
}

// windowOf is a stream that reads one window.
type windowOf struct {
	*sailpoint.Events
	from, to time.Time
}

func (w windowOf) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return w.FetchWindow(ctx, w.from, w.to, after)
}

// Documents without id that are the same byte for byte are as many records as there are, also where
// they are read by number because of a row beside them, and by several processes one after the other.
func TestSameDocumentsBesideARowThatCantBeHad(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		for same := 1; same <= 9; same++ {
			t.Run(fmt.Sprint(name, "/", same), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tn := newTenant()
					tn.RefuseIDSort = refuse
					at := time.Now().Add(-time.Hour)
					for range same {
						tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"name":"same"}`, at.UTC().Format("2006-01-02T15:04:05.000Z")), time.Time{})
					}
					indexed(tn, "cut", at.Add(time.Second), []byte(`{"id":"cut","crea`))
					for i := range 9 {
						indexed(tn, fmt.Sprint("last", i), at.Add(time.Minute+time.Duration(i)*time.Second), nil)
					}
					cfg := config(tn)
					cfg.PageSize = 7
					src := &renewed{sailpoint.NewClient(cfg).Events(), cfg}
					if seen, _ := readPast(t, src); len(seen) != same+9+1 {
						t.Errorf("%d records, want %d", len(seen), same+9+1)
					}
				})
			})
		}
	}
}

// renewed is a stream that another process continues after each page read by number.
type renewed struct {
	*sailpoint.Events
	cfg sailpoint.Config
}

func (r *renewed) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := r.Events.Fetch(ctx, after)
	if err == nil && strings.Contains(string(page.Next), `"skip"`) {
		r.Events = sailpoint.NewClient(r.cfg).Events()
	}
	return page, err
}

// What is kept of a row that can't be had is the most that came of it, not what came last; a message in
// place of it is nothing of it, however long.
func TestMostIsKeptOfARowThatCantBeHad(t *testing.T) {
	for name, sent := range map[string]string{
		"longer than a message":  `{"id":"cut","text":"` + strings.Repeat("x", 200),
		"shorter than a message": `{"id":"cut","te`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				at := time.Now().Add(-time.Hour)
				indexed(tn, "cut", at, []byte(sent))
				indexed(tn, "later", at.Add(time.Minute), nil)
				alone := 0
				h := &tampered{Handler: tn, change: func(body []byte) []byte {
					if string(body) == "["+sent+"]" {
						if alone++; alone%2 == 0 {
							return []byte(`{"message":"Endpoint request timed out","items":[]}`)
						}
					}
					return body
				}}
				cfg := config(http.Handler(h))
				cfg.PageSize = 7
				seen, flawed := readPast(t, sailpoint.NewClient(cfg).Events())
				for _, r := range seen {
					if r.Flaw != "" && string(r.Raw) != "["+sent+"]" {
						t.Errorf("kept %q, want %q", r.Raw, "["+sent+"]")
					}
				}
				if flawed != 1 {
					t.Errorf("%d records of the row that can't be had, want 1", flawed)
				}
			})
		})
	}
}

// While rows are read by number, one that is indexed late shifts the others. It is found in the same
// walk, and a document without id that is on two pages because of it is still one record.
func TestRowsShiftWhileTheyAreReadByNumber(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		for page := 1; page <= 4; page++ {
			t.Run(fmt.Sprintf("%s/before page %d", name, page), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tn := newTenant()
					tn.RefuseIDSort = refuse
					at := time.Now().Add(-time.Hour)
					for i := range 18 {
						indexed(tn, fmt.Sprintf("tie%02d", i), at, nil)
					}
					tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"name":"no id"}`, at.UTC().Format("2006-01-02T15:04:05.000Z")), time.Time{})
					indexed(tn, "cut", at.Add(time.Second), []byte(`{"id":"cut","crea`))
					for i := range 9 {
						indexed(tn, fmt.Sprint("last", i), at.Add(time.Minute+time.Duration(i)*time.Second), nil)
					}
					cfg := config(tn)
					cfg.PageSize = 7
					pages := 0
					src := before{sailpoint.NewClient(cfg).Events(), func(after pipeline.Cursor) {
						if strings.Contains(string(after), `"skip"`) {
							if pages++; pages == page {
								indexed(tn, "tie00late", at, nil)
							}
						}
					}}
					seen, flawed := readPast(t, src)
					if _, late := seen["tie00late"]; !late || len(seen) != 18+1+1+9+1 || flawed < 1 {
						t.Errorf("%d records, the late one among them: %t; %d of the row that can't be had; want %d", len(seen), late, flawed, 18+1+1+9+1)
					}
				})
			})
		}
	}
}

// before is a stream that does something before each page.
type before struct {
	*sailpoint.Events
	do func(after pipeline.Cursor)
}

func (b before) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	b.do(after)
	return b.Events.Fetch(ctx, after)
}

// A service that answers with a whole message now and then, in place of a list, says nothing about
// the row that was asked for, even if it hits the same row several times in succession.
func TestMessagesInPlaceOfAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		at := time.Now().Add(-time.Hour)
		for i := range 5 {
			indexed(tn, fmt.Sprint("row", i), at.Add(time.Duration(i)*time.Minute), nil)
		}
		hits := 0
		h := &tampered{Handler: tn, change: func(body []byte) []byte {
			if strings.Contains(string(body), `"row2"`) {
				if hits++; hits <= 12 {
					return []byte(`{"message":"Endpoint request timed out"}`)
				}
			}
			return body
		}}
		cfg := config(http.Handler(h))
		cfg.PageSize = 7
		seen, flawed := readPast(t, sailpoint.NewClient(cfg).Events())
		if flawed != 0 || len(seen) != 5 {
			t.Errorf("%d records, %d of them of rows that can't be had; want 5 and 0", len(seen), flawed)
		}
	})
}

// A row that tells nothing is the same record whenever it is read: with the same id, and of the
// same time, for the ledger keeps ids by their time.
func TestNullRowStaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		at := time.Now().Add(-time.Hour)
		indexed(tn, "first", at, nil)
		src := sailpoint.NewClient(config(tn)).Events()
		page, err := src.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var kept []pipeline.Record
		for _, later := range []string{"second", "third"} {
			if len(kept) == 0 {
				indexed(tn, "null", at.Add(10*time.Minute), []byte("null"))
			} else {
				indexed(tn, later, at.Add(20*time.Minute), nil)
			}
			for range 10 {
				got, err := src.Fetch(t.Context(), page.Next)
				if err != nil {
					pass(time.Second)
					continue
				}
				for _, r := range got.Records {
					if r.Flaw != "" {
						kept = append(kept, r)
					}
				}
				break
			}
		}
		if len(kept) != 2 || kept[0].ID != kept[1].ID || !kept[0].Time.Equal(kept[1].Time) {
			t.Errorf("the row is %v", kept)
		}
	})
}

// A row that tells no time gets that of its neighbours only if the service must count all three in one
// window. In another window it would make up for an event that is missing there.
func TestTimeOfANullRow(t *testing.T) {
	for name, c := range map[string]struct {
		last  time.Duration // of the row after it, since the one before it
		dated bool
	}{
		"in one window":  {2 * time.Minute, true},
		"in two windows": {10 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				first := time.Now().Add(-2 * time.Hour).Truncate(time.Hour).Add(time.Minute)
				indexed(tn, "first", first, nil)
				indexed(tn, "null", first.Add(c.last/2), []byte("null"))
				indexed(tn, "last", first.Add(c.last), nil)
				seen, flawed := readPast(t, sailpoint.NewClient(config(tn)).Events())
				if flawed != 1 {
					t.Fatalf("%d records of one row that tells nothing", flawed)
				}
				for _, r := range seen {
					if r.Flaw == "" {
						continue
					}
					if window := 5 * time.Minute; r.Time.IsZero() == c.dated || c.dated && !r.Time.Truncate(window).Equal(first.Truncate(window)) {
						t.Errorf("its time is %v", r.Time)
					}
				}
			})
		})
	}
}

// A row that is indexed while another one is found to be out of reach does not lend it its number.
func TestLateRowBesideOneThatCantBeHad(t *testing.T) {
	type arrival struct {
		late time.Duration // after the first row; the fifth is 4 s after it, and where rows are read by number
		at   int           // the number of the count before which it is indexed
	}
	var arrivals []arrival
	for nth := range 8 {
		arrivals = append(arrivals, arrival{2500 * time.Millisecond, nth + 1}, arrival{10 * time.Second, nth + 1})
	}
	for _, c := range arrivals {
		t.Run(fmt.Sprintf("%v at count %d", c.late, c.at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				at := time.Now().Add(-time.Hour)
				for i := range 5 {
					indexed(tn, fmt.Sprint("before", i), at.Add(time.Duration(i)*time.Second), nil)
				}
				cut := at.Add(time.Minute)
				indexed(tn, "cut", cut, []byte(`{"id":"cut","crea`))
				for i := range 5 {
					indexed(tn, fmt.Sprint("later", i), at.Add(2*time.Minute+time.Duration(i)*time.Second), nil)
				}
				counts := 0
				h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/count") {
						if counts++; counts == c.at {
							indexed(tn, "late", at.Add(c.late), nil)
						}
					}
					tn.ServeHTTP(rw, r)
				})
				cfg := config(http.Handler(h))
				cfg.PageSize = 100
				seen, flawed := readPast(t, sailpoint.NewClient(cfg).Events())
				for _, r := range seen {
					if r.Flaw != "" && !r.Time.Equal(cut.Truncate(time.Millisecond)) {
						t.Errorf("%s of %v, and the row is of %v", r.ID, r.Time, cut)
					}
				}
				if flawed != 1 {
					t.Errorf("%d records of one row that can't be had", flawed)
				}
			})
		})
	}
}

// The only row of a window may be out of reach, or tell nothing: one after the window shows that it
// is the row.
func TestOnlyRowOfAWindow(t *testing.T) {
	for name, sent := range map[string]string{"cut": `{"id":"cut","crea`, "null": "null"} {
		t.Run(name, func(t *testing.T) { onlyRow(t, sent) })
	}
}

func onlyRow(t *testing.T, sent string) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		at := time.Now().Add(-time.Hour).Truncate(5 * time.Minute)
		indexed(tn, "cut", at.Add(time.Minute), []byte(sent))
		indexed(tn, "later", at.Add(20*time.Minute), nil)
		src := sailpoint.NewClient(config(tn)).Events()
		var after pipeline.Cursor
		flawed := 0
		for range 30 {
			page, err := src.FetchWindow(t.Context(), at, at.Add(5*time.Minute), after)
			if err != nil {
				pass(time.Second)
				continue
			}
			for _, r := range page.Records {
				if r.Flaw == "" {
					t.Errorf("%s is not of the window", r.ID)
				}
				flawed++
			}
			if after = page.Next; !page.More {
				break
			}
		}
		if flawed != 1 {
			t.Errorf("%d records of the row that can't be had, want 1", flawed)
		}
	})
}
