package synth

import (
	"cmp"
	"strings"
	"time"
)

// Options says what a stream of events is like. The zero value is ready for use.
type Options struct {
	Seed int64
	// Start is the created time of event 0, cut to milliseconds. Zero means
	// 2026-09-01T00:00:00Z.
	Start time.Time
	// Rate is how many events are created per second. 0 means 10.
	Rate float64
	// Bytes is the average size of an event to aim at; single ones have 0.5 to
	// 1.5 times as much. An event has about 800 bytes at least. 0 means 1024.
	Bytes int
	// Ties is how many events in a row share one millisecond: the last ones of
	// every TieEvery events (0 means Ties: all of them). 0 means 300 ties every
	// 20,000 events; with Plain, none.
	Ties, TieEvery int
	// Plain leaves every odd shape out except those of With.
	Plain bool
	// With gives the events with these numbers further shapes.
	With map[int]Shape
	// Org is the tenant's name in every event. "" means "synthetic-org".
	Org string
	// Canary is a text that secrets inside trigger payloads contain. "" means
	// "canary".
	Canary string
}

// Generator makes the events and invocations of one synthetic tenant. It is
// safe for concurrent use.
type Generator struct {
	seed           int64
	start          int64 // milliseconds since 1970
	interval       int64 // nanoseconds from one event to the next
	bytes          int
	ties, tieEvery int
	plain          bool
	with           map[int]Shape
	org, canary    string
	frequencies    []Frequency
	kinds          []kind
	people         []string
	prose          string // text to pad with: letters, spaces, full stops
	triggers       []trigger
}

// New returns a generator.
func New(o Options) *Generator {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Ties == 0 && !o.Plain {
		o.Ties, o.TieEvery = 300, max(300, cmp.Or(o.TieEvery, 20_000))
	}
	g := &Generator{
		seed: o.Seed, start: o.Start.UnixMilli(), interval: int64(1e9 / cmp.Or(o.Rate, 10)), bytes: cmp.Or(o.Bytes, 1024),
		ties: max(1, o.Ties), plain: o.Plain, with: o.With, org: cmp.Or(o.Org, "synthetic-org"), canary: cmp.Or(o.Canary, "canary"),
		frequencies: Frequencies(), kinds: catalogue(), people: people(), prose: prose(), triggers: triggers(),
	}
	g.interval = max(1, g.interval)
	g.tieEvery = max(g.ties, o.TieEvery)
	if g.interval < int64(time.Millisecond) {
		// More than one event in a millisecond: whole groups, so that the order
		// of (created, id) is still the order of the numbers.
		group := int((int64(time.Millisecond) + g.interval - 1) / g.interval)
		g.ties = max(g.ties, group)
		g.tieEvery = g.ties
	}
	return g
}

// tie returns the place of event i among size events of one millisecond.
func (g *Generator) tie(i int) (place, size int) {
	if p := i%g.tieEvery - (g.tieEvery - g.ties); p >= 0 {
		return p, g.ties
	}
	return 0, 1
}

// CreatedMilli returns the created time of event i in milliseconds since 1970.
func (g *Generator) CreatedMilli(i int) int64 {
	place, _ := g.tie(i)
	return g.start + int64(i-place)*g.interval/int64(time.Millisecond)
}

// Created returns the created time of event i. It never falls as i grows.
func (g *Generator) Created(i int) time.Time { return time.UnixMilli(g.CreatedMilli(i)).UTC() }

// Search returns the number of the first of n events that was created at or
// after milli (milliseconds since 1970), or n.
func (g *Generator) Search(n int, milli int64) int {
	lo, hi := 0, n
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); g.CreatedMilli(mid) < milli {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Shapes returns the odd shapes of event i.
func (g *Generator) Shapes(i int) Shape {
	s := g.with[i]
	if !g.plain {
		s |= draw(newDice(g.seed, i, saltShape), g.frequencies)
	}
	return s
}

// ID returns the id of event i: unique in the stream, and rising with i
// among the events of one millisecond. An event of shape [NoID] has one here too.
func (g *Generator) ID(i int) string {
	var buf [64]byte
	return string(g.AppendID(buf[:0], i))
}

// AppendID appends what ID returns.
func (g *Generator) AppendID(dst []byte, i int) []byte { return g.appendID(dst, i, g.Shapes(i)) }

func (g *Generator) appendID(dst []byte, i int, s Shape) []byte {
	d := newDice(g.seed, i, saltID)
	// The first eight digits are random within the slice of their range that
	// belongs to the event's place among its ties.
	place, size := g.tie(i)
	first := uint32((uint64(place)<<32 + d.roll()%(1<<32-uint64(size))) / uint64(size))
	switch {
	case s.Has(IDUUID):
		return d.appendUUID(dst, first)
	case s.Has(ID32Hex):
		return d.appendHex(appendHexWord(dst, first), 24)
	default:
		return d.appendHex(appendHexWord(dst, first), 56)
	}
}

// Event returns event i: one JSON object, except that shape [InvalidUTF8] is none.
func (g *Generator) Event(i int) []byte {
	return g.AppendEvent(make([]byte, 0, g.bytes+g.bytes/2+512), i)
}

// EventWith returns event i with further shapes.
func (g *Generator) EventWith(i int, extra Shape) []byte {
	return g.appendEvent(nil, i, g.Shapes(i)|extra, 0)
}

// Resynced returns event i as it looks after it was indexed again: the same
// but for synced, which is the given time after created.
func (g *Generator) Resynced(i int, after time.Duration) []byte {
	return g.appendEvent(nil, i, g.Shapes(i)&^(SyncedAbsent|OldShape), after)
}

// AppendEvent appends event i. It does not allocate if dst has room.
func (g *Generator) AppendEvent(dst []byte, i int) []byte {
	return g.appendEvent(dst, i, g.Shapes(i), 0)
}

// appendTime appends a time as the service writes it, in UTC with three
// decimals. (time.Time.AppendFormat does the same in three times the time.)
func appendTime(dst []byte, milli int64) []byte {
	return time.UnixMilli(milli).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// prose is a few kilobytes of harmless text to take pieces from.
func prose() string {
	words := strings.Fields(`access review certification identity account entitlement source owner manager
		request approval removed added role profile policy schedule campaign governance group department
		aggregation correlation provisioning lifecycle contractor employee finance sales engineering support
		temporary elevated quarterly annual pending completed by for of the with after before until`)
	d := newDice(0, 0, saltBody)
	var b strings.Builder
	for b.Len() < 8<<10 {
		b.WriteString(words[d.n(len(words))])
		b.WriteString([]string{" ", " ", " ", " ", ". "}[d.n(5)])
	}
	return b.String()
}

// people are 256 invented names.
func people() []string {
	first := strings.Fields("Ada Bruno Chen Dina Emil Farah Goran Hana Ivan Jada Kofi Lena Marek Nora Omar Priya")
	last := strings.Fields("Abel Berger Costa Dvorak Eriksen Fontaine Grieg Hadid Ito Jansen Kaur Lindqvist Moreau Novak Okafor Petrov")
	var names []string
	for _, f := range first {
		for _, l := range last {
			names = append(names, f+"."+l)
		}
	}
	return names
}
