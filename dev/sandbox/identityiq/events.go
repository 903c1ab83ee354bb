package identityiq

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// The logs of the plugin, by the name of their list.
const (
	audits  = "auditEvents"
	syslogs = "syslogEvents"
)

// Event is a row of the audit or the syslog table.
type Event struct {
	Created   time.Time
	Committed time.Time // found from then on
	Raw       []byte
}

// log is a table. Its rows are in order of their created times once sorted is true.
type log struct {
	rows   []Event
	sorted bool
}

// AddAudit adds an audit event, which is found from the commit on; zero means at once. raw is served
// as it is.
func (s *Server) AddAudit(raw []byte, created, commit time.Time) { s.add(audits, raw, created, commit) }

// AddSyslog is AddAudit for an entry of the syslog.
func (s *Server) AddSyslog(raw []byte, created, commit time.Time) {
	s.add(syslogs, raw, created, commit)
}

func (s *Server) add(table string, raw []byte, created, commit time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.table(table)
	e := Event{Created: created.Truncate(time.Millisecond), Committed: commit, Raw: raw}
	l.sorted = l.sorted && (len(l.rows) == 0 || !e.Created.Before(l.rows[len(l.rows)-1].Created))
	l.rows = append(l.rows, e)
}

func (s *Server) table(name string) *log {
	if s.events == nil {
		s.events = map[string]*log{audits: {sorted: true}, syslogs: {sorted: true}}
	}
	return s.events[name]
}

// Audits yields the audit events, whether committed or not.
func (s *Server) Audits() iter.Seq[Event] { return s.all(audits) }

// Syslogs yields the entries of the syslog.
func (s *Server) Syslogs() iter.Seq[Event] { return s.all(syslogs) }

func (s *Server) all(table string) iter.Seq[Event] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Values(slices.Clone(s.table(table).rows))
}

// find returns the rows that are committed and created between from and to, both excluded, in
// milliseconds.
func (s *Server) find(table string, from, to int64) []Event {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.table(table)
	if !l.sorted {
		slices.SortStableFunc(l.rows, func(a, b Event) int { return a.Created.Compare(b.Created) })
		l.sorted = true
	}
	at := func(ms int64) int {
		i, _ := slices.BinarySearchFunc(l.rows, ms, func(e Event, ms int64) int { return cmp.Compare(e.Created.UnixMilli(), ms) })
		return i
	}
	begin, end := 0, len(l.rows)
	if from < math.MaxInt64 {
		begin = at(from + 1)
	}
	if to < math.MaxInt64 {
		end = at(to)
	}
	var found []Event
	for _, e := range l.rows[min(begin, end):end] {
		if !now.Before(e.Committed) {
			found = append(found, e)
		}
	}
	return found
}

// shuffle changes the order of rows with the same created time.
func shuffle(rows []Event, by int) {
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && rows[to].Created.Equal(rows[from].Created) {
			to++
		}
		tie := rows[from:to]
		turn := by * 7 % len(tie)
		copy(tie, append(slices.Clone(tie[turn:]), tie[:turn]...))
		from = to
	}
}

// pluginError is how the plugin answers a mistake: with 200.
type pluginError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
}

// query is what the plugin makes of the parameters.
type query struct{ from, to, page, count int64 }

// parse reads the parameters as the plugin does: each with a default in the place of what is not a
// number.
func (s *Server) parse(values url.Values) (q query, wrong *pluginError) {
	number := func(name string, absent, odd int64) int64 {
		if !values.Has(name) {
			return absent
		}
		n, err := strconv.ParseInt(values.Get(name), 10, 64)
		if err != nil {
			return odd
		}
		return n
	}
	now := s.now()
	q.from = number("startTime", math.MinInt64, now.Add(-24*time.Hour).UnixMilli())
	q.to = number("endTime", math.MaxInt64, now.UnixMilli())
	limit := int64(cmp.Or(s.EventLimit, 1000))
	q.page, q.count = number("startIndex", 1, 1), number("count", limit, limit)
	switch {
	case q.page < 1:
		return q, &pluginError{"IndexError", "startIndex must be 1 or more", "startIndex=" + values.Get("startIndex")}
	case q.count < 1:
		return q, &pluginError{"CountError", "count must be 1 or more", "count=" + values.Get("count")}
	case values.Has("startTime") && q.from <= 0, values.Has("endTime") && q.to <= 0, q.from > q.to:
		return q, &pluginError{"TimeError", "the times are not valid", fmt.Sprintf("startTime=%s endTime=%s", values.Get("startTime"), values.Get("endTime"))}
	}
	q.count = min(q.count, limit, 1000)
	if s.ServeAtMost > 0 {
		q.count = min(q.count, int64(s.ServeAtMost))
	}
	return q, nil
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, table string) {
	if !s.authorized(w, r, RightEvents) {
		return
	}
	q, wrong := s.parse(r.URL.Query())
	if wrong != nil {
		writeJSON(w, http.StatusOK, "application/json", wrong)
		return
	}
	rows := s.find(table, q.from, q.to)
	if s.UnstableTies {
		shuffle(rows, s.next())
	}
	first := min((q.page-1)*q.count, int64(len(rows)))
	page := rows[first:min(first+q.count, int64(len(rows)))]
	if s.BetweenQueries != nil {
		s.BetweenQueries()
	}
	total := len(s.find(table, q.from, q.to))
	parts := make([][]byte, len(page))
	for i, e := range page {
		parts[i] = e.Raw
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"itemsPerPage":%d,"currentIndex":%d,%s%q:[`, len(page), q.page, s.total(len(page), total), table)
	b.Write(bytes.Join(parts, []byte(",")))
	b.WriteString("]}")
	write(w, http.StatusOK, "application/json", b.Bytes())
}

// total is the member for a total beside a page of so many rows, with the comma after it.
func (s *Server) total(page, n int) string {
	if s.TotalOfPage {
		n = page
	}
	switch {
	case s.OmitTotal:
		return ""
	case s.TextTotal:
		return fmt.Sprintf(`"totalResults":"%d,",`, n)
	}
	return fmt.Sprintf(`"totalResults":%d,`, n)
}
