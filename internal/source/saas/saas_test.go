package saas_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/saas"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// records posts a report and returns its records, each "number: row", with "!" for a flaw.
func records(t *testing.T, name, kind, body string) (list []string, all []pipeline.Record) {
	t.Helper()
	box := boxOf(new(mem.Store))
	box.PartBytes = 1000
	r, _, err := box.Put(t.Context(), name, kind, noon, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	src := saas.New(box)
	var after pipeline.Cursor
	for {
		page, err := src.Fetch(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			number := strings.TrimPrefix(rec.ID, r.ID+"#")
			text := number + " " + strings.TrimPrefix(string(rec.Raw), fmt.Sprintf(`{"report":%q,"received":"2026-11-29T12:00:00.000Z","deliveryId":%q,`, name, r.ID))
			if rec.Flaw != "" {
				text = "!" + text
			}
			if !rec.Time.Equal(noon) {
				t.Errorf("record %s has the time %v", rec.ID, rec.Time)
			}
			list, all = append(list, text), append(all, rec)
		}
		if after = page.Next; !page.More {
			return list, all
		}
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func TestRows(t *testing.T) {
	damaged := zipped(`[{"a":1}]`)
	damaged = damaged[:len(damaged)-4]
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"JSON":          {`[{"A b":"x\"y"},{"n":1.0e400}]`, []string{`1 "rowNumber":1,"row":"{\"A b\":\"x\\\"y\"}"}`, `2 "rowNumber":2,"row":"{\"n\":1.0e400}"}`}},
		"CSV":           {"Name;Email\n\"A\nB\";a@b\n", []string{`1 "rowNumber":1,"row":"{\"Name\":\"A\\nB\",\"Email\":\"a@b\"}"}`}},
		"gzip":          {zipped(`{"input":{"a":1}}`), []string{`1 "rowNumber":1,"row":"{\"a\":1}"}`}},
		"pretty":        {"[{\n\t\"a\": 1\r\n}]", []string{`1 "rowNumber":1,"row":"{\n\t\"a\": 1\r\n}"}`}},
		"invalid UTF-8": {"[{\"a\":\"\xff\"}]", []string{"1 \"rowNumber\":1,\"row\":\"{\\\"a\\\":\\\"\xff\\\"}\"}"}},
		"surroundings":  {`{"n":1,"rows":[{"a":1}]}`, []string{`1 "rowNumber":1,"row":"{\"a\":1}"}`, `0 "rowNumber":0,"row":"{\"n\":1,\"rows\":[]}"}`}},
		"bad row":       {`[{"a":1},7,{"a":2}]`, []string{`1 "rowNumber":1,"row":"{\"a\":1}"}`, `!2 7`, `3 "rowNumber":3,"row":"{\"a\":2}"}`}},
		"cut":           {`[{"a":1},{"a`, []string{`1 "rowNumber":1,"row":"{\"a\":1}"}`, `!2.1 {"a`, fmt.Sprintf(`!end "bytes":%d}`, 12)}},
		"damaged gzip":  {damaged, []string{`1 "rowNumber":1,"row":"{\"a\":1}"}`, fmt.Sprintf(`!end "bytes":%d}`, len(damaged)), "!original.1 " + damaged}},
		"HTML":          {"<html>", []string{`!end "bytes":6}`, "!original.1 <html>"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := records(t, "Apps", "", c.body)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// All bytes of a report that can't be read are kept.
func TestOriginalIsKept(t *testing.T) {
	body := "<html>" + strings.Repeat("0123456789", 500)
	var kept []byte
	_, all := records(t, "Apps", "", body)
	for _, rec := range all {
		if rec.Flaw == "" {
			t.Errorf("a row was made of it: %s", rec.Raw)
		}
		if strings.Contains(rec.ID, "#original.") {
			kept = append(kept, rec.Raw...)
		}
	}
	if string(kept) != body {
		t.Errorf("%d bytes of %d are kept", len(kept), len(body))
	}
}

// A report that names itself is named if its address does not.
func TestName(t *testing.T) {
	const body = `{"reportName":"Unused apps","rows":[{"a":1}]}`
	for address, want := range map[string]string{"": "Unused apps", "Apps": "Apps"} {
		_, all := records(t, address, "", body)
		if !strings.HasPrefix(string(all[0].Raw), `{"report":"`+want+`"`) {
			t.Errorf("address %q: %s", address, all[0].Raw)
		}
	}
}

const canary = "canary-saas-secret-91f0"

func TestAdmits(t *testing.T) {
	c := saas.Connect(saas.Config{Secret: secret.New(canary)})
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for name, test := range map[string]struct {
		headers []string
		want    bool
	}{
		"bearer":         {[]string{"Bearer " + canary}, true},
		"lower case":     {[]string{"bearer " + canary}, true},
		"alone":          {[]string{canary}, true},
		"basic":          {[]string{basic("any", canary)}, true},
		"none":           {nil, false},
		"empty":          {[]string{""}, false},
		"bearer alone":   {[]string{"Bearer "}, false},
		"wrong":          {[]string{"Bearer " + canary + "x"}, false},
		"begins alike":   {[]string{canary[:20]}, false},
		"wrong password": {[]string{basic(canary, "x")}, false},
		"two":            {[]string{"Bearer " + canary, "Bearer " + canary}, false},
		"wrong scheme":   {[]string{"Token " + canary}, false},
	} {
		if got, err := c.Admits(t.Context(), test.headers); got != test.want || err != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if ok, _ := saas.Connect(saas.Config{}).Admits(t.Context(), []string{"Bearer "}); ok {
		t.Error("without a secret anything is admitted")
	}
	if text := fmt.Sprintf("%+v %s", c, c.Describe()); strings.Contains(text, canary) {
		t.Errorf("the secret shows: %s", text)
	}
}

func TestDeposit(t *testing.T) {
	gone := errors.New("gone")
	for name, test := range map[string]struct {
		encoding string
		body     io.Reader
		status   int
		err      error
	}{
		"plain":       {"", strings.NewReader("[]"), 0, nil},
		"gzip":        {" GZIP", strings.NewReader("[]"), 0, nil},
		"deflate":     {"deflate", strings.NewReader("[]"), http.StatusUnsupportedMediaType, nil},
		"empty":       {"", strings.NewReader(""), http.StatusBadRequest, nil},
		"breaks off":  {"", iotest.ErrReader(gone), 0, gone},
		"not a table": {"", strings.NewReader("<html>"), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := saas.Connect(saas.Config{Secret: secret.New(canary), Box: boxOf(new(mem.Store))})
			got, err := c.Deposit(t.Context(), source.Upload{Rest: "/Apps/", ContentEncoding: test.encoding, At: noon, Body: test.body})
			var unacceptable *source.Unacceptable
			switch {
			case test.err != nil && !errors.Is(err, test.err):
				t.Errorf("got %v, want %v", err, test.err)
			case test.status != 0 && (!errors.As(err, &unacceptable) || unacceptable.Status != test.status):
				t.Errorf("got %v, want status %d", err, test.status)
			case test.status == 0 && test.err == nil && (err != nil || got.ID == "" || got.Again):
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A damaged report fails each run and stays, whatever is acknowledged. Once it is restored its rows come, and
// none of them comes twice.
func TestDamagedAndRestored(t *testing.T) {
	const rows, folder = 3000, "acme/inbox/" + saas.StreamID + "/"
	replace := func(old, with string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(with), 1) }
	}
	for name, c := range map[string]struct {
		object string // of the report ID
		change func([]byte) []byte
		pages  int // are read before the damage
	}{
		"first part":                   {"parts/ID/000001", func([]byte) []byte { return nil }, 0},
		"part in the middle":           {"parts/ID/000006", func(b []byte) []byte { return b[:len(b)-1] }, 0},
		"part that was read already":   {"parts/ID/000001", func(b []byte) []byte { return b[:len(b)-1] }, 1},
		"fewer parts than were stored": {"waiting/ID", replace(`"parts":12`, `"parts":10`), 0},
		"one part only":                {"waiting/ID", replace(`"parts":12`, `"parts":1`), 0},
		"more bytes than were stored":  {"waiting/ID", replace(`"bytes":12004`, `"bytes":12005`), 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			box := boxOf(store)
			box.PartBytes = 1001
			r, _, err := box.Put(t.Context(), "Apps", "", noon, strings.NewReader("a,b\n"+strings.Repeat("1,2\n", rows)))
			if err != nil || r.Parts != 12 || r.Bytes != 12004 {
				t.Fatal(r, err)
			}
			key := folder + strings.ReplaceAll(c.object, "ID", r.ID)
			src := saas.New(box)
			seen := map[string]bool{}
			var after pipeline.Cursor
			var last pipeline.Page
			walk := func(most int) {
				t.Helper()
				for n := 0; n < most; n++ {
					page, err := src.Fetch(t.Context(), after)
					if err != nil {
						t.Fatal(err)
					}
					for _, rec := range page.Records {
						if seen[rec.ID] || rec.Flaw != "" {
							t.Fatalf("record %s came twice, or with a flaw %q", rec.ID, rec.Flaw)
						}
						seen[rec.ID] = true
					}
					if page.More && page.Next == after {
						t.Fatal("the walk stands still")
					}
					if last, after = page, page.Next; !page.More {
						if err := src.Ack(t.Context(), after); err != nil {
							t.Fatal(err)
						}
						return
					}
				}
				if most > c.pages {
					t.Fatal("the walk does not end")
				}
			}
			walk(c.pages)
			whole, err := store.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Put(t.Context(), key, c.change(bytes.Clone(whole.Data)), state.Any); err != nil {
				t.Fatal(err)
			}
			for round := range 4 {
				if round%2 == 0 {
					src = saas.New(boxOf(store)) // the next process
				}
				walk(20)
				if last.Incomplete == nil || len(seen) == rows {
					t.Fatalf("%d rows came, and the last page says %v", len(seen), last.Incomplete)
				}
				for _, text := range []string{strings.TrimPrefix(key, folder), "restore it", "delete waiting/" + r.ID} {
					if !strings.Contains(last.Incomplete.Error(), text) {
						t.Errorf("the error does not say %q: %v", text, last.Incomplete)
					}
				}
			}
			if _, err := store.Put(t.Context(), key, whole.Data, state.Any); err != nil {
				t.Fatal(err)
			}
			walk(20)
			if last.Incomplete != nil || len(seen) != rows {
				t.Errorf("restored: %d rows came, and the last page says %v", len(seen), last.Incomplete)
			}
			walk(20)
			if list, _, err := box.Waiting(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("%d reports wait after all was delivered, %v", len(list), err)
			}
		})
	}
}

// A fault of the state while a report is read costs a repetition, and no row.
func TestFaultWhileReading(t *testing.T) {
	body := "a,b\n" + strings.Repeat("1,2\n", 3000)
	for n := 1; ; n++ {
		count, fault := 0, errors.New("down")
		store := new(mem.Store)
		box := boxOf(store)
		box.PartBytes = 1000
		if _, _, err := box.Put(context.Background(), "Apps", "", noon, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		store.Before = func(mem.Op, string) error {
			if count++; count == n {
				return fault
			}
			return nil
		}
		src := saas.New(box)
		seen := map[string]bool{}
		var after pipeline.Cursor
		faults, pages := 0, 0
		for more := true; more; {
			page, err := src.Fetch(t.Context(), after)
			if err != nil {
				if faults++; faults > 1 || !errors.Is(err, fault) {
					t.Fatal(err)
				}
				continue
			}
			for _, rec := range page.Records {
				if seen[rec.ID] || rec.Flaw != "" {
					t.Fatalf("record %s came twice, or with a flaw %q", rec.ID, rec.Flaw)
				}
				seen[rec.ID] = true
			}
			if after, more = page.Next, page.More; len(seen) == 3000 && more {
				if pages++; pages > 5 {
					t.Fatal("the walk does not end")
				}
			}
		}
		if len(seen) != 3000 {
			t.Errorf("fault at operation %d: %d rows", n, len(seen))
		}
		if faults == 0 {
			if n < 10 {
				t.Errorf("only %d operations", n)
			}
			return
		}
	}
}
