package workspace

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/kql"
)

// Queries is how the workspace answers questions: GET and POST
// /v1/workspaces/{id}/query. Package kql says which part of the language it
// understands; everything else is an error, as what the service can't parse or resolve.
//
// Rows are looked at as a query sees them. The range of the request, "timespan", is
// about TimeGenerated: an interval or a duration of ISO 8601, until now.
type Queries struct {
	// Directory is the directory of the workspace, and Readers are the object IDs of who has the role
	// to query it; "" and nil take the token of anybody.
	Directory string
	Readers   []string
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
	Line    int          `json:"line,omitzero"`
	Pos     int          `json:"pos,omitzero"`
	Token   string       `json:"token,omitzero"`
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
	case (r.Method != http.MethodPost && r.Method != http.MethodGet) || !found:
		return refuse(http.StatusNotFound, "PathNotFoundError", "The requested path does not exist", nil)
	case !bearer || token == "":
		return refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", nil)
	case w.Queries.NoReader:
		return refuse(http.StatusForbidden, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation", nil)
	case !w.Queries.admits(token):
		return refuse(http.StatusForbidden, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation", nil)
	case id != cmp.Or(w.ID, DefaultID):
		return refuse(http.StatusNotFound, "WorkspaceNotFoundError", "The workspace could not be found", nil)
	}
	query, timespan, err := question(r)
	if err != nil {
		return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", nil)
	}
	var s span
	if timespan != "" {
		if s, err = parseSpan(timespan, w.now()); err != nil {
			return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", &queryError{Code: "InvalidTimespan", Message: err.Error()})
		}
	}
	result, err := kql.Run(query, kql.Database{Now: w.now().UTC(), Table: func(name string) *kql.Table { return w.seen(name, s) }})
	var wrong *kql.Error
	switch {
	case errors.As(err, &wrong):
		return refuse(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", innerOf(wrong))
	case err != nil:
		panic("sandbox workspace: " + err.Error())
	}
	return w.cut(tableOf(result))
}

// admits reports whether whoever a token was issued to may query the workspace.
func (q *Queries) admits(token string) bool {
	if q.Directory == "" && q.Readers == nil {
		return true
	}
	claims, ok := entra.Inspect(token)
	return ok && claims.Directory == q.Directory && slices.Contains(q.Readers, claims.Object)
}

// question reads a request's query and range.
func question(r *http.Request) (query, timespan string, err error) {
	if r.Method == http.MethodGet {
		query, timespan = r.URL.Query().Get("query"), r.URL.Query().Get("timespan")
	} else {
		var ask struct {
			Query      string   `json:"query"`
			Timespan   string   `json:"timespan"`
			Workspaces []string `json:"workspaces"`
		}
		var body []byte
		if body, err = io.ReadAll(io.LimitReader(r.Body, 1<<20)); err == nil {
			err = json.Unmarshal(body, &ask)
		}
		if len(ask.Workspaces) > 0 {
			err = errors.New("this stand-in is one workspace")
		}
		query, timespan = ask.Query, ask.Timespan
	}
	if err == nil && strings.TrimSpace(query) == "" {
		err = errors.New("there is not a query")
	}
	return query, timespan, err
}

// innerOf is an error of the language in the service's form.
func innerOf(e *kql.Error) *queryError {
	inner := &queryError{Code: e.Code, Message: e.Message}
	if e.Semantic {
		return &queryError{Code: "SemanticError", Message: "A semantic error occurred.", Inner: inner}
	}
	inner.Line, inner.Pos, inner.Token = e.Line, e.Pos, e.Token
	return &queryError{Code: "SyntaxError", Message: "A recognition error occurred in the query.", Inner: inner}
}

// seen is a table as a query sees it, or nil if there is none. One that has got no
// rows does not exist yet.
func (w *Workspace) seen(name string, s span) *kql.Table {
	if !strings.HasSuffix(name, "_CL") || w.Table(name).Count() == 0 {
		return nil
	}
	t := w.Table(name)
	limit := w.now().Add(-w.Queries.Latency)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.derive()
	out := &kql.Table{}
	for _, c := range t.schema.columns {
		out.Columns = append(out.Columns, kql.Column{Name: c.Name, Type: kqlType(c.Type)})
	}
	for i, row := range t.schema.rows {
		generated, _ := parseTime(row["TimeGenerated"])
		lost := w.Queries.Lost != nil && w.Queries.Lost(strings.TrimSuffix(name, "_CL"), i, row)
		if lost || !s.holds(generated) || t.rows[i].received.After(limit) {
			continue
		}
		cells := make([]any, len(out.Columns))
		for j, c := range out.Columns {
			text, ok := row[c.Name]
			cells[j] = cell(c.Type, text, ok)
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

func kqlType(t string) kql.Type {
	switch t {
	case "int", "long":
		return kql.Long
	case "real":
		return kql.Real
	case "bool", "boolean":
		return kql.Bool
	case "datetime", "dateTime":
		return kql.Datetime
	case "dynamic":
		return kql.Dynamic
	}
	return kql.String
}

// cell is the value of a column; a text is never null.
func cell(t kql.Type, text string, ok bool) any {
	if t == kql.String {
		return text
	}
	if !ok || text == "" {
		return nil
	}
	switch t {
	case kql.Long:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case kql.Real:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	case kql.Bool:
		return strings.EqualFold(text, "true")
	case kql.Datetime:
		if at, ok := kql.ParseTime(text); ok {
			return at
		}
	case kql.Dynamic:
		return kql.Value(text)
	}
	return nil
}

// tableOf is a result in the form of the API.
func tableOf(t *kql.Table) queryTable {
	out := queryTable{Name: "PrimaryResult", Columns: []queryColumn{}, Rows: [][]any{}}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, queryColumn{c.Name, string(c.Type)})
	}
	for _, row := range t.Rows {
		cells := make([]any, len(row))
		for i, v := range row {
			cells[i] = v
			switch v := v.(type) {
			case time.Time:
				cells[i] = v.UTC().Format(time.RFC3339Nano)
			case time.Duration, kql.Value:
				cells[i] = kql.Text(v)
			}
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// cut keeps to the largest result.
func (w *Workspace) cut(t queryTable) (int, queryAnswer) {
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
