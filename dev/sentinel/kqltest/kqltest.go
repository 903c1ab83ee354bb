// Package kqltest checks and executes KQL in tests, without a workspace and
// without a network.
//
// Checking is done by Microsoft's own parser against declared tables and saved
// functions: [Workspace.Check] tells errors and the columns that come out.
// Executing is done by a small interpreter that walks the parser's syntax tree:
// [Workspace.Run] gives the rows that a query makes of rows the test provides.
// It knows the subset of KQL that this project uses, and says so when a query
// needs more ("not supported by the interpreter: …") instead of guessing.
//
//	ws := kqltest.Load(t, "classic", "triggers-classic", "health")
//	ws.MustCheck(t, `SailPointIDNEvents | where EventType == "AUTH"`)
//	out := ws.Run(t, `SailPointIDNEvents | count`, kqltest.Data{
//		Now:  "2026-09-01T12:00:00Z",
//		Rows: map[string][]kqltest.Row{"SailPointIDN_Events_CL": {{"TimeGenerated": "2026-09-01T11:00:00Z"}}},
//	})
//
// [Load] takes the tables from sentinel/schemas and the functions from
// sentinel/parsers and sentinel/asim; a [Workspace] made by hand has whatever
// the test needs. A workspace without a table is a workspace in which that
// table does not exist.
//
// One Node process serves all tests of a test binary; the interpreter itself
// is in dev/tools/kql. It starts at the first use (about a second) and
// ends with the test binary.
package kqltest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
)

// Workspace is what a query can see. Every table also has the columns that Log
// Analytics adds to each (Type, TenantId, _ResourceId, …), unless Bare is set.
type Workspace struct {
	// Tables holds for each table a JSON object {"column": "type"}, in order.
	Tables    map[string]jsontext.Value `json:"tables"`
	Functions []Function                `json:"functions"`
	Bare      bool                      `json:"bare,omitzero"`
}

// Column is a column of a result. Type is string, int, long, real, bool,
// datetime, timespan, guid or dynamic.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Checked is what the parser says about a query. Columns is nil if the query
// gives no table. Each message begins with line and column.
type Checked struct {
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	Columns  []Column `json:"columns"`
}

// Row is a row of a table: JSON values by column name. Times are ISO 8601
// strings, timespans strings such as "1.02:03:04". A column that is not named
// is null, or empty if it is a string. In rows that go in, "$ingested" is the
// row's ingestion_time(); without it that is TimeGenerated.
type Row map[string]any

// Data is what a query is executed on. Now is what now() gives, ISO 8601.
// Watchlists has the search keys of watchlists by alias: _GetWatchlist gives no
// rows for any other, as in a workspace without it.
type Data struct {
	Now        string
	Rows       map[string][]Row
	Watchlists map[string][]string
}

// Table is a result. Numbers are float64, dynamic values any JSON.
type Table struct {
	Columns []Column
	Rows    []Row
}

// Parts is what a query is made of: the class of each operator's syntax node
// ("FilterOperator"), the functions called, and the operators between values.
type Parts struct {
	Operators   []string `json:"operators"`
	Functions   []string `json:"functions"`
	Expressions []string `json:"expressions"`
}

// Check parses a query and binds its names. Errors in the bodies of the
// functions it calls count too.
func (w *Workspace) Check(tb testing.TB, query string) Checked {
	tb.Helper()
	var c Checked
	if err := ask(tb, "check", w, query, Data{}, &c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// MustCheck fails the test if the query has an error, and returns the columns
// that come out.
func (w *Workspace) MustCheck(tb testing.TB, query string) []Column {
	tb.Helper()
	c := w.Check(tb, query)
	if len(c.Errors) > 0 {
		tb.Fatalf("query has errors:\n%s\n%s", strings.Join(c.Errors, "\n"), query)
	}
	return c.Columns
}

// Parts tells what a query is made of.
func (w *Workspace) Parts(tb testing.TB, query string) Parts {
	tb.Helper()
	var p Parts
	if err := ask(tb, "parts", w, query, Data{}, &p); err != nil {
		tb.Fatal(err)
	}
	return p
}

// Run executes a query, and fails the test if that is not possible.
func (w *Workspace) Run(tb testing.TB, query string, data Data) Table {
	tb.Helper()
	out, err := w.TryRun(tb, query, data)
	if err != nil {
		tb.Fatalf("run: %v\n%s", err, query)
	}
	return out
}

// TryRun executes a query. Its error is what the parser or the interpreter
// has against it.
func (w *Workspace) TryRun(tb testing.TB, query string, data Data) (Table, error) {
	tb.Helper()
	var raw struct {
		Columns []Column `json:"columns"`
		Rows    [][]any  `json:"rows"`
	}
	if err := ask(tb, "run", w, query, data, &raw); err != nil {
		return Table{}, err
	}
	out := Table{Columns: raw.Columns, Rows: make([]Row, 0, len(raw.Rows))}
	for _, cells := range raw.Rows {
		row := make(Row, len(cells))
		for i, c := range raw.Columns {
			row[c.Name] = cells[i]
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// Pick returns the named columns of each row.
func (t Table) Pick(names ...string) []Row {
	rows := make([]Row, 0, len(t.Rows))
	for _, r := range t.Rows {
		p := make(Row, len(names))
		for _, n := range names {
			v, ok := r[n]
			if !ok {
				v = "no such column"
			}
			p[n] = v
		}
		rows = append(rows, p)
	}
	return rows
}

// Strings returns a text column, sorted.
func (t Table) Strings(name string) []string {
	var s []string
	for _, r := range t.Rows {
		s = append(s, fmt.Sprint(r[name]))
	}
	slices.Sort(s)
	return s
}

// Without returns a workspace that lacks the named tables.
func (w *Workspace) Without(tables ...string) *Workspace {
	c := *w
	c.Tables = maps.Clone(w.Tables)
	for _, t := range tables {
		delete(c.Tables, t)
	}
	return &c
}

// --- the Node process ---

type engine struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Scanner
	id  int
}

// running is the one process of this test binary. It ends when its standard
// input is closed, which the operating system does when the binary ends.
var running = sync.OnceValues(func() (*engine, error) { //nolint:gochecknoglobals // one process for all tests of a binary
	dir, err := nodetools.Install(context.Background(), "@kusto/language-service-next")
	if err != nil {
		return nil, err
	}
	// go test keeps results until a file changes that the test has opened: open what node will run.
	scripts, err := filepath.Glob(filepath.Join(dir, "kql", "*.cjs"))
	if err != nil {
		return nil, err
	}
	for _, s := range scripts {
		if _, err := os.ReadFile(s); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("node", filepath.Join(dir, "kql", "server.cjs"))
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr // when node dies, the reason stands above the failed test
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	return &engine{in: in, out: lines}, nil
})

// ask sends one request and decodes its result.
func ask(tb testing.TB, op string, w *Workspace, query string, data Data, result any) error {
	tb.Helper()
	return exchange(tb, func(id int) ([]byte, error) {
		return json.Marshal(struct {
			ID int    `json:"id"`
			Op string `json:"op"`
			*Workspace
			Query      string              `json:"query"`
			Rows       map[string][]Row    `json:"rows,omitzero"`
			Now        string              `json:"now,omitzero"`
			Watchlists map[string][]string `json:"watchlists,omitzero"`
		}{id, op, w, query, data.Rows, data.Now, data.Watchlists})
	}, result)
}

// exchange sends one line, made with its number, and decodes what is answered to it.
func exchange(tb testing.TB, line func(id int) ([]byte, error), result any) error {
	tb.Helper()
	e, err := running()
	if err != nil {
		tb.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.id++
	text, err := line(e.id)
	if err != nil {
		return err
	}
	if _, err := e.in.Write(append(text, '\n')); err != nil {
		tb.Fatalf("ask the Kusto parser: %v", err)
	}
	if !e.out.Scan() {
		tb.Fatalf("the Kusto parser has ended: %v", e.out.Err())
	}
	var reply struct {
		ID     int            `json:"id"`
		Result jsontext.Value `json:"result"`
		Error  string         `json:"error"`
	}
	if err := json.Unmarshal(e.out.Bytes(), &reply); err != nil {
		tb.Fatalf("answer of the Kusto parser: %v", err)
	}
	if reply.ID != e.id {
		tb.Fatalf("answer %d to question %d", reply.ID, e.id)
	}
	if reply.Error != "" {
		return fmt.Errorf("%s", reply.Error)
	}
	return json.Unmarshal(reply.Result, result)
}
