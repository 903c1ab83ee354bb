package content

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Example shows what a query does, on rows that a person can read. The file
// has the name of the rule's or hunting query's file.
//
//	fires:
//	  - says: A help desk user makes somebody an administrator.
//	    events:
//	      - {at: -20m, type: USER_MANAGEMENT, action: USER_ADMIN_GRANT, actor: bob, target: eve, ip: 203.0.113.7}
//	    alerts:
//	      - {ActorName: bob, TargetName: eve}
//	quiet:
//	  - says: The right is taken away.
//	    events:
//	      - {at: -20m, type: USER_MANAGEMENT, action: USER_ADMIN_REVOKE, actor: bob, target: eve}
type Example struct {
	Fires []Case `yaml:"fires"`
	Quiet []Case `yaml:"quiet"`

	File string `yaml:"-"`
}

// Case is one sequence of rows. Alerts are the rows that come out, in any
// order, with some of their columns, the same for each.
type Case struct {
	Says     string           `yaml:"says"`
	Events   []Event          `yaml:"events"`
	Triggers []map[string]any `yaml:"triggers"` // members as the API has them, besides at and arrived
	Health   []map[string]any `yaml:"health"`   // members as the connector sends them, likewise
	IIQ      []map[string]any `yaml:"iiq"`      // members of IdentityIQ's audit events, likewise; also times, every and {n}
	Alerts   []map[string]any `yaml:"alerts"`

	Watchlists map[string][]string         `yaml:"watchlists"` // search keys by alias
	Tables     map[string][]map[string]any `yaml:"tables"`     // rows of tables of others, by name; -20m and +1d are times
}

// Event is one audit event, or Times of them, Every apart. {n} in a text stands
// for their number, from 1.
type Event struct {
	At            string         `yaml:"at"`      // -20m, -3d: before the query runs
	Arrived       string         `yaml:"arrived"` // likewise; two minutes later than At unless told
	Org           string         `yaml:"org"`     // acme unless told
	Type          string         `yaml:"type"`
	Action        string         `yaml:"action"`
	TechnicalName string         `yaml:"technicalName"`
	Operation     string         `yaml:"operation"`
	Status        string         `yaml:"status"` // PASSED unless told
	Actor         string         `yaml:"actor"`
	Target        string         `yaml:"target"`
	IP            string         `yaml:"ip"`
	Tracking      string         `yaml:"tracking"`
	Attributes    map[string]any `yaml:"attributes"`
	Times         int            `yaml:"times"`
	Every         string         `yaml:"every"`
	NoID          bool           `yaml:"noId"` // the row has no id
}

// Now is when the queries of examples run.
var Now = time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// delivery is how long a row takes to the table unless an example tells.
const delivery = 2 * time.Minute

// Documents gives the events of a case as SailPoint's API would, with
// "$ingested", the time at which the row reaches the table.
func (c Case) Documents() ([]map[string]any, error) {
	var docs []map[string]any
	for i, e := range c.Events {
		every, err := Duration(e.Every)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		for n := range max(e.Times, 1) {
			at, arrived, err := moments(e.At, e.Arrived, time.Duration(n)*every)
			if err != nil {
				return nil, fmt.Errorf("event %d: %w", i+1, err)
			}
			d := e.document(fmt.Sprintf("event-%d-%d", i+1, n+1), n+1, at, arrived)
			if late(at, arrived) {
				d["TimeGenerated"] = arrived
			}
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// late tells whether Azure Monitor would take the time of receipt for
// TimeGenerated: it does so for rows that are older than two days when they come.
func late(at, arrived string) bool {
	created, _ := time.Parse(time.RFC3339, at)
	received, _ := time.Parse(time.RFC3339, arrived)
	return received.Sub(created) > 48*time.Hour
}

func (e Event) document(id string, n int, at, arrived string) map[string]any {
	numbered := func(s string) string { return strings.ReplaceAll(s, "{n}", strconv.Itoa(n)) }
	d := map[string]any{"id": id, "created": at, "$ingested": arrived, "type": e.Type, "status": e.Status, "org": "acme"}
	if e.Status == "" {
		d["status"] = "PASSED"
	}
	if e.NoID {
		d["id"] = nil
	}
	if e.Org != "" {
		d["org"] = e.Org
	}
	for member, v := range map[string]string{
		"action": e.Action, "technicalName": e.TechnicalName, "operation": e.Operation, "ipAddress": e.IP, "trackingNumber": e.Tracking,
	} {
		if v != "" {
			d[member] = numbered(v)
		}
	}
	d["name"] = strings.TrimSpace(e.Action + " " + e.TechnicalName)
	for member, v := range map[string]string{"actor": e.Actor, "target": e.Target} {
		if v != "" {
			d[member] = map[string]any{"name": numbered(v)}
		}
	}
	if e.Attributes != nil {
		a := map[string]any{}
		for k, v := range e.Attributes {
			if s, ok := v.(string); ok {
				v = numbered(s)
			}
			a[k] = v
		}
		d["attributes"] = a
	}
	return d
}

// Timed gives the documents of triggers or health rows: "at" becomes the
// member created, and "$ingested" is set.
func Timed(rows []map[string]any) ([]map[string]any, error) {
	var docs []map[string]any
	for i, r := range rows {
		at, _ := r["at"].(string)
		received, _ := r["arrived"].(string)
		created, arrived, err := moments(at, received, 0)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		d := map[string]any{"created": created, "$ingested": arrived}
		for k, v := range r {
			if k != "at" && k != "arrived" {
				d[k] = v
			}
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// Others gives the rows of the tables of others.
func (c Case) Others() map[string][]map[string]any {
	tables := map[string][]map[string]any{}
	for table, rows := range c.Tables {
		for _, r := range rows {
			row := map[string]any{}
			for k, v := range r {
				if s, ok := v.(string); ok && relative.MatchString(s) {
					if d, err := Duration(strings.TrimPrefix(s, "+")); err == nil {
						v = Now.Add(d).Format(time.RFC3339)
					}
				}
				row[k] = v
			}
			tables[table] = append(tables[table], row)
		}
	}
	return tables
}

var relative = regexp.MustCompile(`^[+-]\d+[mhd]$`)

// AuditEvents gives the audit events of IdentityIQ of a case as the connector sends them, with
// "$ingested".
func (c Case) AuditEvents() ([]map[string]any, error) {
	var docs []map[string]any
	for i, r := range c.IIQ {
		text := func(name string) string { s, _ := r[name].(string); return s }
		every, err := Duration(text("every"))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		times, _ := r["times"].(int)
		for n := range max(times, 1) {
			at, arrived, err := moments(text("at"), text("arrived"), time.Duration(n)*every)
			if err != nil {
				return nil, fmt.Errorf("event %d: %w", i+1, err)
			}
			created, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return nil, fmt.Errorf("event %d: %w", i+1, err)
			}
			d := map[string]any{"id": fmt.Sprintf("event-%d-%d", i+1, n+1), "eventTime": at, "created": float64(created.UnixMilli()), "TimeGenerated": at, "$ingested": arrived}
			if late(at, arrived) {
				d["TimeGenerated"] = arrived
			}
			for k, v := range r {
				if s, ok := v.(string); ok && k != "at" && k != "arrived" && k != "every" {
					d[k] = strings.ReplaceAll(s, "{n}", strconv.Itoa(n+1))
				}
			}
			docs = append(docs, d)
		}
	}
	return docs, nil
}

func moments(at, arrived string, shift time.Duration) (created, ingested string, err error) {
	when, err := Duration(at)
	if err != nil {
		return "", "", err
	}
	received := when + delivery
	if arrived != "" {
		if received, err = Duration(arrived); err != nil {
			return "", "", err
		}
	}
	return Now.Add(when + shift).Format(time.RFC3339), Now.Add(received + shift).Format(time.RFC3339), nil
}

// Duration reads 30s, 5m, 2h, 14d, also with a sign. Nothing is 0.
func Duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil {
			return 0, fmt.Errorf("duration %q: want a number of days", s)
		}
		return time.Duration(n * float64(24*time.Hour)), nil
	}
	return time.ParseDuration(s)
}

// Examples reads the examples of the folder sentinel by file name.
func Examples(sentinel string) (map[string]Example, error) {
	paths, err := files(filepath.Join(sentinel, ExamplesFolder), ".yaml")
	if err != nil {
		return nil, err
	}
	all := map[string]Example{}
	for _, p := range paths {
		e := Example{File: base(p)}
		if err := readYAML(p, &e); err != nil {
			return nil, err
		}
		all[e.File] = e
	}
	return all, nil
}
