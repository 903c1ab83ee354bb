package workspace

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Queries is how the workspace answers questions: POST /v1/workspaces/{id}/query.
// It understands no KQL but the shapes of the two queries that the connector
// asks, letter by letter, and refuses everything else as the service refuses
// what it can't parse.
//
// Rows are looked at as a query sees them: the range of the request, "timespan",
// is about TimeGenerated, and what the query compares is the column created_t.
type Queries struct {
	// NoReader refuses every query, for the role is missing.
	NoReader bool
	// Latency is how long a row can't be seen after it was acknowledged.
	Latency time.Duration
	// Lost are rows that were acknowledged and never stored, by table and the
	// order in which they came; nil means none.
	Lost func(table string, i int, row Row) bool
	// MaxRows cuts a result, and says so; 0 means 500,000.
	MaxRows int
}

// The shapes of the queries. The groups are table, begin, end and then what is special.
const queryHead = `^(\w+)_CL\n` +
	`\| extend Created = column_ifexists\('created_t', datetime\(null\)\), IdG = column_ifexists\('id_g', ''\), IdS = column_ifexists\('id_s', ''\)\n` +
	`\| where Created >= datetime\(([-:TZ0-9]+)\) and Created < datetime\(([-:TZ0-9]+)\)\n`

var (
	countShape = regexp.MustCompile(queryHead +
		`\| summarize Rows = count\(\) by IdG, IdS, Window = bin\(Created, (\d+)s\)\n` +
		`\| summarize Records = sum\(iff\(isempty\(IdG\) and isempty\(IdS\), Rows, 1\)\) by Window$`)
	listShape = regexp.MustCompile(queryHead +
		`(?:\| where hash\(strcat\(IdG, IdS\), (\d+)\) == (\d+)\n)?` +
		`\| summarize Rows = count\(\) by IdG, IdS$`)
)

// query is the Logs Query API.
func (w *Workspace) query(rw http.ResponseWriter, r *http.Request) {
	status, body := w.ask(r)
	text, err := json.Marshal(body)
	if err != nil {
		panic("sandbox workspace: " + err.Error())
	}
	w.mu.Lock()
	if w.stats.Answers == nil {
		w.stats.Answers = make(map[int]int)
	}
	w.stats.Requests++
	w.stats.Answers[status]++
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
	rw.WriteHeader(status)
	_, _ = rw.Write(text)
}

// queryError is an error in the service's form.
type queryError struct {
	Code    string       `json:"code"`
	Message string       `json:"message"`
	Inner   *queryError  `json:"innererror,omitzero"`
	Details []queryError `json:"details,omitzero"`
}

type queryAnswer struct {
	Tables []queryTable `json:"tables,omitzero"`
	Error  *queryError  `json:"error,omitzero"`
}

type queryTable struct {
	Name    string        `json:"name"`
	Columns []queryColumn `json:"columns"`
	Rows    [][]any       `json:"rows"`
}

type queryColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func refuse(status int, code, message string, inner *queryError) (int, queryAnswer) {
	return status, queryAnswer{Error: &queryError{Code: code, Message: message, Inner: inner}}
}

// ask checks a request and answers its query.
func (w *Workspace) ask(r *http.Request) (int, queryAnswer) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	id, found := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/workspaces/"), "/query")
	switch {
	case r.Method != http.MethodPost || !found:
		return refuse(http.StatusNotFound, "PathNotFoundError", "The requested path does not exist", nil)
	case !bearer || token == "":
		return refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", nil)
	case w.Queries.NoReader:
		return refuse(http.StatusForbidden, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation", nil)
	case id != cmp.Or(w.ID, DefaultID):
		return refuse(http.StatusNotFound, "WorkspaceNotFoundError", "The workspace could not be found", nil)
	}
	var ask struct {
		Query    string `json:"query"`
		Timespan string `json:"timespan"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	from, to, ok := parseSpan(ask.Timespan)
	if err != nil || !ok {
		return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", nil)
	}
	if m := countShape.FindStringSubmatch(ask.Query); m != nil {
		return w.answerCount(m, from, to)
	}
	if m := listShape.FindStringSubmatch(ask.Query); m != nil {
		return w.answerList(m, from, to)
	}
	return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", &queryError{Code: "SyntaxError", Message: "Syntax Error"})
}

// parseSpan reads an interval of ISO 8601.
func parseSpan(text string) (from, to time.Time, ok bool) {
	a, b, _ := strings.Cut(text, "/")
	from, err1 := time.Parse(time.RFC3339, a)
	to, err2 := time.Parse(time.RFC3339, b)
	return from, to, err1 == nil && err2 == nil
}

// seen are the rows that a query sees, with their created_t. ok is false if there
// is no such table.
func (w *Workspace) seen(m []string, from, to time.Time) (rows []Row, created []time.Time, ok bool) {
	name := m[1]
	begin, err1 := time.Parse(time.RFC3339, m[2])
	end, err2 := time.Parse(time.RFC3339, m[3])
	if err1 != nil || err2 != nil {
		return nil, nil, false
	}
	t := w.Table(name)
	if t.Count() == 0 {
		return nil, nil, false
	}
	limit := w.now().Add(-w.Queries.Latency)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.derive()
	for i, row := range t.schema.rows {
		at, ok := parseTime(row["created_t"])
		generated, _ := parseTime(row["TimeGenerated"])
		lost := w.Queries.Lost != nil && w.Queries.Lost(name, i, row)
		if !ok || at.Before(begin) || !at.Before(end) || generated.Before(from) || generated.After(to) || t.rows[i].received.After(limit) || lost {
			continue
		}
		rows, created = append(rows, row), append(created, at)
	}
	return rows, created, true
}

func noTable(name string) (int, queryAnswer) {
	return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", &queryError{
		Code: "SemanticError", Message: "A semantic error occurred.",
		Inner: &queryError{Code: "SEM0100", Message: fmt.Sprintf("'extend' operator: Failed to resolve table or column expression named '%s_CL'", name)},
	})
}

func (w *Workspace) answerCount(m []string, from, to time.Time) (int, queryAnswer) {
	rows, created, ok := w.seen(m, from, to)
	if !ok {
		return noTable(m[1])
	}
	seconds, _ := strconv.Atoi(m[4]) // digits
	width := time.Duration(seconds) * time.Second
	records := map[time.Time]int64{}
	known := map[string]bool{}
	for i, row := range rows {
		at := created[i].UTC().Truncate(width)
		if id := row["id_g"] + "\n" + row["id_s"]; id != "\n" {
			if key := at.String() + id; known[key] {
				continue
			} else {
				known[key] = true
			}
		}
		records[at]++
	}
	table := queryTable{Name: "PrimaryResult", Columns: []queryColumn{{"Window", "datetime"}, {"Records", "long"}}, Rows: [][]any{}}
	for at, n := range records {
		table.Rows = append(table.Rows, []any{at.Format(time.RFC3339), n})
	}
	return w.cut(table)
}

func (w *Workspace) answerList(m []string, from, to time.Time) (int, queryAnswer) {
	rows, _, ok := w.seen(m, from, to)
	if !ok {
		return noTable(m[1])
	}
	parts, _ := strconv.ParseUint(cmp.Or(m[4], "1"), 10, 64)
	part, _ := strconv.ParseUint(cmp.Or(m[5], "0"), 10, 64)
	type id struct{ guid, text string }
	count := map[id]int64{}
	for _, row := range rows {
		if hashOf(row["id_g"]+row["id_s"])%parts == part {
			count[id{row["id_g"], row["id_s"]}]++
		}
	}
	table := queryTable{Name: "PrimaryResult", Columns: []queryColumn{{"IdG", "string"}, {"IdS", "string"}, {"Rows", "long"}}, Rows: [][]any{}}
	for id, n := range count {
		table.Rows = append(table.Rows, []any{id.guid, id.text, n})
	}
	return w.cut(table)
}

// cut keeps to the largest result, and sorts it so that a test sees the same each time.
func (w *Workspace) cut(t queryTable) (int, queryAnswer) {
	slices.SortFunc(t.Rows, func(a, b []any) int { return strings.Compare(fmt.Sprint(a...), fmt.Sprint(b...)) })
	answer := queryAnswer{}
	if limit := cmp.Or(w.Queries.MaxRows, 500_000); len(t.Rows) > limit {
		t.Rows = t.Rows[:limit]
		answer.Error = &queryError{Code: "PartialError", Message: "There were some errors when processing your query.", Details: []queryError{
			{Code: "EngineError", Message: "The results of this query exceed the set limit of rows", Inner: &queryError{Code: "E_QUERY_RESULT_SET_TOO_LARGE", Message: "too many records"}},
		}}
	}
	answer.Tables = []queryTable{t}
	return http.StatusOK, answer
}
