package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// serveFree is the other process of the benchmarks: a tenant with a backlog and
// a workspace that cost next to nothing, so that two cores are enough to
// measure the connector. A page is a piece of memory that was written before
// the clock started; the workspace reads a batch and forgets it.
func serveFree() int {
	t := httptest.NewServer(newFreeTenant(benchEvents))
	w := httptest.NewServer(http.HandlerFunc(swallow))
	fmt.Fprintf(os.Stdout, "%s\n%s\n", t.URL, w.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent goes
	return 0
}

// swallow is the documented answer of the Data Collector API behind the whole body.
func swallow(w http.ResponseWriter, r *http.Request) {
	buf := make([]byte, 256<<10)
	for {
		if _, err := r.Body.Read(buf); err == io.EOF {
			return
		} else if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// freeTenant serves events that are in memory in the order of created and id.
type freeTenant struct {
	gen   *synth.Generator
	text  []byte         // the events, with commas between
	ends  []int          // of each event in text
	index map[string]int // by id
}

func newFreeTenant(n int) *freeTenant {
	t := &freeTenant{
		gen:   synth.New(synth.Options{Seed: 41, Start: time.Now().Add(-24 * time.Hour), Rate: float64(n) / (23.5 * 3600), Bytes: 1024, Plain: true}),
		text:  make([]byte, 0, n*1200),
		index: make(map[string]int, n),
	}
	for i := range n {
		if i > 0 {
			t.text = append(t.text, ',')
		}
		t.text = t.gen.AppendEvent(t.text, i)
		t.ends = append(t.ends, len(t.text))
		t.index[t.gen.ID(i)] = i
	}
	return t
}

// ServeHTTP knows the requests that the connector makes, and no others.
func (t *freeTenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/oauth/token":
		_, _ = io.WriteString(w, `{"access_token":"free","token_type":"bearer","expires_in":7200}`)
	case "/trigger-invocations/v1/status":
		w.Header().Set("X-Total-Count", "0")
		_, _ = io.WriteString(w, `[]`)
	case "/search/v1", "/search/v1/count":
		t.search(w, r)
	default:
		http.NotFound(w, r)
	}
}

// freeQuery is what matters of a search.
type freeQuery struct {
	DSL struct {
		Bool struct {
			Must []struct {
				Range struct {
					Created struct {
						From time.Time `json:"gte"`
						To   time.Time `json:"lt"`
					} `json:"created"`
				} `json:"range"`
			} `json:"must"`
		} `json:"bool"`
	} `json:"queryDsl"`
	Sort        []string `json:"sort"`
	SearchAfter []string `json:"searchAfter"`
}

func (t *freeTenant) search(w http.ResponseWriter, r *http.Request) {
	var q freeQuery
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	from, to := 0, len(t.ends)
	for _, must := range q.DSL.Bool.Must {
		created := must.Range.Created
		from, to = t.gen.Search(to, created.From.UnixMilli()), t.gen.Search(to, created.To.UnixMilli())
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(to-from))
	if r.URL.Path == "/search/v1/count" {
		return
	}
	if len(q.SearchAfter) > 0 {
		last, known := t.index[q.SearchAfter[len(q.SearchAfter)-1]]
		if !known || fmt.Sprint(q.Sort) != "[created id]" {
			http.Error(w, "no event has the id of searchAfter, or the order is another than created, id", http.StatusBadRequest)
			return
		}
		from = max(from, last+1)
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	t.writePage(w, from, min(from+limit, to))
}

// writePage copies no event.
func (t *freeTenant) writePage(w http.ResponseWriter, from, to int) {
	var page []byte
	if from < to {
		begin := 0
		if from > 0 {
			begin = t.ends[from-1] + len(",")
		}
		page = t.text[begin:t.ends[to-1]]
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(page)+len("[]")))
	_, _ = io.WriteString(w, "[")
	_, _ = io.Copy(w, bytes.NewReader(page))
	_, _ = io.WriteString(w, "]")
}
