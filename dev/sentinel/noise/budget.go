package noise

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// The month that counts begins when the rules have had a fortnight of the tenant.
const (
	Fortnight = 14
	Month     = 30
)

// Budget is how much a team of analysts bears.
var Budget = struct { //nolint:gochecknoglobals // a constant
	High, Medium float64 // incidents a day, on average
	Storm        int     // incidents on one day
	Alerts       int     // of one run of a rule, beyond which the service drops them
}{High: 1, Medium: 5, Storm: 12, Alerts: 150}

// Alert is what one run of a rule makes.
type Alert struct {
	At    time.Time
	Rows  []kqltest.Row
	Story string // what it belongs to; empty for noise
}

// Heard is what a rule says in the whole time.
type Heard struct {
	Rule    content.Rule
	Alerts  []Alert
	Most    int            // rows of one run
	Found   []string       // stories that it claims and finds
	Missed  []string       // that it claims and does not find
	Calls   []kqltest.Call // what a run reads
	Fresh   int            // alerts of the first fortnight
	Ordinal []Incident     // in the month
}

// Incident is what alerts of one rule become.
type Incident struct {
	Day    int
	Story  string
	Opened time.Time
}

// Listen sorts what a rule gave in the whole time.
func Listen(t *Tenant, r content.Rule, played kqltest.Played) Heard {
	h := Heard{Rule: r, Calls: played.Calls}
	stories := Stories(t)
	for _, fired := range played.Alerts {
		h.Most = max(h.Most, len(fired.Rows))
		alerts := [][]kqltest.Row{fired.Rows}
		if r.EventGroupingSettings.AggregationKind == "AlertPerResult" {
			alerts = nil
			for _, row := range fired.Rows[:min(len(fired.Rows), Budget.Alerts)] {
				alerts = append(alerts, []kqltest.Row{row})
			}
		}
		for _, rows := range alerts {
			h.Alerts = append(h.Alerts, Alert{At: fired.Now, Rows: rows, Story: belongs(stories, r.File, fired.Now, rows)})
		}
	}
	for _, s := range stories {
		for _, rule := range s.Rules {
			if rule != r.File {
				continue
			}
			found := false
			for _, a := range h.Alerts {
				found = found || a.Story == s.Says
			}
			if found {
				h.Found = append(h.Found, s.Says)
			} else {
				h.Missed = append(h.Missed, s.Says)
			}
		}
	}
	h.incidents(t)
	return h
}

// belongs tells which story an alert is of: first one that its rule claims, else any.
func belongs(stories []Story, rule string, at time.Time, rows []kqltest.Row) string {
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	low, other := strings.ToLower(string(text)), ""
	for _, s := range stories {
		if at.Before(s.From) || at.After(s.To) {
			continue
		}
		for _, mark := range s.Marks {
			if !strings.Contains(low, strings.ToLower(mark)) {
				continue
			}
			for _, r := range s.Rules {
				if r == rule {
					return s.Says
				}
			}
			if mark != "acme" && !strings.HasPrefix(mark, "SailPoint") {
				other = s.Says
			}
		}
	}
	return other
}

// incidents groups alerts as the rule's settings say: those with the same entities that
// come within the look-back become one.
func (h *Heard) incidents(t *Tenant) {
	type open struct {
		key string
		at  time.Time
	}
	var opened []open
	month := t.Start.AddDate(0, 0, Fortnight)
	for _, a := range h.Alerts {
		if a.At.Before(month) {
			h.Fresh++
		}
		if !h.Rule.CreatesIncident() {
			continue
		}
		key, joins := entities(h.Rule, a.Rows), false
		for _, o := range opened {
			joins = joins || o.key == key && a.At.Sub(o.at) <= content.GroupingLookback
		}
		if joins {
			continue
		}
		opened = append(opened, open{key, a.At})
		h.Ordinal = append(h.Ordinal, Incident{Day: int(a.At.Sub(t.Start) / (24 * time.Hour)), Story: a.Story, Opened: a.At})
	}
}

// entities are the values of the mapped columns, which must all match.
func entities(r content.Rule, rows []kqltest.Row) string {
	var b strings.Builder
	for _, row := range rows {
		for _, m := range r.EntityMappings {
			for _, f := range m.FieldMappings {
				fmt.Fprintf(&b, "%s=%v;", f.Identifier, row[f.ColumnName])
			}
		}
	}
	return b.String()
}

// Noise counts the alerts of the month that belong to no story, and the incidents made of them.
func (h Heard) Noise(t *Tenant) (alerts, incidents int) {
	month := t.Start.AddDate(0, 0, Fortnight)
	for _, a := range h.Alerts {
		if a.Story == "" && !a.At.Before(month) {
			alerts++
		}
	}
	for _, i := range h.Ordinal {
		if i.Story == "" && i.Day >= Fortnight {
			incidents++
		}
	}
	return alerts, incidents
}

// Line is what the table says of a rule.
func (h Heard) Line(t *Tenant) content.Noise {
	n := content.Noise{Rule: h.Rule.File, Fingerprint: h.Rule.Fingerprint(), First: h.Fresh, Found: len(h.Found), Claimed: len(h.Found) + len(h.Missed)}
	n.Alerts, n.Incidents = h.Noise(t)
	for _, c := range h.Calls {
		n.Window += c.Window
		n.Read += c.Passed
	}
	return n
}
