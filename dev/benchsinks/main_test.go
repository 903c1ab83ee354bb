package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The processes that a benchmark starts are this program, which is the test here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if err := play(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every sender brings everything to the stand-in, and leaves all figures.
func TestSenders(t *testing.T) {
	const events = 2500 // more than one request of each
	if err := nodetools.InstallIn(t.Context(), ".", "@azure/monitor-ingestion"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data, err := writeData(filepath.Join(dir, "events.ndjson"), events)
	if err != nil {
		t.Fatal(err)
	}
	results, err := measureAll(t.Context(), plan{events: events, runs: 1, latencies: []time.Duration{0}}, ".", dir, data)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 {
		t.Fatalf("%d results", len(results))
	}
	for i, f := range results {
		if f.Seconds <= 0 || f.CPU <= 0 || f.process < f.CPU || f.Held <= 0 || f.peak < f.Held || f.Rows != events {
			t.Errorf("%s: %+v", f.sender, f)
		}
		// Only azlogs sends as it is.
		compressed := f.Wire < data.bytes/2
		if wantCompressed := i != 1; compressed != wantCompressed || f.Wire < data.bytes/20 || f.Wire > data.bytes*11/10 {
			t.Errorf("%s: %d bytes on the wire of %d", f.sender, f.Wire, data.bytes)
		}
		if wantRequests := []int{1, 3, 3}[i]; f.Requests != wantRequests {
			t.Errorf("%s: %d requests, want %d", f.sender, f.Requests, wantRequests)
		}
	}
}

// A sender that fails has no figures.
func TestSenderFails(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data := dataset{file: filepath.Join(dir, "missing"), events: 1}
	if f, err := measure(t.Context(), sender{"ours", []string{self, roleOurs}}, 0, dir, data); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestCheck(t *testing.T) {
	data := dataset{events: 2, ids: 7}
	for name, c := range map[string]struct {
		arrived arrived
		want    string
	}{
		"all":     {arrived{Rows: 2, IDs: 7}, ""},
		"missing": {arrived{Rows: 1, IDs: 7}, "1 rows"},
		"twice":   {arrived{Rows: 2, Duplicates: 1, IDs: 7}, "1 more"},
		"others":  {arrived{Rows: 2, IDs: 8}, "not those"},
		"refused": {arrived{Rows: 2, IDs: 7, Refused: "401 InvalidToken"}, "401 InvalidToken"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.arrived.check(data)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// The front says yes to everything, after its latency; what the service would
// have refused is found afterwards.
func TestFront(t *testing.T) {
	post := func(token, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/dataCollectionRules/"+workspace.DefaultRule+"/streams/Custom-"+stream+"?api-version=2023-01-01", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	for name, c := range map[string]struct {
		token, body string
		want        arrived
	}{
		"taken":     {"", `[{"id":"a"},{"id":"b"},{"id":"a"}]`, arrived{Requests: 1, Rows: 2, Duplicates: 1}},
		"bad_token": {"x", `[{"id":"a"}]`, arrived{Requests: 1, Refused: "401"}},
		"too_large": {"", `[{"id":"` + strings.Repeat("a", 1<<20) + `"}]`, arrived{Requests: 1, Refused: "413"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &front{latency: 150 * time.Millisecond}
				begin := time.Now()
				answer := httptest.NewRecorder()
				if c.token == "" {
					c.token = token()
				}
				f.ServeHTTP(answer, post(c.token, c.body))
				if d := time.Since(begin); d != f.latency || answer.Code != http.StatusNoContent {
					t.Errorf("answer %d after %v", answer.Code, d)
				}
				got := f.judge()
				got.IDs = 0
				if len(got.Refused) > 3 {
					got.Refused = got.Refused[:3]
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Arrays are as full as they may be, and hold every record once.
func TestJoin(t *testing.T) {
	record := func(size int) pipeline.Record {
		return pipeline.Record{Raw: jsontext.Value(`{"x":"` + strings.Repeat("y", size-len(`{"x":""}`)) + `"}`)}
	}
	const half = (mostPerCall - len("[,]")) / 2
	for name, c := range map[string]struct {
		sizes []int
		want  []int // records of each array
	}{
		"one":           {[]int{10}, []int{1}},
		"two_that_fit":  {[]int{half, half}, []int{2}},
		"a_byte_more":   {[]int{half, half + 2}, []int{1, 1}},
		"largest":       {[]int{mostPerCall - 2, 10}, []int{1, 1}},
		"none_fits":     {[]int{mostPerCall - 1}, []int{0}},
		"many_of_300KB": {[]int{300_000, 300_000, 300_000, 300_000}, []int{3, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var records []pipeline.Record
			for _, size := range c.sizes {
				records = append(records, record(size))
			}
			var got []int
			for rest := records; len(rest) > 0; {
				body, n := join(nil, rest)
				got = append(got, n)
				if n == 0 {
					break
				}
				var raws [][]byte
				for _, r := range rest[:n] {
					raws = append(raws, r.Raw)
				}
				if want := "[" + string(bytes.Join(raws, []byte(","))) + "]"; string(body) != want || len(body) > mostPerCall {
					t.Errorf("array of %d bytes, want %d", len(body), len(want))
				}
				rest = rest[n:]
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTable(t *testing.T) {
	at := func(latency time.Duration, name string, seconds float64) figures {
		return figures{
			sender: name, latency: latency, sent: sent{Seconds: seconds, CPU: 0.5, Held: 10 << 20},
			arrived: arrived{Requests: 3, Wire: 2_000_000, Rows: 1000}, process: 1, peak: 20 << 20,
		}
	}
	if got := median([]figures{at(0, "a", 3), at(0, "b", 1), at(0, "c", 2)}); got.sender != "c" {
		t.Errorf("the median is %s", got.sender)
	}
	var out bytes.Buffer
	results := []figures{at(0, "ours", 1), at(0, "other", 2), at(time.Second, "ours", 2), at(time.Second, "other", 1)}
	if err := printTable(&out, 3, dataset{events: 1000, bytes: 1_070_000}, results); err != nil {
		t.Fatal(err)
	}
	want := `1000 events, 1.1 MB of JSON; of 3 runs each the one with the median time

  answers  sender  records/s  seconds  requests  MB on wire  CPU s  of process  peak MiB  at start  rows
       0s    ours       1000     1.00         3         2.0   0.50        1.00        20        10  1000
       0s   other        500     2.00         3         2.0   0.50        1.00        20        10  1000
       1s    ours        500     2.00         3         2.0   0.50        1.00        20        10  1000
       1s   other       1000     1.00         3         2.0   0.50        1.00        20        10  1000
` + legend + `answers after 0s: ours sends 2.00 times the records a second of other
answers after 1s: ours sends 0.50 times the records a second of other
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-events", "0"}, {"-runs", "0"}, {"-events", "10", "more"}, {"other"}} {
		if err := play(t.Context(), args, strings.NewReader(""), &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
