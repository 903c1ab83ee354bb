package tenant

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// undated stands for the created time of an event that has none: it sorts
// behind all others, as the index puts missing values last.
const undated = math.MaxInt64

// Event is a document of the index.
type Event struct {
	ID        string    // "" if it has none
	Created   time.Time // zero if it has none; cut to milliseconds, as the index does
	VisibleAt time.Time // from when on searches find it
	Raw       []byte    // the JSON object; must not be changed
}

// data is what the tenant knows.
type data struct {
	mu          sync.Mutex
	rows        rows  // in order
	fresh       []row // added since the rows were last put in order
	lastVisible int64 // the latest visible time of all rows
	gaps        bool  // there is a row without id or created time
	invocations []invocation

	subscriptions []Subscription
	waiting       map[string]Push // by invocation, while an answer may come
}

// row is an event that was added. Times are milliseconds since 1970.
type row struct {
	created, visible int64
	id               string
	raw              []byte
	sent             []byte // what goes out in the place of raw; nil means raw
	unlisted         bool   // counted and not listed
}

// list is a sequence of events in the order of (created, id), missing ids and
// times last.
type list interface {
	len() int
	created(i int) int64
	visible(i int) int64
	id(i int) string
	appendRaw(dst []byte, i int) []byte
	// appendSent is appendRaw, but for a document that goes out in other bytes.
	appendSent(dst []byte, i int) []byte
	listed(i int) bool
}

type rows []row

func (r rows) len() int                           { return len(r) }
func (r rows) created(i int) int64                { return r[i].created }
func (r rows) visible(i int) int64                { return r[i].visible }
func (r rows) id(i int) string                    { return r[i].id }
func (r rows) appendRaw(dst []byte, i int) []byte { return append(dst, r[i].raw...) }
func (r rows) listed(i int) bool                  { return !r[i].unlisted }
func (r rows) appendSent(dst []byte, i int) []byte {
	if r[i].sent != nil {
		return append(dst, r[i].sent...)
	}
	return append(dst, r[i].raw...)
}

// backlog is a list that is generated when it is read.
type backlog struct {
	gen   *synth.Generator
	size  int
	delay int64
}

func (b backlog) len() int                           { return b.size }
func (b backlog) created(i int) int64                { return b.gen.CreatedMilli(i) }
func (b backlog) visible(i int) int64                { return b.gen.CreatedMilli(i) + b.delay }
func (b backlog) id(i int) string                    { return b.gen.ID(i) }
func (b backlog) appendRaw(dst []byte, i int) []byte { return b.gen.AppendEvent(dst, i) }

func (b backlog) appendSent(dst []byte, i int) []byte { return b.appendRaw(dst, i) }
func (b backlog) listed(int) bool                     { return true }

// AddEvent adds a document to the index; searches find it from visibleAt on. The
// zero time means IndexDelay after it was created. Events may be added in any
// order and while requests are served. Adding an id again adds another row, as
// the index sometimes has. It panics if raw is not a JSON object.
func (t *Tenant) AddEvent(raw []byte, visibleAt time.Time) { t.add(row{raw: raw}, visibleAt) }

// AddEventAs adds a document that goes out in other bytes than the index has it, which need
// not be JSON: the index sorts, counts and finds it all the same.
func (t *Tenant) AddEventAs(raw, sent []byte, visibleAt time.Time) {
	t.add(row{raw: raw, sent: sent}, visibleAt)
}

// AddUnlisted adds a document that is counted and on no page.
func (t *Tenant) AddUnlisted(raw []byte, visibleAt time.Time) {
	t.add(row{raw: raw, unlisted: true}, visibleAt)
}

// Forget removes the documents with these ids, as an index does whose retention is over.
func (t *Tenant) Forget(ids ...string) {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	gone := func(r row) bool { return slices.Contains(ids, r.id) }
	t.data.rows = slices.DeleteFunc(slices.Clone(t.data.rows), gone)
	t.data.fresh = slices.DeleteFunc(t.data.fresh, gone)
}

func (t *Tenant) add(r row, visibleAt time.Time) {
	id, created, err := keysOf(r.raw)
	if err != nil {
		panic(fmt.Sprintf("add event %.100q: %v", r.raw, err))
	}
	r.created, r.id, r.visible = created, id, visibleAt.UnixMilli()
	switch {
	case !visibleAt.IsZero():
	case created == undated:
		r.visible = math.MinInt64
	default:
		r.visible = created + t.IndexDelay.Milliseconds()
	}
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	t.data.fresh = append(t.data.fresh, r)
	t.data.lastVisible = max(t.data.lastVisible, r.visible)
	t.data.gaps = t.data.gaps || id == "" || created == undated
}

// keysOf picks id and created out of a document. It does not mind duplicate
// names (the last one counts) or invalid UTF-8; a created time that can't be
// read counts as missing.
func keysOf(raw []byte) (id string, created int64, err error) {
	created = undated
	err = members(raw, []string{"id", "created"}, func(name string, value jsontext.Value) {
		if name == "id" {
			id = textOf(value)
			return
		}
		created = undated
		if at, err := time.Parse(time.RFC3339, textOf(value)); err == nil {
			created = at.UnixMilli()
		}
	})
	return id, created, err
}

// members calls yield for each member of a JSON object that has one of the
// names, none of which needs an escape. The value is valid during the call.
func members(raw []byte, names []string, yield func(name string, value jsontext.Value)) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return fmt.Errorf("not a JSON object: %w", cmp.Or(err, errors.New("it begins otherwise")))
	}
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("read a name: %w", err)
		}
		i := slices.IndexFunc(names, func(name string) bool { return string(quoted[1:len(quoted)-1]) == name })
		if i < 0 {
			if err := d.SkipValue(); err != nil {
				return fmt.Errorf("skip a value: %w", err)
			}
			continue
		}
		value, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("read the value of %q: %w", names[i], err)
		}
		yield(names[i], value)
	}
	return nil
}

// textOf returns the text of a JSON string, or "".
func textOf(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil && text == nil {
		return ""
	}
	return string(text)
}

// settle puts the rows that were added since in order. The caller holds the lock.
func (d *data) settle() {
	if len(d.fresh) == 0 {
		return
	}
	slices.SortStableFunc(d.fresh, compareRows)
	// Merge from the back, so that rows which come late, as most do, move little.
	a, b := len(d.rows)-1, len(d.fresh)-1
	d.rows = append(d.rows, d.fresh...)
	for to := len(d.rows) - 1; b >= 0; to-- {
		if a >= 0 && compareRows(d.rows[a], d.fresh[b]) > 0 {
			d.rows[to] = d.rows[a]
			a--
		} else {
			d.rows[to] = d.fresh[b]
			b--
		}
	}
	d.fresh = nil
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.created, b.created), compareIDs(a.id, b.id))
}

// compareIDs orders ids, the missing one last.
func compareIDs(a, b string) int {
	if a == "" || b == "" {
		return -strings.Compare(a, b)
	}
	return strings.Compare(a, b)
}

// lists returns the sequences that the tenant's events are spread over.
func (t *Tenant) lists() []list {
	t.data.settle()
	all := []list{t.data.rows}
	if t.Backlog != nil {
		all = append(all, backlog{t.Backlog, t.BacklogSize, t.IndexDelay.Milliseconds()})
	}
	return all
}

// Events yields every event there was when the walk began, visible or not, in
// the order of (created, id).
func (t *Tenant) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		t.data.mu.Lock()
		all := t.lists()
		all[0] = slices.Clone(t.data.rows) // the walk must not hold the lock
		t.data.mu.Unlock()
		m := merge(all, nil, nil)
		for l, i := m.next(); l != nil; l, i = m.next() {
			e := Event{ID: l.id(i), VisibleAt: time.UnixMilli(l.visible(i)).UTC(), Raw: l.appendRaw(nil, i)}
			if created := l.created(i); created != undated {
				e.Created = time.UnixMilli(created).UTC()
			}
			if !yield(e) {
				return
			}
		}
	}
}

// IDs returns the id of every event, visible or not, in the order of (created,
// id); "" for an event that has none.
func (t *Tenant) IDs() []string {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	var ids []string
	m := merge(t.lists(), nil, nil)
	for l, i := m.next(); l != nil; l, i = m.next() {
		ids = append(ids, l.id(i))
	}
	return ids
}
