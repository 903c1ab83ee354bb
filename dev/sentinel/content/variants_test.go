package content_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

var logon = regexp.MustCompile(`AUTHENTICATION[-_]`)

// variants change the events of an example that fires so that it must not.
// Which apply to a rule is seen by a word in its query.
var variants = []struct {
	name   string
	word   string
	change func(*content.Event)
}{
	{"what failed does not count", "Status != 'FAILED'", func(e *content.Event) { e.Status = "FAILED" }},
	{"what passed is no failure", "status_in = dynamic(['FAILED'])", func(e *content.Event) { e.Status = "PASSED" }},
	{"nobody acted", " and not(BySystem)", func(e *content.Event) {
		if !logon.MatchString(e.Action + e.TechnicalName) { // a logon may name its user as the target
			e.Actor = ""
		}
	}},
	{"it came from nowhere", "isnotempty(IpAddress)", func(e *content.Event) {
		if ago(e) > -2*time.Hour || e.Arrived != "" { // what is known of earlier stays known
			e.IP = ""
		}
	}},
	{"it happened to nobody", "isnotempty(TargetName)", func(e *content.Event) { e.Target = "" }},
	{"no user", "isnotempty(User)", func(e *content.Event) { e.Actor, e.Target, e.Attributes = "", "System", nil }},
	{"history that a first backfill brings", "SailPointIDNEvents", func(e *content.Event) {
		if e.Arrived == "" {
			e.Arrived = (ago(e) + 2*time.Minute).String()
		}
		e.At = (ago(e) - 20*24*time.Hour).String()
	}},
}

// ago is when an event was, as a negative duration.
func ago(e *content.Event) time.Duration {
	d, err := content.Duration(e.At)
	if err != nil {
		panic(err) // reading the example as it is tells of it
	}
	return d
}

// TestVariantsOfExamples changes every event of the examples that fire.
func TestVariantsOfExamples(t *testing.T) {
	examples := load(t, content.Examples)
	for _, r := range load(t, content.Rules) {
		for _, v := range variants {
			if !strings.Contains(r.Query, v.word) {
				continue
			}
			t.Run(r.File+"/"+v.name, func(t *testing.T) {
				for _, c := range examples[r.File].Fires {
					c.Events = slices.Clone(c.Events)
					for i := range c.Events {
						v.change(&c.Events[i])
					}
					if out := execute(t, scene(t, c, kqltest.ISCTable), r); len(out.Rows) > 0 {
						t.Errorf("%s: alerts all the same: %v", c.Says, out.Rows)
					}
				}
			})
		}
	}
}

// TestAccountsOfIdentityIQ: a person whose name in IdentityIQ is a UPN is an account by both of its parts.
func TestAccountsOfIdentityIQ(t *testing.T) {
	examples := load(t, content.Examples)
	for _, r := range load(t, content.Rules) {
		for _, c := range examples[r.File].Fires {
			c.IIQ = slices.Clone(c.IIQ)
			for i, row := range c.IIQ {
				row = maps.Clone(row)
				for _, name := range []string{"source", "target"} {
					if person, _ := row[name].(string); person != "" && !strings.ContainsAny(person, ":@") {
						row[name] = person + "@acme.example"
					}
				}
				c.IIQ[i] = row
			}
			if len(c.IIQ) == 0 {
				continue
			}
			for _, row := range execute(t, scene(t, c, kqltest.ISCTable), r).Rows {
				for _, e := range r.EntityMappings {
					for _, f := range e.FieldMappings {
						v, _ := row[f.ColumnName].(string)
						if f.Identifier == "UPNSuffix" && v != "acme.example" || e.EntityType == "Account" && (v == "" || strings.Contains(v, "@")) {
							t.Errorf("%s: %s is %q", r.File, f.ColumnName, v)
						}
					}
				}
			}
		}
	}
}

// digests are rules of failures, whoever they are of.
var digests = []string{"SailPointIdentityNowFailedEvents", "SailPointIdentityNowFailedEventsBasedOnTime"}

// TestRowsThatNameNothing: without ids, names, addresses and attributes no rule
// fails, and none alerts about nothing.
func TestRowsThatNameNothing(t *testing.T) {
	examples := load(t, content.Examples)
	for _, r := range load(t, content.Rules) {
		for _, c := range examples[r.File].Fires {
			c.Events = slices.Clone(c.Events)
			for i := range c.Events {
				e := &c.Events[i]
				e.NoID, e.Actor, e.Target, e.IP, e.Tracking, e.Attributes = true, "", "", "", "", nil
			}
			out := execute(t, scene(t, c, kqltest.ISCTable), r)
			if len(c.Events) > 0 && len(out.Rows) > 0 && !slices.Contains(digests, r.File) {
				t.Errorf("%s, %s: alerts about nothing: %v", r.File, c.Says, out.Rows)
			}
		}
	}
}

// TestTwoTenants: the same events in a second tenant, whose names have an
// apostrophe, are as many alerts more, each of one tenant.
func TestTwoTenants(t *testing.T) {
	examples := load(t, content.Examples)
	rules := load(t, content.Rules)
	for _, h := range load(t, content.Hunts) {
		rules = append(rules, content.Rule{File: h.File, Query: h.Query})
	}
	for _, r := range rules {
		for _, c := range examples[r.File].Fires {
			if len(c.Events) == 0 || slices.ContainsFunc(c.Events, func(e content.Event) bool { return e.Org != "" }) {
				continue
			}
			one := len(c.Alerts)
			for _, e := range c.Events {
				c.Events = append(c.Events, inGlobex(e))
			}
			c.Watchlists = maps.Clone(c.Watchlists)
			for alias, keys := range c.Watchlists {
				for _, k := range keys {
					c.Watchlists[alias] = append(slices.Clone(c.Watchlists[alias]), "O'"+k)
				}
			}
			tenants := map[any]int{}
			for _, row := range execute(t, scene(t, c, kqltest.ISCTable), r).Rows {
				tenants[row["Org"]]++
			}
			if tenants["acme"] != one || tenants["globex"] != one || len(tenants) != 2 {
				t.Errorf("%s, %s: %v, want %d each", r.File, c.Says, tenants, one)
			}
		}
	}
}

// inGlobex is an event in another tenant, of people with other names.
func inGlobex(e content.Event) content.Event {
	other := func(name string) string {
		if name == "" || name == "System" {
			return name
		}
		return "O'" + name
	}
	e.Org, e.Actor, e.Target = "globex", other(e.Actor), other(e.Target)
	if e.Tracking != "" {
		e.Tracking = "f" + e.Tracking[1:]
	}
	if id, ok := e.Attributes["userId"].(string); ok {
		e.Attributes = map[string]any{"userId": other(id)}
	}
	return e
}
