package sim

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/state/spool"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// row is a record of the source with what became of it: an event, or one state of
// an invocation.
type row struct {
	key     string // the record's id, as the connector derives it
	raws    [][]byte
	created time.Time // zero if it has none
	id      string    // of the document
	stream  string    // of a guest
	until   time.Time // when another state of a resource took its place; zero means never
	visible time.Time
	poison  bool
	// wanted is false for a state that may have passed unseen.
	wanted bool
	past   bool // only a backfill brings it

	deliveries []*delivery
	settled    bool // acknowledged, or in quarantine instead
	committed  int  // at which commit it got into the ledger; 0 means not yet
	by         *run // who committed it
	kept       bool // its original is in quarantine
	refusedBy  *run // who put it among the undelivered last; it is there until it is sent again
	flaw       flaw // it can't be read
	lost       bool // the workspace did not keep it when it came first
	lacking    bool // the workspace had lost it when it came last
	inbox      int  // objects of the inbox that ever held it
	present    int  // how often the workspace has it, where that matters
	twins      int  // as many documents are the same, byte for byte, and have no id
	onset      bool // refused by a run that saw the workspace begin to refuse everything
	wiped      int  // how many of the deliveries there had been when the state vanished
	spooled    int  // objects of the spool that hold it
	copies     int  // objects of the spool that ever held it
	zombie     bool // one of them is of a run that had lost its lease
}

// ledgerOf is what the simulation knows of every row.
type ledgerOf struct {
	rows    map[string]*row
	hashes  map[[16]byte]*row
	events  []*row // dated ones with an id, by (created, id)
	spool   map[string][]*row
	inbox   map[string][]*row
	put     map[string]time.Time // when an object of the inbox was stored
	reports reports
	stored  int // how often rows arrived
	twice   int // how often again
}

// arrived is a row of the batch that the workspace is taking.
type arrived struct {
	key string
	raw []byte
}

func hashOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// know lists what the source has.
func (l *ledgerOf) know(s *scenario) {
	l.rows, l.hashes, l.spool, l.inbox = map[string]*row{}, map[[16]byte]*row{}, map[string][]*row{}, map[string][]*row{}
	l.put = map[string]time.Time{}
	l.reports = reports{byBody: map[string]*report{}, byID: map[string]*stored{}}
	for _, e := range s.events {
		key, raw := e.key(), e.raw
		if e.sent != nil {
			raw = e.sent
		}
		if r := l.rows[key]; r != nil { // the same event again
			r.raws = append(r.raws, raw)
			if e.id == "" {
				r.twins++
				l.alias(fmt.Sprintf("%s#%d", key, r.twins), r)
			}
			if e.visible.Before(r.visible) {
				r.visible = e.visible
			}
			continue
		}
		r := &row{key: key, id: e.id, raws: [][]byte{raw}, created: e.created, visible: e.visible, poison: e.poison, wanted: !e.stray, past: e.past, flaw: e.flaw, twins: 1}
		l.add(r)
		if e.id != "" && !e.created.IsZero() && !e.stray {
			l.events = append(l.events, r)
		}
	}
	slices.SortFunc(l.events, compareRows)
	for _, inv := range s.invocations {
		l.add(&row{key: inv.ID + "|", created: inv.Created, visible: inv.Created})
		l.add(&row{key: inv.ID + "|" + inv.Completed.UTC().Format("2006-01-02T15:04:05.000Z"), created: inv.Created, visible: inv.Completed, wanted: true})
	}
}

// insert puts an event into the order.
func (l *ledgerOf) insert(r *row) {
	at, _ := slices.BinarySearchFunc(l.events, r, compareRows)
	l.events = slices.Insert(l.events, at, r)
}

func (l *ledgerOf) add(r *row) {
	l.rows[r.key] = r
	sum := sha256.Sum256([]byte(r.key))
	l.hashes[[16]byte(sum[:16])] = r
}

func compareRows(a, b *row) int {
	return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id))
}

// identify is called for each row of a batch, which may be refused yet.
func (w *world) identify(table string, raw []byte) string {
	var doc struct {
		ID        string `json:"id"`
		UUID      string `json:"uuid"`
		Completed string `json:"completed"`
		Type      string `json:"type"`
	}
	// What has no id, or odd JSON, counts as one of a kind.
	_ = json.Unmarshal(raw, &doc, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	key := doc.ID
	switch {
	case strings.HasPrefix(table, oktaStream):
		key = doc.UUID
	case isListed(table):
		key += "|" + digestOf(raw)
	case strings.HasPrefix(table, reportsStream):
		key = reportKey(raw)
	case strings.HasPrefix(table, triggersStream):
		key += "|" + doc.Completed
		w.pushed = w.pushed || doc.Type == "" // of a subscription, which a push does not name
	case key == "":
		key = hashOf(raw)
	}
	w.batch = append(w.batch, arrived{key, raw})
	return key
}

// arrive notes a batch that was stored. The caller holds the lock.
func (w *world) arrive(inst *instance, stream string) *delivery {
	for _, a := range w.batch {
		w.quiet("a row of "+stream, a.raw)
		if stream == eventsStream {
			w.loses(a.key)
		}
	}
	name := stream
	if stream == triggersStream && w.pushed {
		name = pushedStream
	}
	r := inst.runs[name]
	if !slices.Contains(w.streams(), stream) || r == nil {
		return nil // health
	}
	d := &delivery{run: r, crowded: time.Now().Before(w.crowded)}
	for _, a := range w.batch {
		known := w.seen.rows[a.key]
		if known == nil || known.visible.After(w.now()) {
			w.breaks("%s delivers %q, which the source does not have", r, a.key)
			continue
		}
		if known.flaw != sound {
			w.breaks("%s delivers %q, which can't be read", r, a.key)
		}
		w.checkBytes(r, known, a.raw)
		if stream == reportsStream {
			w.checkRow(r, known, a.raw)
		}
		w.seen.stored++
		if len(known.deliveries) >= known.wiped+max(known.twins, 1) {
			w.seen.twice++
			w.checkTwice(r, known)
		}
		w.checkFull(r, known)
		known.deliveries = append(known.deliveries, d)
		d.rows = append(d.rows, known)
	}
	r.deliveries = append(r.deliveries, d)
	w.tracef("%s delivers %d rows", r, len(d.rows))
	return d
}

// checkBytes compares a row with the source. Rows of triggers are made by the connector.
func (w *world) checkBytes(r *run, known *row, raw []byte) {
	if r.stream != eventsStream || slices.ContainsFunc(known.raws, func(b []byte) bool { return bytes.Equal(b, raw) }) {
		return
	}
	if whole := unfolded(raw); w.o.Rule && whole != nil && slices.ContainsFunc(known.raws, func(b []byte) bool { return bytes.Equal(unfolded(b), whole) }) {
		return
	}
	if !bytes.Contains(raw, []byte(`"idnConformed":`)) {
		w.breaks("%s delivers %q with other bytes than the source has", r, known.key)
	} else if !known.kept {
		w.breaks("%s delivers %q changed, and its original is not in quarantine", r, known.key)
	}
}

// unfolded is an event in canonical form, with the members that travelled in the
// column of undeclared ones back in their places; nil if it is no plain JSON.
func unfolded(raw []byte) jsontext.Value {
	var members map[string]jsontext.Value
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	var extra map[string]jsontext.Value
	if folded, ok := members[schema.Extra]; ok && json.Unmarshal(folded, &extra) == nil {
		delete(members, schema.Extra)
		maps.Copy(members, extra)
	}
	whole, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	value := jsontext.Value(whole)
	if value.Canonicalize() != nil {
		return nil
	}
	return value
}

// mayComeAgain says whether a row may arrive once more for a reason of its own. excused: the
// connector could not know that an earlier one had arrived.
func (known *row) mayComeAgain(excused bool) bool {
	if known.twins > 1 && excused {
		return true // nothing says which of the twins came again
	}
	// It is among the undelivered, although it arrived: either the answer was lost and the next
	// attempt was refused, or the run that was refused ended before the ledger knew, and a later
	// one delivered it. Whoever resends the undelivered sends it again.
	return known.refusedBy != nil && (excused || known.refusedBy != known.by)
}

// checkTwice judges a row that had arrived before.
func (w *world) checkTwice(r *run, known *row) {
	earlier := known.deliveries[known.wiped:]
	if (known.lacking || known.id == "" && w.reading) && w.plan.readBack == config.RepairReadBack && w.reading {
		return // which is what it is for; what has no id can't be told from others in the workspace
	}
	if known.crossed(r) {
		return
	}
	excused := r.leaseLost || slices.ContainsFunc(earlier, (*delivery).excused)
	switch {
	case known.mayComeAgain(excused):
	case known.id == "" && w.unordered: // listed again, it can't be told from its twin
	case r.leaseLost: // the new holder may be at it, too
	case known.copies > 0:
		// The spool answers for it, not the ledger: each copy is sent. Which records of a
		// batch that was taken in part have left, only the process knows that sent them.
		excused = excused || slices.ContainsFunc(earlier, func(d *delivery) bool { return d.run.inst != r.inst })
		if len(earlier) >= known.copies && !excused && !known.zombie {
			w.breaks("%s delivers %q again, of which the spool had %d copies, and nothing went wrong before", r, known.key, known.copies)
		}
	case known.committed > 0 && known.committed <= r.after:
		w.breaks("%s delivers %q again, which was in the ledger when it began", r, known.key)
	case known.committed > 0 && known.by == r:
		w.breaks("%s delivers %q again, which it had committed itself", r, known.key)
	case !excused:
		w.breaks("%s delivers %q again, and nothing went wrong before", r, known.key)
	}
}

// acknowledged notes that the connector knows that a batch has arrived, or may doubt it.
func (w *world) acknowledged(d *delivery, doubted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.clean = !w.plan.sinkTalks && !doubted // otherwise it is not clear until the connector has asked again
	for _, r := range d.rows {
		r.settled = true
	}
}

// ended judges a run that gives back its lock or is dead.
func (w *world) ended(r *run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	w.running--
	open := 0
	for _, d := range r.deliveries {
		if d.clean && slices.ContainsFunc(d.rows, func(known *row) bool { return known.committed == 0 }) {
			open++
		}
	}
	most := 0
	if r.killed || r.leaseLost || r.storeFault {
		most = pipeline.Parallel // those on their way
	}
	if open > most {
		w.breaks("%s leaves %d acknowledged batches out of the ledger", r, open)
	}
}

// stored looks at an object that an instance has just put into the store.
func (w *world) stored(inst *instance, key string, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quiet("the object "+key, data)
	parts := strings.Split(key, "/")
	if len(parts) < 3 {
		return
	}
	stream := strings.TrimSuffix(parts[2], ".json")
	r := inst.runs[stream]
	switch parts[1] {
	case "ledger":
		if len(parts) == 4 && parts[3] == "probe" {
			return // holds no ids
		}
		w.committed(r, data)
	case "checkpoints":
		f, err := checkpoint.Decode(data)
		if err != nil || r == nil {
			w.breaks("%s stores a checkpoint that can't be read: %v", inst, err)
			return
		}
		w.checkCheckpoint(r, f.Checkpoint.Cursor)
		w.checkFuture(r, f.Checkpoint)
	case "jobs":
		w.checkJobs(inst, data)
	case "quarantine":
		if len(parts) == 3 {
			return // a probe
		}
		item, err := quarantine.Decode(data)
		if err != nil {
			w.breaks("%s stores an original that can't be read: %v", inst, err)
			return
		}
		w.quarantined(inst, item)
	case "inbox":
		if stream == reportsStream {
			w.boxed(inst, key, data)
			return
		}
		w.inboxed(inst, key, data)
	case "spool":
		w.spooled(inst, r, key, stream, data)
	}
}

// spooled notes what an object of the spool holds.
func (w *world) spooled(inst *instance, r *run, key, stream string, data []byte) {
	batch, err := spool.Decode(stream, data)
	if err != nil {
		w.breaks("%s stores a spooled batch that can't be read: %v", inst, err)
	}
	if len(w.seen.spool[key]) > 0 {
		return // rewritten as it is before it is drained, or emptied
	}
	for _, rec := range batch {
		if known := w.seen.find(rec.ID); known != nil {
			if r != nil && !r.leaseLost && known.committed > 0 && known.committed <= r.after {
				w.breaks("%s spools %q, which was in the ledger when it began", r, known.key)
			}
			known.spooled++
			known.copies++
			known.zombie = known.zombie || r != nil && r.leaseLost
			known.settled = true
			w.seen.spool[key] = append(w.seen.spool[key], known)
		}
	}
}

// committed notes the ids of a window of the ledger, whose layout is that of
// package ledger: 28 bytes, the ids, 4 bytes.
func (w *world) committed(r *run, object []byte) {
	w.commits++
	for ids := object[28 : len(object)-4]; len(ids) > 0; ids = ids[16:] {
		known := w.seen.hashes[[16]byte(ids)]
		if known == nil && w.unordered {
			continue // that of a twin that a row listed again was taken for
		}
		if known == nil {
			w.breaks("%s puts an id into the ledger that the source does not have", r)
			return
		}
		if known.committed == 0 {
			known.committed, known.by = w.commits, r
			if !known.settled {
				w.breaks("%s puts %q into the ledger, which nobody acknowledged", r, known.key)
			}
		}
	}
}

func (w *world) quarantined(inst *instance, item quarantine.Item) {
	known := w.seen.find(item.ID)
	switch {
	case known == nil:
		w.breaks("%s puts %q into quarantine, which the source does not have", inst, item.ID)
	case known.flaw != sound:
		w.checkUnreadable(inst, item, known)
		known.kept, known.settled = true, true
	case item.Stream == eventsStream && !slices.ContainsFunc(known.raws, func(b []byte) bool { return bytes.Equal(b, item.Raw) }):
		w.breaks("%s puts %q into quarantine with other bytes than the source has", inst, item.ID)
	default:
		w.checkRefused(inst, item, known)
		known.kept = true
		if item.Reason != pipeline.Conformed {
			known.settled, known.refusedBy = true, inst.runs[item.Stream]
		}
	}
}

// deleted notes that an object is gone.
func (w *world) deleted(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, known := range w.seen.spool[key] {
		known.spooled--
		if len(known.deliveries) == 0 && !known.kept {
			w.breaks("%q was removed from the spool and never delivered", known.key)
		}
	}
	delete(w.seen.spool, key)
	w.leftInbox(key)
	w.unboxed(key)
	w.checkPruned(key)
}

// checkCheckpoint demands that everything is settled up to the page that ends at the cursor.
func (w *world) checkCheckpoint(r *run, at pipeline.Cursor) {
	if r.passed > 0 && r.pages[r.passed-1].next == at || r.passed == 0 && (len(r.pages) == 0 || r.pages[0].after == at) {
		return // it has not moved: it is rewritten as it was before anything is sent
	}
	for i := r.passed; i < len(r.pages); i++ {
		for _, key := range r.pages[i].keys {
			if known := w.seen.find(key); known != nil && !known.settled {
				w.breaks("%s moves the checkpoint past %q, which is nowhere yet", r, key)
				return
			}
		}
		if r.pages[i].next == at {
			r.passed = i + 1
			return
		}
	}
	w.breaks("%s moves the checkpoint to %s, where no page ended", r, at)
}

// checkEnd demands that everything has arrived.
func (w *world) checkEnd() {
	missing := 0
	for _, key := range sortedKeys(w.seen.rows) {
		known := w.seen.rows[key]
		switch {
		case !known.wanted:
		case known.flaw != sound && !known.kept && w.isAccepted(known.created): // by a person who saw that it is counted and not listed
		case known.flaw != sound && !known.kept:
			w.breaks("%q of %s, which can't be read, is not in quarantine", key, known.created.Format(time.RFC3339Nano))
		case known.flaw != sound:
		case known.poison && len(known.deliveries) == 0 && known.kept:
		case known.onset && known.kept: // safe, and for a person to send again
		case known.poison && w.cured && len(known.deliveries) > 0:
		case known.poison:
			w.breaks("the poison %q is not in quarantine", key)
		case len(known.deliveries) < max(known.twins, 1):
			if missing++; missing <= 3 {
				w.breaks("%q of %s, visible since %s, has not arrived", key, known.created.Format(time.RFC3339Nano), known.visible.Sub(w.plan.start))
			}
		}
		if known.spooled > 0 {
			w.breaks("%q is still in the spool", key)
		}
	}
	if missing > 3 {
		w.breaks("%d rows have not arrived", missing)
	}
}

func sortedKeys(rows map[string]*row) []string {
	keys := make([]string, 0, len(rows))
	for key := range rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// isPoison is what the workspace refuses.
func isPoison(raw []byte) bool { return bytes.Contains(raw, []byte(synth.PoisonText)) }

// checkHeld demands that only a run that had the lock of its stream says that it read it. All that is
// checked of reports by their runs rests on it.
func (w *world) checkHeld(inst *instance, r *run, rep pipeline.Report) {
	if r == nil && (rep.Fetched > 0 || rep.Quarantined > 0 || rep.State == pipeline.Drained) {
		w.breaks("%s reports %s as %s with %d records, and never held its lock", inst, rep.Stream, rep.State, rep.Fetched)
	}
}

// checkReport looks at the report of a run.
func (w *world) checkReport(rep pipeline.Report) {
	w.quiet("a report", []byte(fmt.Sprintf("%+v", rep)))
}
