package synth_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// onDemand are the shapes that do not occur by themselves.
const onDemand = synth.NoID | synth.NullCreated | synth.InvalidUTF8 | synth.Huge | synth.Poison

// object decodes an event without judging duplicate names.
func object(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		t.Fatalf("%v in %.2000s", err, raw)
	}
	return m
}

func at(m map[string]any, path ...string) any {
	var v any = m
	for _, name := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[name]
	}
	return v
}

func TestEveryShapeShows(t *testing.T) {
	hex := func(n int) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, _ []byte, m map[string]any) {
			if id, ok := m["id"].(string); !ok || len(id) != n || strings.Trim(id, "0123456789abcdef") != "" {
				t.Errorf("id %v", m["id"])
			}
		}
	}
	value := func(want any, path ...string) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, _ []byte, m map[string]any) {
			if diff := gocmp.Diff(want, at(m, path...)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", path, diff)
			}
		}
	}
	absent := func(names ...string) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, _ []byte, m map[string]any) {
			for _, name := range names {
				if v, ok := m[name]; ok {
					t.Errorf("%s is %v", name, v)
				}
			}
		}
	}
	contains := func(text string) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, raw []byte, _ map[string]any) {
			if !bytes.Contains(raw, []byte(text)) {
				t.Errorf("no %q in %.2000s", text, raw)
			}
		}
	}
	match := func(pattern string) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, raw []byte, _ map[string]any) {
			if !regexp.MustCompile(pattern).Match(raw) {
				t.Errorf("no %q in %.2000s", pattern, raw)
			}
		}
	}
	synced := func(low, high time.Duration) func(*testing.T, []byte, map[string]any) {
		return func(t *testing.T, _ []byte, m map[string]any) {
			created, err1 := time.Parse(time.RFC3339, m["created"].(string))
			indexed, err2 := time.Parse(time.RFC3339, m["synced"].(string))
			if d := indexed.Sub(created); err1 != nil || err2 != nil || d < low || d > high {
				t.Errorf("created %v, synced %v", m["created"], m["synced"])
			}
		}
	}
	cases := map[synth.Shape]func(*testing.T, []byte, map[string]any){
		0:                     hex(64),
		synth.ID32Hex:         hex(32),
		synth.IDUUID:          match(`^{"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}"`),
		synth.SyncedLater:     synced(time.Millisecond, 5*time.Second),
		synth.SyncedMuchLater: synced(11*24*time.Hour, 11*24*time.Hour),
		synth.SyncedAbsent:    absent("synced"),
		synth.ActorAbsent:     absent("actor"),
		synth.ActorExtra:      match(`"actor":{"id":"[0-9a-f]{32}","displayName":"\w+\.\w+","name":"`),
		synth.ActorHexName:    match(`"actor":{"name":"[0-9a-f]{32}"}`),
		synth.ActorOddName:    match(`"actor":{"name":"(unknown|Not Available|Fontaine, Ada)"}`),
		synth.TargetEmpty:     value(map[string]any{}, "target"),
		synth.TargetComposite: match(`"target":{"name":"(Joiner policy : \S{36} type: GENERAL|AWS SSO \[source-\d{5}\])"}`),
		synth.EmptyStrings:    contains(`"ipAddress":"","details":""`),
		synth.FewFields:       absent("pod", "org", "_type", "_version", "trackingNumber"),
		synth.OtherVersion:    value("v7", "_version"),
		synth.StackAbsent:     absent("stack"),
		synth.ScopeText:       value(`["sp:scopes:all"]`, "attributes", "scope"),
		synth.ScopeArray:      value([]any{"sp:search:read", "sp:scopes:default"}, "attributes", "scope"),
		synth.JSONInString:    match(`"owners":"\[{\\"id\\":\\"[0-9a-f]{32}\\",\\"isPrimary\\":true}\]"`),
		synth.BooleanString:   value("true", "attributes", "manuallyCreated"),
		synth.LiteralWords:    contains(`"appId":"null","operation":"NONE","userId":"unknown","accountSource":"source"`),
		synth.NumberString:    match(`"duration":"\d+","identitiesTotal":"\d+"`),
		synth.HostName:        match(`"hostName":"(24|203\.0\.113\.\d+|va-1\.corp\.example)"`),
		synth.BracedGUID:      match(`"accountUuid":"{[0-9a-f-]{36}}"`),
		synth.BigNumber:       contains(`"processId":9007199254740993,`),
		synth.EmptyAttributes: value(map[string]any{}, "attributes"),
		synth.LongTokens: func(t *testing.T, _ []byte, m map[string]any) {
			for _, name := range []string{"groupsDeltaToken_before", "groupsDeltaToken_after"} {
				if v, ok := at(m, "attributes", name).(string); !ok || len(v) < 33_000 || len(v) > 70_000 {
					t.Errorf("%s has %d bytes", name, len(v))
				}
			}
		},
		synth.SpacedNames:   match(`"technicalName":"[^"]* EVENT_[^"]*","objects":\["[^"]* EVENT"\]`),
		synth.GenericAction: match(`"action":"(create|update|delete)"`),
		synth.UnlistedType:  match(`"type":"[^"]*_(ACTION|CREATE|UPDATE|DELETE|MODIFY|ADD|REMOVE|ENABLE|DISABLE)D"`),
		synth.OldShape:      match(`"datetime":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d".*"type":null,.*"target":"[^"]+","source":"[^"]+","hostname":"[^"]+","ipaddr":"`),
		synth.Escapes:       match(`"actor":{"name":"(Zoë|[^"]*(\\.|[^ -~]))`),
		synth.Whitespace:    contains(",\n  \"created\": "),
		synth.DuplicateKey:  match(`"status":.*"status":"FAILED"`),
		synth.NoID:          absent("id"),
		synth.NullCreated:   value(nil, "created"),
		synth.InvalidUTF8:   contains("broken \xff byte"),
		synth.Poison:        value(synth.PoisonText, "attributes", "info"),
		synth.Huge: func(t *testing.T, raw []byte, _ map[string]any) {
			if len(raw) < 1_500_000 || len(raw) > 1_600_000 {
				t.Errorf("%d bytes", len(raw))
			}
		},
	}
	g := synth.New(synth.Options{Plain: true})
	for shape, check := range cases {
		for i := range 8 {
			raw := g.EventWith(i, shape)
			check(t, raw, object(t, raw))
			if t.Failed() {
				t.Fatalf("shape %#x, event %d", uint64(shape), i)
			}
		}
	}
	if len(cases) != len(synth.Frequencies())+6 {
		t.Errorf("%d cases for %d shapes, the plain one and 5 on demand", len(cases), len(synth.Frequencies()))
	}
}

func TestFrequencies(t *testing.T) {
	const n = 100_000
	g := synth.New(synth.Options{Seed: 3})
	seen := make(map[synth.Shape]int)
	for i := range n {
		s := g.Shapes(i)
		if s.Has(onDemand) {
			t.Fatalf("event %d has shape %#x, which nobody asked for", i, uint64(s&onDemand))
		}
		for _, f := range synth.Frequencies() {
			if s.Has(f.Shape) {
				seen[f.Shape]++
			}
		}
	}
	for _, f := range synth.Frequencies() {
		if want := n / int(f.OneIn); seen[f.Shape] < want/2 || seen[f.Shape] > want*3/2 {
			t.Errorf("shape %#x: %d of %d events, want about %d", uint64(f.Shape), seen[f.Shape], n, want)
		}
	}
}

// Property: whatever the options, the same index gives the same bytes, ids are
// unique, (created, id) rises with the index, and the accessors agree with the document.
func TestStream(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := synth.Options{
			Seed:     rapid.Int64().Draw(rt, "seed"),
			Rate:     rapid.Float64Range(0.01, 20_000).Draw(rt, "rate"),
			Bytes:    rapid.IntRange(1, 2000).Draw(rt, "bytes"),
			Ties:     rapid.IntRange(0, 50).Draw(rt, "ties"),
			TieEvery: rapid.IntRange(0, 100).Draw(rt, "tie_every"),
			Plain:    rapid.Bool().Draw(rt, "plain"),
		}
		g, again := synth.New(o), synth.New(o)
		from := rapid.IntRange(0, 1_000_000).Draw(rt, "from")
		type key struct {
			created int64
			id      string
		}
		var keys []key
		for i := from; i < from+12; i++ {
			raw := g.Event(i)
			if !bytes.Equal(raw, again.Event(i)) {
				rt.Fatalf("event %d differs from itself", i)
			}
			var e struct {
				ID      string `json:"id"`
				Created string `json:"created"`
			}
			if err := json.Unmarshal(raw, &e, jsontext.AllowDuplicateNames(true)); err != nil {
				rt.Fatalf("event %d: %v", i, err)
			}
			if e.ID != g.ID(i) || e.Created != g.Created(i).Format("2006-01-02T15:04:05.000Z") {
				rt.Fatalf("event %d: %v %v, accessors say %v %v", i, e.ID, e.Created, g.ID(i), g.Created(i))
			}
			keys = append(keys, key{g.CreatedMilli(i), g.ID(i)})
		}
		order := func(a, b key) int { return cmp.Or(cmp.Compare(a.created, b.created), strings.Compare(a.id, b.id)) }
		if !slices.IsSortedFunc(keys, order) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
			rt.Errorf("keys do not rise: %v", keys)
		}
		mid := keys[6].created
		first := from + slices.IndexFunc(keys, func(k key) bool { return k.created >= mid })
		if got := g.Search(from+12, mid); got != first && g.CreatedMilli(got) != mid {
			rt.Errorf("Search found %d, want %d", got, first)
		}
	})
}

// Random digits of one event must not turn up in another: a client that joins
// events by such a field would see relations that nobody made.
func TestEventsShareNoRandomDigits(t *testing.T) {
	g := synth.New(synth.Options{Plain: true})
	digits := regexp.MustCompile(`[0-9a-f]{16}`)
	owner := make(map[string]int)
	for i := range 100 {
		for _, d := range digits.FindAllString(string(g.Event(i)), -1) {
			if j, ok := owner[d]; ok && j != i {
				t.Fatalf("events %d and %d share %s", j, i, d)
			}
			owner[d] = i
		}
	}
}

func TestTies(t *testing.T) {
	g := synth.New(synth.Options{Ties: 400, TieEvery: 10_000, Rate: 100})
	sizes := make(map[int64]int)
	for i := range 30_000 {
		sizes[g.CreatedMilli(i)]++
	}
	groups := 0
	for _, n := range sizes {
		if n == 400 {
			groups++
		} else if n != 1 {
			t.Errorf("%d events in one millisecond", n)
		}
	}
	if groups != 3 {
		t.Errorf("%d groups of 400, want 3", groups)
	}
	if d := g.Created(9_600).Sub(g.Created(0)); d != 96*time.Second {
		t.Errorf("9,600 events took %v at 100 a second, want 96s", d)
	}
}

func TestSize(t *testing.T) {
	for name, c := range map[string]struct{ bytes, low, high int }{
		"default": {0, 950, 1200},
		"least":   {1, 700, 900},
		"large":   {8192, 7500, 9000},
		"long":    {100_000, 90_000, 110_000},
	} {
		t.Run(name, func(t *testing.T) {
			g := synth.New(synth.Options{Bytes: c.bytes})
			n := 0
			for i := range 300 {
				n += len(g.Event(i))
			}
			if avg := n / 300; avg < c.low || avg > c.high {
				t.Errorf("average %d bytes, want %d to %d", avg, c.low, c.high)
			}
		})
	}
}

func TestEveryRowOfTheCatalogueOccurs(t *testing.T) {
	file, err := os.Open("catalogue.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	missing := make(map[[2]string]bool)
	for _, row := range rows[1:] {
		missing[[2]string{row[0], row[1] + row[2]}] = true
	}
	if len(rows) != 673 {
		t.Errorf("%d rows, want a header and 672", len(rows))
	}
	g := synth.New(synth.Options{Plain: true})
	for i := range 8000 {
		var e struct {
			Type          string `json:"type"`
			Action        string `json:"action"`
			TechnicalName string `json:"technicalName"`
		}
		if err := json.Unmarshal(g.Event(i), &e, jsontext.AllowDuplicateNames(true)); err != nil {
			t.Fatal(err)
		}
		delete(missing, [2]string{e.Type, e.Action})
		delete(missing, [2]string{e.Type, e.TechnicalName})
	}
	if len(missing) != 0 {
		t.Errorf("never seen: %v", missing)
	}
}

func TestWithAndResynced(t *testing.T) {
	g := synth.New(synth.Options{Plain: true, With: map[int]synth.Shape{5: synth.Poison}})
	if !bytes.Contains(g.Event(5), []byte(synth.PoisonText)) || bytes.Contains(g.Event(6), []byte(synth.PoisonText)) {
		t.Error("With did not reach event 5 alone")
	}
	m := object(t, g.Resynced(7, time.Hour))
	if m["id"] != g.ID(7) || m["synced"] != g.Created(7).Add(time.Hour).Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("resynced event has id %v, synced %v", m["id"], m["synced"])
	}
}

func TestConcurrentUse(t *testing.T) {
	g := synth.New(synth.Options{})
	want := g.Event(42)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if !bytes.Equal(want, g.Event(42)) {
					t.Error("event 42 differs")
				}
			}
		})
	}
	wg.Wait()
}

func TestAppendDoesNotAllocate(t *testing.T) {
	g := synth.New(synth.Options{})
	buf := make([]byte, 0, 1<<20)
	i := 0
	if n := testing.AllocsPerRun(2000, func() {
		buf = g.AppendEvent(buf[:0], i)
		buf = g.AppendID(buf, i)
		i++
	}); n != 0 {
		t.Errorf("%v allocations for an event, want 0", n)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	g := synth.New(synth.Options{})
	buf := make([]byte, 0, 1<<20)
	i, n := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		buf = g.AppendEvent(buf[:0], i)
		n += len(buf)
		i++
	}
	b.SetBytes(int64(n / i))
}

func BenchmarkAppendID(b *testing.B) {
	g := synth.New(synth.Options{})
	buf := make([]byte, 0, 64)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		buf = g.AppendID(buf[:0], i)
		i++
	}
}
