package sim

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// What the source sends in the place of a sound row. The index has the document, sorts and
// counts it; what goes out breaks the rules of JSON, or is too large to be had.

// flaw says how a row is told from others once it can't be read.
type flaw int

const (
	sound   flaw = iota
	ownID        // it still tells its id
	byPlace      // it tells nothing: its bytes and the row before it are its id
	unhad        // its page can't be divided: what is known is when it was created
)

const (
	// tooDeep is one level more than the connector's reader of JSON takes.
	tooDeep = 10_001
	// hugeBody is a body that no page may have, however few rows are asked for.
	hugeBody = 40_000_000
	// alone is the size of a row that can be had only by itself.
	alone = 13 << 20
	// hugeMark is in a row whose page is made that long on the way.
	hugeMark = `"dump":"4711-`
)

// oddities replaces what goes out of some rows. It throws dice of its own: that leaves the
// rest of the scenario as it is.
func (p *planner) oddities() {
	kinds := []Kind{BadText, BadText, DeepRow, NullRow, NullRow, CutRow, CutRow, CutRow, HugeRow}
	taken := map[time.Time]bool{} // a row that can't be had is known by its millisecond
	for n := range int64(5) {
		kind := kinds[p.d.pick("odd/kind", n, len(kinds))]
		i := p.d.pick("odd/which", n, max(len(p.events), 1))
		if !p.d.chance("odd", n, 0.1) || p.o.off(kind) || len(p.events) == 0 {
			continue
		}
		e := &p.events[i]
		again := func(o event) bool { return o.id == e.id }
		if e.created.After(p.start.Add(p.active)) { // the audit that looks at it once more would be the last
			continue
		}
		plain := e.id != "" && !e.created.IsZero() && !e.stray && !e.poison && e.flaw == sound
		if !plain || slices.ContainsFunc(p.events[:i], again) || slices.ContainsFunc(p.events[i+1:], again) {
			continue
		}
		if kind == NullRow || kind == CutRow || kind == HugeRow {
			// By its place nothing is found where the order changes and nothing decides it.
			if taken[e.created] || p.refuseIDSort && p.unstableTies {
				continue
			}
			taken[e.created] = true
		}
		p.spoil(e, kind, n)
		p.count[kind]++
	}
	p.twins()
}

// spoil decides what goes out in the place of an event.
func (p *planner) spoil(e *event, kind Kind, n int64) {
	member := ""
	switch kind {
	case BadText:
		member = pick3(p.d, "odd/text", n, "\"note\":\"a\x01b\"", `"note":"\x"`, `"note":NaN`)
	case DeepRow:
		member = `"note":` + strings.Repeat("[", tooDeep) + strings.Repeat("]", tooDeep)
	case NullRow:
		e.flaw = byPlace
		e.sent = []byte(pick3(p.d, "odd/null", n, "null", fmt.Sprintf(`"row %d"`, n), fmt.Sprintf("[%d]", n)))
		return
	case CutRow:
		e.flaw = unhad
		e.sent = e.raw[:1+p.d.pick("odd/cut", n, len(e.raw)-1)]
		return
	case HugeRow:
		if p.d.chance("odd/alone", n, 0.04) { // it can be had, if it is asked for alone
			e.raw = slices.Concat([]byte(`{"dump":"`), bytes.Repeat([]byte("x"), alone), []byte(`",`), e.raw[1:])
			return
		}
		e.flaw, p.huge = unhad, true
		e.sent = slices.Concat([]byte("{"+hugeMark), e.raw[1:])
		return
	}
	e.flaw = ownID
	if p.d.chance("odd/front", n, 0.5) {
		e.sent = slices.Concat([]byte("{"+member+","), e.raw[1:])
	} else {
		e.sent = slices.Concat(e.raw[:len(e.raw)-1], []byte(","+member+"}"))
	}
}

func pick2[T any](d dice, name string, n int64, a, b T) T { return []T{a, b}[d.pick(name, n, 2)] }

func pick3(d dice, name string, n int64, a, b, c string) string {
	return []string{a, b, c}[d.pick(name, n, 3)]
}

// twins adds two documents without id that are the same, byte for byte.
func (p *planner) twins() {
	if !p.d.chance("odd/twins", 0, 0.1) || p.o.off(TwinRows) || len(p.events) == 0 {
		return
	}
	like := p.events[p.d.pick("odd/twins", 1, len(p.events))]
	if like.created.IsZero() || like.stray {
		return
	}
	i := p.next
	p.next++
	g := generator()
	e := event{created: like.created, visible: like.visible, raw: redated(g.EventWith(i, synth.NoID), g.Created(i), like.created)}
	p.events = append(p.events, e, e)
	p.count[TwinRows]++
}

// key is what a row of the source is known by.
func (e *event) key() string {
	switch {
	case e.flaw == byPlace:
		return hashOf(e.sent)
	case e.flaw == unhad:
		return unhadID + e.created.UTC().Format(stamp)
	case e.id == "":
		return hashOf(e.raw)
	}
	return e.id
}

// unhadID is how the id of a record begins whose row could not be had.
const unhadID = "unreadable:"

// find is the row of a record. One that can't be read has an id of the connector's own making.
func (l *ledgerOf) find(id string) *row {
	if r := l.rows[id]; r != nil {
		return r
	}
	base, _, _ := strings.Cut(id, "#")
	base, _, _ = strings.Cut(base, "@")
	if r := l.rows[base]; r != nil && (r.flaw != sound || r.twins > 1) {
		return r
	}
	return nil
}

// alias gives a row one id more, by which the ledger may know it.
func (l *ledgerOf) alias(id string, r *row) {
	sum := sha256.Sum256([]byte(id))
	l.hashes[[16]byte(sum[:16])] = r
}

// checkUnreadable demands that what is kept of a row that can't be read is what came of it.
// The caller holds the lock.
func (w *world) checkUnreadable(inst *instance, item quarantine.Item, known *row) {
	w.seen.alias(item.ID, known)
	if r := inst.runs[item.Stream]; r != nil && !known.kept {
		r.unreadable++
	}
	if item.Reason != pipeline.Unreadable {
		w.breaks("%s puts %q into quarantine as %s, and it can't be read", inst, item.ID, item.Reason)
	}
	if known.flaw != unhad {
		if !bytes.Equal(item.Raw, known.raws[0]) {
			w.breaks("%s puts %q into quarantine with other bytes than came", inst, item.ID)
		}
		return
	}
	answer := append([]byte("["), known.raws[0]...)
	n := min(len(item.Raw), len(answer))
	if !bytes.Equal(item.Raw[:n], answer[:n]) || n < len(answer) && w.phase() == nil {
		w.breaks("%s keeps %q of %q, and what came of it is %q", inst, item.Raw[:min(len(item.Raw), 200)], item.ID, answer[:min(len(answer), 200)])
	}
}

// checkCounted demands that a run reports what it has found unreadable. The caller holds
// the lock.
func (w *world) checkCounted(r *run, rep pipeline.Report) {
	if r == nil || r.unreadable == 0 {
		return
	}
	says := slices.ContainsFunc(rep.Warnings, func(text string) bool { return strings.Contains(text, "can't be read") })
	if rep.Quarantined < int64(r.unreadable) || !says {
		w.breaks("%s has kept %d rows that can't be read, and reports %d: %q", r, r.unreadable, rep.Quarantined, rep.Warnings)
	}
}

// grow makes the answer as long as its row is meant to be: announced, or without end.
func grow(resp *http.Response, announced bool) {
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	if announced {
		resp.ContentLength = hugeBody
		resp.Header.Set("Content-Length", strconv.Itoa(hugeBody))
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(resp.Body, io.LimitReader(filler{}, hugeBody)), resp.Body}
}

// filler is text that does not end.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	n := copy(p, "xxxxxxxxxxxxxxxx")
	for ; n > 0 && n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
	return len(p), nil
}

// markWriter sees whether a body has a row in it that is huge.
type markWriter struct {
	http.ResponseWriter
	huge bool
}

func (m *markWriter) Write(b []byte) (int, error) {
	m.huge = m.huge || bytes.Contains(b, []byte(hugeMark))
	return m.ResponseWriter.Write(b)
}
