package saas_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/saas"
)

func small() saas.Report {
	return saas.Report{Name: "Apps \"1\"", Columns: []string{"Name", "Last activity"}, Rows: [][]string{{"Zoom", "2026"}, {"a;\"b\"", "x\ny"}}}
}

func TestForms(t *testing.T) {
	const rows = `[{"Name":"Zoom","Last activity":"2026"},{"Name":"a;\"b\"","Last activity":"x\ny"}]`
	want := map[saas.Form]string{
		saas.List:      rows,
		saas.Rows:      `{"reportName":"Apps \"1\"","rows":` + rows + `}`,
		saas.Nested:    `{"reportName":"Apps \"1\"","data":{"rows":` + rows + `}}`,
		saas.Input:     `{"input":` + rows + `}`,
		saas.InputRows: `{"input":{"rows":` + rows + `}}`,
		saas.Single:    `{"Name":"Zoom","Last activity":"2026"}`,
		saas.Lines:     `{"Name":"Zoom","Last activity":"2026"}` + "\n" + `{"Name":"a;\"b\"","Last activity":"x\ny"}` + "\n",
		saas.CSV:       "Name,Last activity\r\nZoom,2026\r\n\"a;\"\"b\"\"\",\"x\r\ny\"\r\n",
		saas.Semicolon: "\xef\xbb\xbfName;Last activity\r\nZoom;2026\r\n\"a;\"\"b\"\"\";\"x\r\ny\"\r\n",
		saas.Tabs:      "Name\tLast activity\r\nZoom\t2026\r\n\"a;\"\"b\"\"\"\t\"x\r\ny\"\r\n",
	}
	for _, form := range saas.Forms() {
		body, contentType := form.Write(small())
		if diff := cmp.Diff(want[form], string(body)); diff != "" || contentType == "" {
			t.Errorf("%q, %s (-want +got):\n%s", form, contentType, diff)
		}
	}
}

// request is what a webhook got.
type request struct {
	auth, encoding, body string
	length               int64
}

// hook answers with statuses, one after the other; the last one stays.
func hook(got *[]request, statuses ...int) http.RoundTripper {
	return fault.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				panic(err)
			}
			body = z
		}
		text, _ := io.ReadAll(body)
		*got = append(*got, request{r.Header.Get("Authorization"), r.Header.Get("Content-Encoding"), string(text), r.ContentLength})
		w.WriteHeader(statuses[min(len(*got), len(statuses))-1])
	}))
}

func TestSend(t *testing.T) {
	to := func(p saas.Presents) saas.Webhook {
		return saas.Webhook{URL: "https://hook.example/r", Secret: "canary", Presents: p}
	}
	for name, tc := range map[string]struct {
		schedule saas.Schedule
		statuses []int
		posts    int
		auth     string
		fails    bool
	}{
		"once":               {saas.Schedule{Webhook: to(saas.Bearer)}, []int{200}, 1, "Bearer canary", false},
		"secret alone":       {saas.Schedule{Webhook: to(saas.Alone)}, []int{200}, 1, "canary", false},
		"basic":              {saas.Schedule{Webhook: to(saas.Basic)}, []int{200}, 1, "Basic c2Fhcy1tYW5hZ2VtZW50OmNhbmFyeQ==", false},
		"not sent again":     {saas.Schedule{Webhook: to(saas.Bearer)}, []int{503}, 1, "Bearer canary", true},
		"sent again":         {saas.Schedule{Webhook: to(saas.Bearer), Retries: 3, Wait: time.Minute}, []int{503, 503, 200}, 3, "Bearer canary", false},
		"given up":           {saas.Schedule{Webhook: to(saas.Bearer), Retries: 2, Wait: time.Minute}, []int{503}, 3, "Bearer canary", true},
		"twice":              {saas.Schedule{Webhook: to(saas.Bearer), Twice: true}, []int{200}, 2, "Bearer canary", false},
		"no redirect":        {saas.Schedule{Webhook: to(saas.Bearer)}, []int{302}, 1, "Bearer canary", true},
		"compressed":         {saas.Schedule{Webhook: to(saas.Bearer), Gzip: true}, []int{200}, 1, "Bearer canary", false},
		"without its length": {saas.Schedule{Webhook: to(saas.Bearer), Chunked: true}, []int{200}, 1, "Bearer canary", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []request
				s := &saas.Sender{Transport: hook(&got, tc.statuses...)}
				if _, err := s.Send(t.Context(), tc.schedule, small()); (err != nil) != tc.fails {
					t.Errorf("got %v", err)
				}
				body, _ := tc.schedule.Form.Write(small())
				for _, r := range got {
					if r.auth != tc.auth || r.body != string(body) || (r.encoding == "gzip") != tc.schedule.Gzip || (r.length < 0) != tc.schedule.Chunked {
						t.Errorf("sent %+v", r)
					}
				}
				if len(got) != tc.posts || len(s.Attempts()) != tc.posts {
					t.Errorf("%d posts, %d attempts, want %d", len(got), len(s.Attempts()), tc.posts)
				}
			})
		})
	}
}

// A schedule sends at its times, whatever becomes of each report.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []request
		s := &saas.Sender{Transport: hook(&got, 200, 500, 200)}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
		defer cancel()
		s.Run(ctx, saas.Schedule{
			Webhook: saas.Webhook{URL: "https://hook.example/r"}, First: begin.Add(time.Hour), Every: 24 * time.Hour,
			Report: func(at time.Time) saas.Report {
				return saas.Report{Name: at.Sub(begin).String(), Columns: []string{"a"}, Rows: [][]string{{"1"}}}
			},
		})
		var sent []string
		for _, a := range s.Attempts() {
			sent = append(sent, fmt.Sprint(a.Report, " ", a.At.Sub(begin), " ", a.Status))
		}
		if diff := cmp.Diff([]string{"1h0m0s 1h0m0s 200", "25h0m0s 25h0m0s 500", "49h0m0s 49h0m0s 200", "73h0m0s 73h0m0s 200", "97h0m0s 97h0m0s 200"}, sent); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestLicenses(t *testing.T) {
	if diff := cmp.Diff(saas.Licenses(7, 50), saas.Licenses(7, 50)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(saas.Licenses(7, 50), saas.Licenses(8, 50)) {
		t.Error("another seed gives the same report")
	}
}
