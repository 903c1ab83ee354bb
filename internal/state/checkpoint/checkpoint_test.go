package checkpoint_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

const (
	stream = "SailPointIDN_Events"
	key    = "acme.api.identitynow.com/checkpoints/SailPointIDN_Events.json"
)

var update = flag.Bool("update", false, "write golden files")

var now = time.Date(2026, 9, 24, 13, 9, 2, 117e6, time.UTC)

func open(store state.Store) *checkpoint.Store {
	c := checkpoint.New(store, "acme.api.identitynow.com")
	c.Writer, c.Now = "idn-sentinel 1.0.0", func() time.Time { return now }
	return c
}

func sample() pipeline.Checkpoint {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 9, day, hour, minute, 0, 0, time.UTC) }
	return pipeline.Checkpoint{
		Cursor: `{"after": ["2026-09-24T13:07:59.123Z","2c91808"]}`,
		Since:  at(20, 0, 0), Through: at(24, 13, 8),
		Audit: pipeline.AuditState{
			Through:  []time.Time{at(24, 13, 0), at(24, 12, 0)},
			Accepted: []pipeline.Difference{{From: at(23, 8, 5), Source: 7, Ledger: 6}},
			Undated:  at(24, 12, 30),
		},
		Pruned: at(24, 0, 1), Warned: at(3, 0, 1),
	}
}

func TestSaveAndLoad(t *testing.T) {
	ctx, backend := t.Context(), new(mem.Store)
	c := open(backend)

	got, err := c.Load(ctx, stream)
	if diff := cmp.Diff(pipeline.Checkpoint{}, got); err != nil || diff != "" {
		t.Fatalf("Load of none: %v (-want +got):\n%s", err, diff)
	}
	for _, cursor := range []pipeline.Cursor{`{"after":["2026-09-24T13:08:00Z","id\u0031"], "n":1.0}`, `null`, `[]`, ``} {
		want := sample()
		want.Cursor, want.Tag = cursor, got.Tag
		if got, err = c.Save(ctx, stream, want); err != nil {
			t.Fatal(err)
		}
		if got.Tag == want.Tag {
			t.Error("Save returns the tag of the replaced version")
		}
		want.Tag = got.Tag
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Save (-want +got):\n%s", diff)
		}
		loaded, err := open(backend).Load(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, loaded); diff != "" {
			t.Errorf("Load (-want +got):\n%s", diff)
		}
	}
	other, err := c.Load(ctx, "SailPointIDN_Triggers")
	if diff := cmp.Diff(pipeline.Checkpoint{}, other); err != nil || diff != "" {
		t.Errorf("Load of another stream: %v (-want +got):\n%s", err, diff)
	}
}

func TestSaveReplacesTheLoadedVersionOnly(t *testing.T) {
	ctx, backend := t.Context(), new(mem.Store)
	a, b := open(backend), open(backend)
	first, err := a.Save(ctx, stream, pipeline.Checkpoint{Cursor: `1`})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(ctx, stream, pipeline.Checkpoint{Cursor: `9`}); !errors.Is(err, state.ErrConflict) || !strings.Contains(err.Error(), "STATE_URL") {
		t.Errorf("Save over one that appeared meanwhile: %v, want ErrConflict and where to look", err)
	}
	first.Cursor = `2`
	if _, err := a.Save(ctx, stream, first); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(ctx, stream, first); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Save over one that moved meanwhile: %v, want ErrConflict", err)
	}
	if _, err := b.Save(ctx, stream, pipeline.Checkpoint{Cursor: `9`, Tag: "*"}); err == nil {
		t.Error(`Save over "any" version: no error`)
	}
	if got, err := b.Load(ctx, stream); err != nil || got.Cursor != `2` {
		t.Errorf("Load: %+v, %v; want the cursor 2", got, err)
	}
}

func TestSaveRefusesACursorThatIsNoJSON(t *testing.T) {
	for _, cursor := range []pipeline.Cursor{"{", "x", "1 2", "}", `1,"stream":"other"`, " ", "\"\xff\""} {
		if _, err := open(new(mem.Store)).Save(t.Context(), stream, pipeline.Checkpoint{Cursor: cursor}); err == nil {
			t.Errorf("Save of the cursor %q: no error", cursor)
		}
	}
}

// TestUnreadable: whatever is wrong, the stream stops, the user is told what to
// do, and the object stays as it was.
func TestUnreadable(t *testing.T) {
	golden := string(golden(t, "v1.json"))
	const restore, upgrade = "restore an earlier copy", "upgrade this app"
	for _, test := range []struct{ name, data, want string }{
		{"empty", "", restore},
		{"white", " \n", restore},
		{"cut", golden[:len(golden)/2], restore},
		{"cut by a byte", strings.TrimSuffix(golden, "}\n"), restore},
		{"zeros", "\x00\x00\x00\x00", restore},
		{"doubled", golden + golden, restore},
		{"another kind of JSON", "[]", restore},
		{"no version", `{"stream":"SailPointIDN_Events","cursor":1}`, restore},
		{"version 0", strings.Replace(golden, `"version":1`, `"version":0`, 1), restore},
		{"version is text", strings.Replace(golden, `"version":1`, `"version":"1"`, 1), restore},
		{"no stream", `{"version":1,"cursor":1}`, restore},
		{"another stream", strings.Replace(golden, "Events", "Triggers", 1), restore},
		{"time is not a time", strings.Replace(golden, "2026-09-24T13:08", "yesterday", 1), restore},
		{"year 10000", strings.Replace(golden, "2026-09-24T13:08:00Z", "9999-12-31T23:59:59-01:00", 1), restore},
		{"year 0, in a list", strings.Replace(golden, "2026-09-23T08:05:00Z", "0001-01-01T00:00:00+01:00", 1), restore},
		{"named twice", strings.Replace(golden, `"cursor"`, `"cursor":1,"cursor"`, 1), restore},
		{"newer", `{"version":2,"what":"ever"}`, upgrade},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, backend := t.Context(), new(mem.Store)
			if _, err := backend.Put(ctx, key, []byte(test.data), state.Absent); err != nil {
				t.Fatal(err)
			}
			c := open(backend)
			got, err := c.Load(ctx, stream)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), key) {
				t.Errorf("Load: %+v, %v; want an error that names the key and says %q", got, err, test.want)
			}
			if _, err := c.Save(ctx, stream, pipeline.Checkpoint{Cursor: `1`}); !errors.Is(err, state.ErrConflict) {
				t.Errorf("Save: %v, want that nothing is overwritten", err)
			}
			if o, err := backend.Get(ctx, key); err != nil || string(o.Data) != test.data {
				t.Errorf("object is %q, %v; want it as it was", o.Data, err)
			}
		})
	}
}

// A checkpoint that was copied from another tenant's place would skip events. Those of
// earlier versions name no tenant, and are read.
func TestTenant(t *testing.T) {
	ctx, backend := t.Context(), new(mem.Store)
	if _, err := backend.Put(ctx, key, golden(t, "v1.json"), state.Absent); err != nil {
		t.Fatal(err)
	}
	c := open(backend)
	got, err := c.Load(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Save(ctx, stream, got); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Load(ctx, stream); err != nil {
		t.Fatal(err)
	}
	o, err := backend.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backend.Put(ctx, strings.Replace(key, "acme", "globex", 1), o.Data, state.Absent); err != nil {
		t.Fatal(err)
	}
	_, err = checkpoint.New(backend, "globex.api.identitynow.com").Load(ctx, stream)
	for _, want := range []string{`"acme.api.identitynow.com"`, `"globex.api.identitynow.com"`, "TENANT_ID", "delete it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load of another tenant's: %v, want %s in it", err, want)
		}
	}
}

func TestStoreErrors(t *testing.T) {
	broken := errors.New("store is away")
	c := open(&mem.Store{Before: func(mem.Op, string) error { return broken }})
	if _, err := c.Load(t.Context(), stream); !errors.Is(err, broken) {
		t.Errorf("Load: %v", err)
	}
	if _, err := c.Save(t.Context(), stream, pipeline.Checkpoint{}); !errors.Is(err, broken) {
		t.Errorf("Save: %v", err)
	}
}

// codec keeps version 1 readable, with and without what was added to it.
func codec() statetest.Codec[checkpoint.File] {
	withAges := sample()
	withAges.Audit.AgeSeconds = []int64{300, 900}
	withTenant := withAges
	from := time.Date(2026, 9, 23, 8, 10, 0, 0, time.UTC)
	withTenant.Audit.Accepted = append([]pipeline.Difference{{From: from, Source: 6, Ledger: 7, Reason: pipeline.Forgotten}}, withAges.Audit.Accepted...)
	withTenant.Audit.Unexplained = []pipeline.Difference{
		{From: from.Add(5 * time.Minute), Source: 288, Ledger: 20, Checked: now},
		{From: from.Add(-48 * time.Hour), To: from.Add(-24 * time.Hour), Source: 2880, Ledger: 200, Windows: 10},
	}
	withTenant.Audit.Acknowledged = []pipeline.Acknowledgement{
		{From: from.Add(10 * time.Minute), To: from.Add(15 * time.Minute), Windows: 1, Source: 9, Ledger: 8, By: "ann", At: now, Why: "deleted by SailPoint's support, case 4711"},
	}
	moved := sample()
	moved.Audit.Unexplained = []pipeline.Difference{{From: from, To: from.Add(50 * time.Hour), Windows: 600, Reason: pipeline.Skipped}}
	file := func(c pipeline.Checkpoint, tenant string) checkpoint.File {
		return checkpoint.File{Stream: stream, Checkpoint: c, Tenant: tenant, Updated: now, Writer: "idn-sentinel 1.0.0"}
	}
	return statetest.Codec[checkpoint.File]{
		Encode: checkpoint.Encode, Decode: checkpoint.Decode, Draw: draw, Update: *update,
		Golden: map[string]checkpoint.File{
			"v1.json": file(sample(), ""), "v1-ages.json": file(withAges, ""), "v1-tenant.json": file(withTenant, "acme.api.identitynow.com"),
			"v1-moved.json": file(moved, "acme.api.identitynow.com"),
		},
		Newer: []string{`{"version":2}`, `{"version":2,"what":"ever"}`},
	}
}

func TestCodec(t *testing.T) { statetest.TestCodec(t, codec()) }

func FuzzDecode(f *testing.F) {
	statetest.FuzzCodec(f, codec(),
		`{"version":1,"stream":"s","updated":"2026-01-01T00:00:00Z"}`,
		`{"version":1,"stream":"s","cursor":null,"through":"0001-01-01T00:00:00Z"}`,
		`{"version":1,"stream":"s","updated":"9999-12-31T23:59:59-01:00"}`)
}

func draw(t *rapid.T) checkpoint.File {
	when := func(name string) time.Time {
		return time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
	}
	want := checkpoint.File{
		Stream: rapid.StringMatching(`[A-Za-z_]{1,20}`).Draw(t, "stream"),
		Checkpoint: pipeline.Checkpoint{
			Cursor: rapid.Custom(drawCursor).Draw(t, "cursor"),
			Since:  when("since"), Through: when("through"), Pruned: when("pruned"),
		},
		Tenant: rapid.String().Draw(t, "tenant"), Updated: when("updated"), Writer: rapid.String().Draw(t, "writer"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "ages") {
		audit := &want.Checkpoint.Audit
		audit.Through = append(audit.Through, when("audited"))
		audit.AgeSeconds = append(audit.AgeSeconds, rapid.Int64().Draw(t, "age"))
		audit.Accepted = append(audit.Accepted, pipeline.Difference{From: when("from"), Source: rapid.Int64().Draw(t, "n")})
		audit.Unexplained = append(audit.Unexplained, pipeline.Difference{From: when("open"), To: when("to"), Checked: when("checked"), Windows: rapid.Int64().Draw(t, "windows")})
		audit.Acknowledged = append(audit.Acknowledged, pipeline.Acknowledgement{From: when("word"), At: when("at"), By: rapid.String().Draw(t, "by"), Why: rapid.String().Draw(t, "why")})
	}
	return want
}

func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func drawCursor(t *rapid.T) pipeline.Cursor {
	return pipeline.Cursor(rapid.SampledFrom([]string{
		``, `null`, `{}`, `"text\u00e9\/"`, `1.50E+2`, `[1, 2 ,{"a" : "b"}]`, "{\n\t\"n\": 18446744073709551615}", `{"version":7,"stream":"x"}`,
	}).Draw(t, "json"))
}

// Replace is for a checkpoint that can't be read, and for no other.
func TestReplace(t *testing.T) {
	for name, test := range map[string]struct {
		stored   string
		replaced bool
	}{
		"damaged":   {"{", true},
		"empty":     {"", true},
		"readable":  {string(golden(t, "v1.json")), false},
		"newer":     {`{"version":2}`, false},
		"not there": {"-", false},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			if test.stored != "-" {
				if _, err := store.Put(t.Context(), key, []byte(test.stored), state.Absent); err != nil {
					t.Fatal(err)
				}
			}
			_, err := open(store).Replace(t.Context(), stream, pipeline.Checkpoint{Cursor: `9`})
			if (err == nil) != test.replaced {
				t.Errorf("Replace: %v", err)
			}
			o, _ := store.Get(t.Context(), key)
			if replaced := strings.Contains(string(o.Data), `"cursor":9`); replaced != test.replaced {
				t.Errorf("it holds %q", o.Data)
			}
		})
	}
}

// What was repaired between the look and the replacement stays.
func TestReplaceMeetsARepair(t *testing.T) {
	gets := 0
	store := new(mem.Store)
	store.After = func(op mem.Op, _ string) error {
		if op == mem.Get {
			gets++
		}
		return nil
	}
	repaired := func() {
		if _, err := store.Put(t.Context(), key, golden(t, "v1.json"), state.Any); err != nil {
			t.Fatal(err)
		}
	}
	store.Before = func(op mem.Op, _ string) error {
		if op == mem.Put && gets == 2 {
			gets++
			repaired()
		}
		return nil
	}
	if _, err := store.Put(t.Context(), key, []byte("{"), state.Absent); err != nil {
		t.Fatal(err)
	}
	if _, err := open(store).Replace(t.Context(), stream, pipeline.Checkpoint{Cursor: `9`}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Replace: %v, want ErrConflict", err)
	}
	if o, err := store.Get(t.Context(), key); err != nil || string(o.Data) != string(golden(t, "v1.json")) {
		t.Errorf("it holds %q, %v", o.Data, err)
	}
}
