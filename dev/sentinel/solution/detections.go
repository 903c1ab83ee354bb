package solution

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/prose"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// severities from what is urgent to what is worth knowing.
var severities = []string{"High", "Medium", "Low", "Informational"} //nolint:gochecknoglobals // a constant

// detections makes the page about rules and hunting queries.
func (s *Solution) detections() (map[string][]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Generated from the folder sentinel by make solution. DO NOT EDIT. -->
# Detections

This page lists %d analytic rules and %d hunting queries.
The rules are in [sentinel/Analytic Rules](../sentinel/Analytic%%20Rules), the queries in [sentinel/Hunting Queries](../sentinel/Hunting%%20Queries).
For each of them, the folder [sentinel/Examples](../sentinel/Examples) has rows that make it fire and rows that don't, and the tests execute it on both.

All of them read the functions SailPointIDNEvents, SailPointIDNTriggers, SailPointIDNHealth and SailPointIIQEvents, so none fails because a table is missing.
What a rule finds depends on the columns that are filled.
This connector fills all of them.
SailPoint's codeless connector fills SailPointISC_Events_CL (SailPointIDN_EventsV2_CL in its first version, which the functions read, too) without addresses and with 19 of the attributes: a rule with columns under *Needs* finds nothing there, or not all that it is about (a test runs each rule on such a table).
Rules find new rows by their ingestion time, and look back two days or more: they see late events, and alert once.
Rules in near real time run each minute, on the rows that came in that minute ([why, and what for](adr/0042-near-real-time.md)).
Events older than fourteen days, for instance from a first backfill, do not alert.
Rules of severity Low or Informational make alerts and no incidents.
Rules that compare with the past need some: a week of the tenant's data, or three days of the user's.
The watchlists that rules read where they exist are in [sentinel/README.md](../sentinel/README.md#watchlists).

## Rules

| Rule | Severity | Tactics | Techniques | Reads | Needs | Runs | Looks back |
|---|---|---|---|---|---|---|---|
`, len(s.Rules), len(s.Hunts))
	rules := slices.SortedStableFunc(slices.Values(s.Rules), func(a, b content.Rule) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)), cmp.Compare(a.Name, b.Name))
	})
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s | %s | %s | %s |\n", r.Name, strings.ToLower(r.File), r.Severity,
			strings.Join(r.Tactics, ", "), strings.Join(r.RelevantTechniques, ", "), reads(r.RequiredDataConnectors), strings.Join(content.ColumnsNeeded(r.File), ", "), frequency(r), cmp.Or(r.QueryPeriod, "-"))
	}
	s.noise(&b, rules)
	b.WriteString("\n## What makes them fire\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "\n### %s\n\n*%s*, %s.\n%s\n\n", r.File, r.Name, strings.ToLower(r.Severity), strings.Join(prose.Sentences(oneLine(r.Description)), "\n"))
		e := s.Examples[r.File]
		for _, c := range e.Fires {
			fmt.Fprintf(&b, "- Fires: %s\n", c.Says)
		}
		for _, c := range e.Quiet {
			fmt.Fprintf(&b, "- Does not fire: %s\n", c.Says)
		}
	}
	s.hunting(&b)
	s.coverage(&b)
	return map[string][]byte{"docs/detections.md": []byte(b.String())}, nil
}

// noise writes what each rule said in the generated month, which a command measures.
func (s *Solution) noise(b *strings.Builder, rules []content.Rule) {
	b.WriteString(`
## How much they say

A generated tenant of 10,000 identities has thirty ordinary days: people join, leave, travel, mistype and forget passwords; sources are aggregated and one of them is down; there are a certification campaign, requests, and the work of administrators and programs.
` + "`make noise`" + ` plays it through each rule, as often as the rule would run, and writes this table.
The watchlists of break-glass accounts, of VIP identities and of privileged access are filled, and a feed of threat intelligence names some addresses; the watchlists that spare what is known an alert are empty.
Every tenant differs: read the figures as an order of magnitude.

- *Alerts* and *Incidents*: in the thirty ordinary days.
- *New tenant*: alerts in the fortnight before them, with the first data of the tenant.
- *Stories*: attacks and failures planted into the month that the rule claims to find, and finds.
- *Rows*: of the tables, which a run has to look at, in the period it asks for; *Left*: what the filters of the functions leave of them for the rest of the query.
  Both count one run that finds nothing, at the end of the month: a join without rows on its left does not read its right side in it, which a workspace may do all the same.

| Rule | Severity | Alerts | Incidents | New tenant | Stories | Rows | Left |
|---|---|---|---|---|---|---|---|
`)
	total := map[string]int{}
	for _, r := range rules {
		n, ok := s.Noise[r.File]
		if !ok {
			continue // a test of package noise tells that it is missing
		}
		total[r.Severity] += n.Incidents
		fmt.Fprintf(b, "| [%s](#%s) | %s | %d | %d | %d | %s | %d | %d |\n", r.Name, strings.ToLower(r.File), r.Severity, n.Alerts, n.Incidents, n.First, found(n), n.Window, n.Read)
	}
	const days = 30.0
	fmt.Fprintf(b, "\nTogether that is %.1f incidents of severity High and %.1f of severity Medium a day; the tests allow fewer than 1 and 5.\n", float64(total["High"])/days, float64(total["Medium"])/days)
}

func found(n content.Noise) string {
	if n.Claimed == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", n.Found, n.Claimed)
}

func (s *Solution) hunting(b *strings.Builder) {
	b.WriteString("\n## Hunting queries\n\n| Query | What it finds | Tactics | Techniques | Reads |\n|---|---|---|---|---|\n")
	for _, h := range s.Hunts {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", h.Name, oneLine(h.Description), strings.Join(h.Tactics, ", "), strings.Join(h.RelevantTechniques, ", "), reads(h.RequiredDataConnectors))
	}
}

// coverage writes which techniques are covered under which tactic. A technique
// counts for those of its tactics that the rule or query names.
func (s *Solution) coverage(b *strings.Builder) {
	type cell struct{ rules, hunts int }
	count := map[[2]string]*cell{}
	add := func(tactics, techniques []string, f func(*cell)) {
		for _, id := range techniques {
			technique, _ := content.TechniqueOf(id)
			for _, tactic := range technique.Tactics {
				if slices.Contains(tactics, tactic) {
					key := [2]string{tactic, id}
					if count[key] == nil {
						count[key] = &cell{}
					}
					f(count[key])
				}
			}
		}
	}
	for _, r := range s.Rules {
		add(r.Tactics, r.RelevantTechniques, func(c *cell) { c.rules++ })
	}
	for _, h := range s.Hunts {
		add(h.Tactics, h.RelevantTechniques, func(c *cell) { c.hunts++ })
	}
	b.WriteString("\n## MITRE ATT&CK\n\n| Tactic | Technique | Rules | Hunting queries |\n|---|---|---|---|\n")
	for _, tactic := range content.Tactics() {
		for _, t := range content.Techniques() {
			if c := count[[2]string{tactic, t.ID}]; c != nil {
				fmt.Fprintf(b, "| %s | [%s](%s) %s | %d | %d |\n", tactic, t.ID, t.URL(), t.Name, c.rules, c.hunts)
			}
		}
	}
}

// frequency says how often a rule runs.
func frequency(r content.Rule) string {
	if r.Kind == content.NRT {
		return "near real time"
	}
	return "every " + r.QueryFrequency
}

// reads names the tables of the first connector, in short.
func reads(required []content.RequiredConnector) string {
	if len(required) == 0 {
		return ""
	}
	var short []string
	for _, t := range required[0].DataTypes {
		short = append(short, strings.ToLower(strings.TrimSuffix(t[strings.Index(t, "_")+1:], "_CL")))
	}
	return strings.Join(slices.Compact(short), ", ")
}
