package kqltest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Doc is a document as SailPoint's API gives it, or as the connector sends it:
// {"id": …, "created": …, "actor": {"name": …}, "attributes": {…}}.
type Doc map[string]any

// Names of the tables.
const (
	EventsTable   = "SailPointIDN_Events_CL"
	ISCTable      = "SailPointISC_Events_CL"
	V2Table       = "SailPointIDN_EventsV2_CL"
	TriggersTable = "SailPointIDN_Triggers_CL"
	HealthTable   = "SailPointIDN_Health_CL"
	IIQTable      = "SailPointIIQ_Audit_CL"
)

// Scene is a workspace with rows in it: give it documents in the form that each
// table would store them in, then run queries.
//
//	s := kqltest.NewScene(t, "2026-09-02T12:00:00Z", "events-classic", "events-isc")
//	s.Classic(kqltest.EventsTable, kqltest.Doc{"id": "1", "created": "2026-09-02T11:00:00Z", "type": "AUTH"})
//	out := s.Run(t, `SailPointIDNEvents | where EventType == "AUTH"`)
//
// TimeGenerated of a row is the document's TimeGenerated, else its created.
// "$ingested" in a document sets the row's ingestion_time().
type Scene struct {
	Workspace
	Data Data

	tb testing.TB
}

// NewScene returns a scene with the named schemas, no rows, and a clock.
func NewScene(tb testing.TB, now string, schemas ...string) *Scene {
	tb.Helper()
	return &Scene{Workspace: *Load(tb, schemas...), Data: Data{Now: now, Rows: map[string][]Row{}}, tb: tb}
}

// Run executes a query in the scene.
func (s *Scene) Run(tb testing.TB, query string) Table {
	tb.Helper()
	return s.Workspace.Run(tb, query, s.Data)
}

// RunNRT executes the query of a near-real-time rule as Sentinel does: for each
// minute in which rows came in, two minutes after its end, on those rows alone.
// The result has the rows of all runs.
func (s *Scene) RunNRT(tb testing.TB, query string) Table {
	tb.Helper()
	minutes := map[time.Time]map[string][]Row{}
	for table, rows := range s.Data.Rows {
		for _, r := range rows {
			came, ok := r["$ingested"].(string)
			if !ok {
				came, _ = r["TimeGenerated"].(string)
			}
			at, err := time.Parse(time.RFC3339, came)
			if err != nil {
				tb.Fatalf("table %s: when a row came in: %v", table, err)
			}
			minute := at.Truncate(time.Minute)
			if minutes[minute] == nil {
				minutes[minute] = map[string][]Row{}
			}
			minutes[minute][table] = append(minutes[minute][table], r)
		}
	}
	var out Table
	for _, minute := range slices.SortedFunc(maps.Keys(minutes), time.Time.Compare) {
		run := s.Workspace.Run(tb, query, Data{Now: minute.Add(3 * time.Minute).Format(time.RFC3339), Rows: minutes[minute], Watchlists: s.Data.Watchlists})
		out.Columns, out.Rows = run.Columns, append(out.Rows, run.Rows...)
	}
	return out
}

// Rows adds rows as they are.
func (s *Scene) Rows(table string, rows ...Row) {
	s.Data.Rows[table] = append(s.Data.Rows[table], rows...)
}

// Classic adds documents as the Data Collector API stores them: flattened, with
// a type suffix by value, so that an id lies in _g or in _s. It makes the
// columns, and the table, that are not there yet.
func (s *Scene) Classic(table string, docs ...Doc) {
	s.tb.Helper()
	for _, d := range docs {
		row := base(d)
		flatten(row, "", d)
		s.grow(table, row)
		s.Rows(table, row)
	}
}

// DCR adds documents as a data collection rule stores them: in the columns that
// the table declares, under the same names, with the ids as they came. A member
// without a column is dropped; Attributes, Body and Raw hold their whole objects.
func (s *Scene) DCR(table string, docs ...Doc) {
	s.tb.Helper()
	declared := map[string]string{}
	for _, c := range s.Columns(s.tb, table) {
		declared[c.Name] = c.Type
	}
	for _, d := range docs {
		row := base(d)
		for path, v := range leaves("", d) {
			path = strings.NewReplacer("_type", "docType", "_version", "docVersion", "_index", "index").Replace(path)
			for _, suffix := range []string{"_t", "_b", "_d", "_s", "_g"} {
				name := path + suffix
				if declared[name] == "" {
					continue
				}
				if declared[name] == "string" {
					v = text(v)
				}
				row[name] = v
				break
			}
		}
		for member, name := range map[string]string{"attributes": "Attributes", "Body": "Body"} {
			if v, ok := d[member]; ok && declared[name] == "dynamic" {
				row[name] = v
			}
		}
		s.Rows(table, row)
	}
}

// ISC adds events as SailPointISC_Events_CL holds them.
func (s *Scene) ISC(docs ...Doc) {
	s.tb.Helper()
	declared := map[string]string{}
	for _, c := range s.Columns(s.tb, ISCTable) {
		declared[c.Name] = c.Type
	}
	for _, d := range docs {
		row := base(d)
		set := func(name string, v any) {
			if declared[name] == "string" {
				v = text(v)
			}
			if declared[name] != "" && v != nil {
				row[name] = v
			}
		}
		rename := map[string]string{"type": "EventType", "_type": "DocType", "_version": "DocVersion", "_index": "Index"}
		for path, v := range leaves("", d) {
			name, renamed := rename[path]
			if !renamed {
				name = camel(path)
			}
			set(name, v)
		}
		for member, name := range map[string]string{"attributes": "Attributes", "objects": "Objects", "details": "Details"} {
			set(name, d[member])
		}
		set("SourceSystem", "RestAPI")
		s.Rows(ISCTable, row)
	}
}

func base(d Doc) Row {
	row := Row{}
	for _, name := range []string{"TimeGenerated", "$ingested"} {
		if v, ok := d[name]; ok {
			row[name] = v
		}
	}
	if _, ok := row["TimeGenerated"]; !ok && d["created"] != nil {
		row["TimeGenerated"] = d["created"]
	}
	return row
}

// leaves gives the values that are not objects, by path with "_".
func leaves(prefix string, d Doc) map[string]any {
	out := map[string]any{}
	for k, v := range d {
		if k == "TimeGenerated" || strings.HasPrefix(k, "$") || v == nil {
			continue
		}
		if m, ok := member(v); ok {
			maps.Copy(out, leaves(prefix+k+"_", m))
			continue
		}
		out[prefix+k] = v
	}
	return out
}

func member(v any) (Doc, bool) {
	switch m := v.(type) {
	case Doc:
		return m, true
	case map[string]any:
		return m, true
	}
	return nil, false
}

var (
	guid    = regexp.MustCompile(`^([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{12})$`)
	isoTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d`)
)

// flatten follows the type inference of the Data Collector API.
func flatten(row Row, prefix string, d Doc) {
	for path, v := range leaves(prefix, d) {
		switch v := v.(type) {
		case string:
			switch {
			case guid.MatchString(v):
				row[path+"_g"] = strings.ToLower(guid.ReplaceAllString(v, "$1-$2-$3-$4-$5"))
			case isoTime.MatchString(v):
				row[path+"_t"] = v
			default:
				row[path+"_s"] = v
			}
		case bool:
			row[path+"_b"] = v
		case int, float64:
			row[path+"_d"] = v
		default:
			row[path+"_s"] = text(v)
		}
	}
}

// text is a value in a string column.
func text(v any) any {
	if v == nil {
		return nil
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// camel turns attributes_groupsDeltaToken_before into AttributesGroupsDeltaTokenBefore.
func camel(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// grow adds the columns of a row that a classic table lacks.
func (s *Scene) grow(table string, row Row) {
	types := map[string]string{"_s": "string", "_g": "string", "_d": "real", "_b": "bool", "_t": "datetime"}
	cols := s.Columns(s.tb, table)
	if len(cols) == 0 {
		cols = []Column{{Name: "TimeGenerated", Type: "datetime"}}
	}
	have := map[string]bool{}
	for _, c := range cols {
		have[c.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if len(name) > 2 && !have[name] && types[name[len(name)-2:]] != "" {
			cols = append(cols, Column{Name: name, Type: types[name[len(name)-2:]]})
		}
	}
	s.Tables = maps.Clone(s.Tables)
	s.Tables[table] = Schema(cols)
}

// Schema makes a table's declaration of columns.
func Schema(columns []Column) jsontext.Value {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%q", c.Name, c.Type)
	}
	b.WriteByte('}')
	return jsontext.Value(b.String())
}
