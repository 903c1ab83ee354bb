package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/saas"
	inlets "github.com/idn-sentinel/idn-sentinel/internal/source"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

// reportsSecret is what reports would present; the simulation begins after that.
const reportsSecret = "canary-reports-secret-7b20"

// report is what SaaS Management sends, with what became of it.
type report struct {
	name, contentType, encoding string
	body                        []byte
	table                       saas.Report
	numbers                     map[int]string // by number, what is expected instead of a row of the table
	broken                      bool           // no row can be made of it
	at                          time.Time
	repeats                     bool

	posts  []*post
	stored []*stored
}

// post is one attempt to send a report.
type post struct {
	inst  *instance
	began time.Time
	// excused: the receiver could not know, or not note, that the report is stored.
	excused bool
}

// stored is a report that the connector has made valid.
type stored struct {
	of              *report
	id              string
	rows            []*row
	valid           time.Time // since when
	gone, withdrawn bool
	passing         *passing // to a workflow
}

// reports are those of a play.
type reports struct {
	byBody map[string]*report // by name and body
	byID   map[string]*stored // by delivery
}

// reportAll sends all reports of the play, each at its time.
func (g *game) reportAll() {
	w := g.w
	if !w.o.Reports {
		return
	}
	for i, r := range w.planReports() {
		n := int64(i+1) * 1_000_000
		w.seen.reports.byBody[r.name+"\n"+string(r.body)] = r
		g.pushes.Go(func() { g.report(r, r.at, n) })
		if !w.o.off(ReportTwice) && w.dice.chance("report/twice", n, 0.4) {
			w.happened(ReportTwice)
			// Half of them while the first one is received.
			again := w.dice.span("report/again", n, 0, []time.Duration{200 * time.Millisecond, 10 * time.Minute}[w.dice.pick("report/soon", n, 2)])
			g.pushes.Go(func() { g.report(r, r.at.Add(again), n+500_000) })
		}
	}
}

// planReports makes the reports.
func (w *world) planReports() (all []*report) {
	d := w.dice
	for i := range 2 + d.pick("reports", 0, 5) {
		n := int64(i)
		r := &report{name: fmt.Sprintf("report-%d", i), at: w.plan.start.Add(d.span("report/at", n, 0, w.plan.active)), repeats: d.chance("report/repeats", n, 0.6)}
		c := saas.Schedule{Form: saas.Forms()[d.pick("report/form", n, len(saas.Forms()))], Gzip: d.chance("report/gzip", n, 0.3)}
		size := d.pick("report/rows", n, 1+[]int{3, 40, 400}[d.pick("report/size", n, 3)])
		if c.Form == saas.Single || c.Form == saas.Lines { // without a row there is nothing to send
			size = 1 + size*d.pick("report/single", n, 2)
		}
		r.table = saas.Licenses(n, size)
		if c.Form == saas.Single {
			r.table.Rows = r.table.Rows[:1]
		}
		w.spoilReport(r, &c, n)
		r.body, r.contentType, r.encoding = c.Write(r.table)
		if w.count[ReportOdd] > 0 && r.numbers != nil {
			w.breakReport(r, n)
		}
		all = append(all, r)
		if !w.o.off(ReportChanged) && d.chance("report/changed", n, 0.3) {
			w.count[ReportChanged]++
			all = append(all, changed(r, c))
		}
	}
	return all
}

// spoilReport makes a report large, or odd.
func (w *world) spoilReport(r *report, c *saas.Schedule, n int64) {
	d := w.dice
	switch {
	case !w.o.off(ReportLarge) && d.chance("report/large", n, 0.05) && c.Form != saas.Single:
		w.count[ReportLarge]++
		c.Gzip = false
		wide := strings.Repeat("0123456789", 2000)
		r.table = saas.Licenses(n, 70)
		r.table.Columns = append(r.table.Columns, "Wide")
		for i := range r.table.Rows {
			r.table.Rows[i] = append(r.table.Rows[i], wide)
		}
	case !w.o.off(ReportOdd) && d.chance("report/odd", n, 0.15):
		w.count[ReportOdd]++
		c.Form, c.Gzip = saas.List, false
		r.numbers = map[int]string{}
	}
}

// breakReport adds a row that can't be read to a list, or makes a page of it that is no report.
func (w *world) breakReport(r *report, n int64) {
	if w.dice.chance("report/page", n, 0.3) {
		r.table.Rows, r.broken = nil, true
		r.body = []byte(blockPage)
		return
	}
	r.body = r.body[:len(r.body)-1]
	if len(r.table.Rows) > 0 {
		r.body = append(r.body, ',')
	}
	r.body = append(r.body, "7]"...)
	r.numbers[len(r.table.Rows)+1] = "7"
}

// changed is the report as it is sent an hour or so later, with a row more.
func changed(r *report, c saas.Schedule) *report {
	next := *r
	next.numbers, next.broken = nil, false
	next.table.Rows = slices.Clone(r.table.Rows)
	row := slices.Clone(saas.Licenses(99, 1).Rows[0])
	for len(row) < len(r.table.Columns) {
		row = append(row, "")
	}
	if next.table.Rows = append(next.table.Rows, row); c.Form == saas.Single {
		next.table.Rows = next.table.Rows[1:]
	}
	next.body, next.contentType, next.encoding = c.Write(next.table)
	next.at = r.at.Add(time.Minute)
	return &next
}

// report sends a report, and checks that a good answer was true.
func (g *game) report(r *report, at time.Time, n int64) {
	w := g.w
	g.pause(time.Until(at))
	for i := int64(0); !w.failed() && !g.isOver(); i++ {
		inst := g.receiver(n + i)
		p := &post{inst: inst, began: time.Now()}
		w.mu.Lock()
		r.posts = append(r.posts, p)
		faults := inst.boxFaults
		w.mu.Unlock()
		body := &sending{g: g, n: n*1000 + i, rest: r.body, left: -1}
		if !w.o.off(ReportCut) && w.phase() != nil && w.dice.chance("report/cut", n+i, 0.1) {
			w.happened(ReportCut)
			body.left = w.dice.pick("report/cut", n+i, len(r.body))
		}
		slot, ok := inst.app.Inlet("saas/" + r.name).(inlets.Slot)
		if !ok {
			w.mu.Lock()
			w.breaks("%s has nothing that takes a report", inst)
			w.mu.Unlock()
			return
		}
		answer, err := slot.Deposit(context.Background(), r.contentType, r.encoding, body)
		good := err == nil && (answer.Status == http.StatusOK || answer.Status == 0) && !inst.died()
		w.mu.Lock()
		p.excused = !good || inst.boxFaults > faults
		if good {
			w.checkReceived(inst, r, body)
		}
		w.mu.Unlock()
		w.tracef("%s answers %s with %d %v, good: %v", inst, r.name, answer.Status, err, good)
		if good || !r.repeats || i > 500 {
			return
		}
		g.pause(w.dice.span("report/wait", n+i, 10*time.Second, time.Minute))
	}
}

// errCut is the error of a body whose sender is gone.
var errCut = errors.New("unexpected EOF")

// sending is a body on its way.
type sending struct {
	g    *game
	n    int64
	rest []byte
	left int // bytes until the sender is gone; −1 means that it stays
	read int64
}

// Read implements [io.Reader].
func (s *sending) Read(p []byte) (int, error) {
	s.read++
	s.g.pause(s.g.w.dice.span("report/read", s.n*1000+s.read, 0, 30*time.Millisecond))
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	if s.left >= 0 {
		if n = min(n, s.left); n == 0 {
			return 0, errCut
		}
		s.left -= n
	}
	s.rest = s.rest[n:]
	return n, nil
}

// checkReceived demands that a report that was answered well is durable, and all of it. The caller
// holds the lock.
func (w *world) checkReceived(inst *instance, r *report, body *sending) {
	if len(body.rest) > 0 {
		w.breaks("%s answers %s well, and has not read all of it", inst, r.name)
	}
	if !slices.ContainsFunc(r.stored, func(s *stored) bool { return !s.withdrawn }) {
		w.breaks("%s answers %s well, and it is not stored", inst, r.name)
	}
}

// boxed looks at an object of the reports that was just stored. The caller holds the lock.
func (w *world) boxed(inst *instance, key string, data []byte) {
	if id, ok := strings.CutPrefix(key, forwardPrefix); ok {
		w.forwarded(inst, id, data)
		return
	}
	id, ok := strings.CutPrefix(key, boxPrefix+"waiting/")
	if !ok {
		return
	}
	m, err := boxes.DecodeReport(data)
	if err != nil || m.ID != id {
		w.breaks("%s makes a report valid that can't be read: %v", inst, err)
		return
	}
	var body []byte
	for n := range m.Parts {
		object, err := w.mem.Get(context.Background(), fmt.Sprintf("%sparts/%s/%06d", boxPrefix, id, n+1))
		part, bad := boxes.DecodePart(object.Data)
		if err = errors.Join(err, bad); err != nil {
			w.breaks("%s makes a report valid, and part %d of it is not there: %v", inst, n+1, err)
			return
		}
		body = append(body, part.Data...)
	}
	r := w.seen.reports.byBody[m.Name+"\n"+string(body)]
	if r == nil {
		w.breaks("%s makes a report %q of %d bytes valid, which nobody sent", inst, m.Name, len(body))
		return
	}
	if m.Forward != (w.flow != nil) {
		w.breaks("%s stores %q, to be forwarded: %v", inst, m.Name, m.Forward)
	}
	s := &stored{of: r, id: id, valid: time.Now()}
	r.stored = append(r.stored, s)
	w.seen.reports.byID[id] = s
	w.knowRows(s, m)
	s.passing = newPassing(s)
}

const boxPrefix = "acme/inbox/" + reportsStream + "/"

// knowRows lists the rows of a report that is valid. The caller holds the lock.
func (w *world) knowRows(s *stored, m boxes.Report) {
	add := func(record, raw string, f flaw) {
		r := &row{key: s.id + "#" + record, id: s.id, raws: [][]byte{[]byte(raw)}, created: m.Received, wanted: true, flaw: f, twins: 1}
		w.seen.add(r)
		s.rows = append(s.rows, r)
	}
	for i, cells := range s.of.table.Rows {
		add(strconv.Itoa(i+1), canonical(s.of.table.Columns, cells), sound)
	}
	for number, raw := range s.of.numbers {
		add(strconv.Itoa(number), raw, ownID)
	}
	if s.of.broken {
		head := fmt.Sprintf(`{"report":%q,"received":%q,"deliveryId":%q,"bytes":%d}`, m.Name, m.Received.Format("2006-01-02T15:04:05.000Z"), s.id, m.Bytes)
		add("end", head, ownID)
		add("original.1", blockPage, ownID)
		return
	}
	if bytes.HasPrefix(s.of.body, []byte(`{"reportName":`)) || s.of.encoding != "" {
		// What surrounds the rows is a record as well, if there is anything.
		r := &row{key: s.id + "#0", id: s.id, created: m.Received, twins: 1}
		w.seen.add(r)
		s.rows = append(s.rows, r)
	}
}

// canonical is a row as text that does not depend on how it is written.
func canonical(columns, cells []string) string {
	values := map[string]string{}
	for i, column := range columns {
		values[column] = strings.ReplaceAll(cells[i], "\r\n", "\n") // CSV breaks lines so
	}
	return printed(values)
}

func printed(values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s=%q ", name, values[name])
	}
	return b.String()
}

// reportRow is a row of the table of reports.
type reportRow struct {
	Report     string
	DeliveryID string `json:"deliveryId"`
	RowNumber  *int   `json:"rowNumber"`
	Row        string
}

// reportKey is the key of a row that arrives.
func reportKey(raw []byte) string {
	var r reportRow
	if json.Unmarshal(raw, &r, json.MatchCaseInsensitiveNames(true)) != nil || r.RowNumber == nil {
		return hashOf(raw)
	}
	return fmt.Sprintf("%s#%d", r.DeliveryID, *r.RowNumber)
}

// checkRow compares a row that arrives with the report. The caller holds the lock.
func (w *world) checkRow(r *run, known *row, raw []byte) {
	var got reportRow
	values := map[string]string{}
	err := json.Unmarshal(raw, &got, json.MatchCaseInsensitiveNames(true))
	if of := w.seen.reports.byID[got.DeliveryID]; err != nil || of == nil || got.Report != of.of.name {
		w.breaks("%s delivers %q of another report, or of none: %v", r, known.key, err)
		return
	}
	if strings.HasSuffix(known.key, "#0") {
		return
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(got.Row, `\r\n`, `\n`)), &values); err != nil || printed(values) != string(known.raws[0]) {
		w.breaks("%s delivers %q with other values than the report has: %v, %.200s", r, known.key, err, got.Row)
	}
}

// unboxed judges the removal of an object of the reports. The caller holds the lock.
func (w *world) unboxed(key string) {
	rest, ok := strings.CutPrefix(key, boxPrefix)
	if !ok {
		return
	}
	kind, rest, _ := strings.Cut(rest, "/")
	id, _, _ := strings.Cut(rest, "/")
	s := w.seen.reports.byID[id]
	switch {
	case s == nil:
	case kind == "forward":
		w.unforwarded(id)
	case kind == "parts" && !s.gone:
		w.breaks("%q is removed, and its report waits", key)
	case kind == "parts" && !s.withdrawn && s.passing.needsParts():
		w.breaks("%q is removed, and its report is still to be forwarded", key)
	case kind == "waiting" && !s.gone:
		s.gone = true
		unsettled := slices.ContainsFunc(s.rows, func(r *row) bool { return r.wanted && (r.committed == 0 || !r.settled) })
		empty := !slices.ContainsFunc(s.rows, func(r *row) bool { return r.wanted })
		if unsettled || w.flow != nil && empty && s.passing.entry == nil {
			w.withdraw(s)
		}
		w.checkHandedOver(s)
	}
}

// withdraw: two processes received the same report at once, and one of them gives way.
func (w *world) withdraw(s *stored) {
	s.withdrawn = true
	if len(s.passing.keys) > 0 {
		w.breaks("the report %s is withdrawn, and the workflow was started for it", s.id)
	}
	for _, r := range s.rows {
		r.wanted = false
	}
	if !slices.ContainsFunc(s.of.stored, func(o *stored) bool { return !o.withdrawn }) {
		w.breaks("the report %s is removed and was not delivered", s.id)
	}
}

// checkReports demands that no report waits in the end, and that none was stored twice without an
// excuse. The caller holds the lock.
func (w *world) checkReports() {
	for _, key := range slices.Sorted(maps.Keys(w.seen.reports.byBody)) {
		r := w.seen.reports.byBody[key]
		valid, excuses := 0, 0
		for _, s := range r.stored {
			if !s.gone {
				w.breaks("the report %s waits in the end", s.id)
			}
			if !s.withdrawn && len(s.rows) > 0 { // of one without rows nothing shows that it was withdrawn
				valid++
			}
		}
		for _, p := range r.posts {
			if p.excused || p.inst.died() {
				excuses++
			}
		}
		if valid > 1+excuses {
			w.breaks("%s is stored %d times, and its senders have %d excuses", r.name, valid, excuses)
		}
	}
}
