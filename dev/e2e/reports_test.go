package e2e_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/saas"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

const (
	reportRows    = "SailPointSaaS_Reports"
	reportsSecret = "canary-reports-secret-7b20"
)

// reportWorld has an app that receives SaaS Management reports.
func reportWorld(t *testing.T, seed int64, serve func(*world)) *world {
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: seed})
	w.env["SAAS_WEBHOOK_SECRET"] = reportsSecret
	w.workspace.Identify = func(_ string, raw []byte) string { return string(raw) }
	serve(w)
	return w
}

func postReport(ctx context.Context, url, body string, change func(*http.Request)) (int, string) {
	return postPush(ctx, url, body, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+reportsSecret)
		if change != nil {
			change(r)
		}
	})
}

// reportRow is what counts of a row.
type reportRow struct {
	Report     string
	DeliveryID string `json:"deliveryId"`
	RowNumber  int    `json:"rowNumber"`
	Row        string
}

// rowsOf are the rows at the workspace by report, how often each came.
func rowsOf(t *testing.T, w *world) map[string]map[string]int {
	t.Helper()
	rows := map[string]map[string]int{}
	for _, raw := range w.workspace.Table(reportRows).Raw() {
		var r reportRow
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if rows[r.Report] == nil {
			rows[r.Report] = map[string]int{}
		}
		rows[r.Report][r.Row]++
	}
	return rows
}

// Reports of every form get the right status through either kind of host, and their rows arrive
// within seconds, without the timer.
func TestReports(t *testing.T) {
	gzipped := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.String()
	}
	for name, proxies := range map[string]bool{"proxying": true, "forwarding": false} {
		t.Run(name, func(t *testing.T) {
			w := reportWorld(t, 41, func(w *world) { w.serve() })
			h, front := w.startApp(proxies)
			at := front.URL + "/api/hooks/saas/"
			refused := 0
			for _, tc := range []struct {
				url, body string
				change    func(*http.Request)
				want      int
			}{
				{at + "list", `[{"Name":"Zoom","App owner":"a@acme.example"},{"Name":"Slack"}]`, nil, 200},
				{at + "list", `[{"Name":"Zoom","App owner":"a@acme.example"},{"Name":"Slack"}]`, nil, 200}, // sent again
				{at + "changed", `[{"Name":"Zoom"}]`, nil, 200},
				{at + "changed", `[{"Name":"Zoom2"}]`, nil, 200},
				{at + "input", `{"input":{"rows":[{"a":1}]}}`, func(r *http.Request) { r.Header.Set("Authorization", reportsSecret) }, 200},
				{at + "lines", "{\"a\":1}\n{\"a\":\n{\"a\":3}\n", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 200},
				{at + "csv", "\xef\xbb\xbfName;Note\r\nA;\"over\ntwo \"\"lines\"\"\"\r\n", func(r *http.Request) { r.SetBasicAuth("x", reportsSecret) }, 200},
				{at + "gzip", gzipped(`[{"a":1}]`), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 200},
				{at + "gzip%20unmarked", gzipped(`[{"a":1}]`), nil, 200},
				{at + "damaged", gzipped(`[{"a":1}]`)[:12], nil, 200},
				{at + "cut", `[{"a":1},{"a":`, nil, 200},
				{at + "deep", `[{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}]`, nil, 200},
				{at + "odd", "[{\"a\":1,\"a\":2},{\"b\":\"\xff\"}]", nil, 200},
				{front.URL + "/api/hooks/saas", `{"reportName":"by itself","rows":[{"a":1}]}`, nil, 200},
				{at + "x", "", nil, 400},
				{at + "x", `[]`, func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, 415},
				{at + "x", `[]`, func(r *http.Request) { r.Header.Set("Authorization", "Bearer canary-wrong") }, 401},
				{at + "x", `[]`, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
				{at + "x", `[]`, func(r *http.Request) { r.Header.Set("Authorization", "") }, 401},
				{at + "x", `[]`, func(r *http.Request) {
					r.Header["Authorization"] = []string{"Bearer " + reportsSecret, "Bearer " + reportsSecret}
				}, 401},
				{at + "lower", `[{"a":1}]`, func(r *http.Request) { r.Header.Set("Authorization", "bearer "+reportsSecret) }, 200},
				{at + "text", `"canary"`, nil, 200}, // no row: it is in quarantine
				{at + "odd%20type", `[{"a":1}]`, func(r *http.Request) { r.Header.Set("Content-Type", "image/png") }, 200},
				{at + "x", strings.Repeat(" ", 30<<20+1), nil, 413},
				{front.URL + "/api/hooks/acme/saas", `[]`, nil, 404},
				{front.URL + "/api/hooks/sailpoint", `{}`, nil, 404},
			} {
				status, text := postReport(t.Context(), tc.url, tc.body, tc.change)
				if status != tc.want || strings.Contains(text, "canary") {
					t.Errorf("%s %.40q: status %d %s, want %d", tc.url, tc.body, status, text, tc.want)
				}
				if status != 200 {
					refused++
				}
			}
			eventually(t, 5*time.Second+loaded, "a line in the log for each refusal", func() bool { return refusals(t, h) == refused })
			deep := `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`
			want := map[string]map[string]int{
				"list":    {`{"Name":"Zoom","App owner":"a@acme.example"}`: 1, `{"Name":"Slack"}`: 1},
				"changed": {`{"Name":"Zoom"}`: 1, `{"Name":"Zoom2"}`: 1},
				"input":   {`{"a":1}`: 1}, "lines": {`{"a":1}`: 1, `{"a":3}`: 1},
				"csv":  {`{"Name":"A","Note":"over\ntwo \"lines\""}`: 1},
				"gzip": {`{"a":1}`: 1}, "gzip unmarked": {`{"a":1}`: 1}, "cut": {`{"a":1}`: 1}, "deep": {deep: 1},
				"lower": {`{"a":1}`: 1}, "odd type": {`{"a":1}`: 1},
				"odd":       {`{"a":1,"a":2}`: 1, "{\"b\":\"\uFFFD\"}": 1},
				"by itself": {`{"a":1}`: 1, `{"reportName":"by itself","rows":[]}`: 1},
			}
			total := 0
			for _, rows := range want {
				total += len(rows)
			}
			eventually(t, 30*time.Second+loaded, "rows", func() bool { return w.workspace.Table(reportRows).Count() >= total })
			got := rowsOf(t, w)
			for report, rows := range want {
				if fmt.Sprint(rows) != fmt.Sprint(got[report]) {
					t.Errorf("%s: rows %v, want %v", report, got[report], rows)
				}
				delete(got, report)
			}
			if len(got) > 0 {
				t.Errorf("more rows: %v", got)
			}
			eventually(t, 30*time.Second+loaded, "an end", func() bool { // the run for the last report may be at work
				rep := report(t, w.fire(h), reportRows)
				if rep.Sent != 0 || rep.State != "drained" && rep.State != "locked" {
					t.Fatalf("the timer's run: %+v", rep)
				}
				return rep.State == "drained"
			})
		})
	}
}

// A report is the same rows in each form that SaaS Management may give it, compressed or not, with
// or without its length, whichever way it presents the secret, and however often it comes.
func TestReportForms(t *testing.T) {
	for name, proxies := range map[string]bool{"proxying": true, "forwarding": false} {
		t.Run(name, func(t *testing.T) {
			w := reportWorld(t, 44, func(w *world) { w.serve() })
			_, front := w.startApp(proxies)
			var sender saas.Sender
			want := map[string]saas.Report{}
			for i, form := range saas.Forms() {
				for n, c := range []saas.Schedule{{}, {Gzip: true}, {Chunked: true, Retries: 1}, {Gzip: true, Chunked: true}, {Twice: true}} {
					r := saas.Licenses(int64(10*i+n), 30)
					if form == saas.Single {
						r.Rows = r.Rows[:1]
					}
					r.Name = fmt.Sprintf("%s-%d", cmp.Or(form, "list"), n)
					c.Form = form
					c.Webhook = saas.Webhook{URL: front.URL + "/api/hooks/saas/" + r.Name, Secret: reportsSecret, Presents: []saas.Presents{saas.Bearer, saas.Alone, saas.Basic}[(i+n)%3]}
					a, err := sender.Send(t.Context(), c, r)
					switch {
					case c.Chunked && !proxies: // the body is lost on its way, which must not look like a success
						if a.Status != http.StatusBadRequest {
							t.Errorf("%s: status %d, want 400", r.Name, a.Status)
						}
					case err != nil:
						t.Errorf("%s: %v", r.Name, err)
					default:
						want[r.Name] = r
					}
				}
			}
			total := 0
			for _, r := range want {
				total += len(r.Rows)
			}
			rows := func() (n int) { // those of the reports, without what surrounds them
				for _, of := range rowsOf(t, w) {
					for row, times := range of {
						if !strings.HasPrefix(row, `{"reportName"`) {
							n += times
						}
					}
				}
				return n
			}
			eventually(t, 30*time.Second+loaded, "rows", func() bool { return rows() >= total })
			got := rowsOf(t, w)
			for name, r := range want {
				for _, row := range r.Rows {
					values := map[string]string{}
					for i, column := range r.Columns {
						values[column] = row[i]
					}
					if times := takeRow(t, got[name], values); times != 1 {
						t.Errorf("%s: the row of %s came %d times", name, row[1], times)
					}
				}
			}
			if n := rows(); n != total {
				t.Errorf("%d rows, want %d", n, total)
			}
		})
	}
}

// takeRow returns how often a row with these values came.
func takeRow(t *testing.T, rows map[string]int, want map[string]string) (times int) {
	t.Helper()
	for text, n := range rows {
		var row map[string]any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, `\r\n`, `\n`)), &row); err != nil { // CSV breaks lines so
			t.Fatalf("%s: %v", text, err)
		}
		same := len(row) == len(want)
		for column, value := range want {
			same = same && row[column] == value
		}
		if same {
			times += n
		}
	}
	return times
}

// A report whose sender is gone before its end is not one: it is neither answered well nor delivered in
// part, and the whole one is delivered when it comes.
func TestReportBreaksOff(t *testing.T) {
	for name, proxies := range map[string]bool{"proxying": true, "forwarding": false} {
		t.Run(name, func(t *testing.T) {
			w := reportWorld(t, 46, func(w *world) { w.serve() })
			_, front := w.startApp(proxies)
			address := strings.TrimPrefix(front.URL, "http://")
			head := "POST /api/hooks/saas/r HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer " + reportsSecret + "\r\n"
			const part = "Name\nAda\nGrace\n"
			for _, rest := range []string{
				"Content-Length: 500\r\n\r\n" + part,
				"Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(part), part),
				"Transfer-Encoding: chunked\r\n\r\n500\r\n" + part,
			} {
				if answer := raw(t, address, head+rest); strings.Contains(answer, " 200 ") {
					t.Errorf("%q: %s", rest, answer)
				}
			}
			if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/r", part+"Edsger\n", nil); status != http.StatusOK {
				t.Errorf("status %d %s", status, text)
			}
			eventually(t, 30*time.Second+loaded, "rows", func() bool { return w.workspace.Table(reportRows).Count() >= 3 })
			if n := w.workspace.Table(reportRows).Count(); n != 3 {
				t.Errorf("%d rows, want 3", n)
			}
		})
	}
}

// raw sends bytes, ends its side of the connection, and returns what comes back.
func raw(t *testing.T, address, text string) string {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// Processes are killed while reports are sent and delivered: every row arrives, and only batches in
// flight come again.
func TestReportsKill(t *testing.T) {
	w := reportWorld(t, 42, func(w *world) { w.serve() })
	w.env["BATCH_BYTES"] = "60000"
	h, front := w.startApp(true)
	const reports, rows = 8, 3000
	body := func(n int) string {
		var b strings.Builder
		b.WriteString("Name,Report\n")
		for i := range rows {
			fmt.Fprintf(&b, "row %d,%d\n", i, n)
		}
		return b.String()
	}
	for n := range reports {
		for tries := 0; ; tries++ {
			dead := h
			timer := time.AfterFunc(time.Duration(20+60*(n+tries))*time.Millisecond, func() { dead.Kill() })
			status, _ := postReport(t.Context(), fmt.Sprintf("%s/api/hooks/saas/%d", front.URL, n), body(n), nil)
			if status == http.StatusOK {
				<-time.After(time.Duration(100*n) * time.Millisecond) // it is being delivered
			}
			timer.Stop()
			dead.Kill()
			h, front = w.startApp(true)
			if status == http.StatusOK {
				break
			}
			if tries > 40 {
				t.Fatal("a report is never taken")
			}
		}
	}
	eventually(t, 60*time.Second+loaded, "all rows", func() bool {
		_, _ = h.Fire(t.Context())
		distinct := 0
		for _, rows := range rowsOf(t, w) {
			distinct += len(rows)
		}
		return distinct == reports*rows
	})
	again := w.workspace.Table(reportRows).Count() - reports*rows
	if most := reports * w.workspace.Stats().LargestRows * 3; again > most {
		t.Errorf("%d rows came again, want at most %d", again, most)
	}
	t.Logf("%d rows came again", again)
	w.stateIsQuiet()
}

// A report of 30 MiB is received, stored, decoded and delivered in 64 MiB of memory, through either
// API.
func TestReportMemory(t *testing.T) {
	for name, serve := range map[string]func(w *world){
		"DataCollector": func(w *world) { w.serve() },
		"LogsIngestion": func(w *world) { w.serveRule() },
	} {
		t.Run(name, func(t *testing.T) {
			w := reportWorld(t, 43, serve)
			w.workspace.Compact = true
			w.env["RUN_BUDGET"] = "9m"
			h, front := w.startApp(true)
			var b strings.Builder
			b.WriteString(`{"rows":[`)
			rows := 0
			for ; b.Len() < 30<<20-300; rows++ {
				if rows > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"Name":"Adam Kennedy %d","Email":"adam.kennedy.%d@acme.example","Department":"Finance","Last activity":"2026-11-28T17:03:11Z","Application":"Zoom"}`, rows, rows)
			}
			b.WriteString("]}")
			begin := time.Now()
			if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/large", b.String(), nil); status != http.StatusOK {
				t.Fatalf("status %d %s", status, text)
			}
			answered := time.Since(begin)
			eventually(t, 3*time.Minute+loaded, "all rows", func() bool { return w.workspace.Table(reportRows).Count() >= rows })
			took := time.Since(begin)
			peak, err := h.PeakRSS()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d rows in %d MiB: answered after %.1f s, delivered after %.1f s, peak memory %.1f MiB", rows, b.Len()>>20, answered.Seconds(), took.Seconds(), float64(peak)/(1<<20))
			if peak > maxMemory {
				t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
			}
			if n := w.workspace.Table(reportRows).Count(); n != rows {
				t.Errorf("%d rows, want %d", n, rows)
			}
		})
	}
}
