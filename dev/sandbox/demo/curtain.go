package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// curtain shows what arrived, and says whether it is everything.
func (p *play) curtain() error {
	p.say("")
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tDISTINCT IDS\tCOLUMNS\tNEWEST TimeGenerated")
	for _, t := range p.stage.Workspace.Tables() {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", t.Name(), t.Count(), t.Digest().Records, len(t.Columns()), newest(t))
	}
	if err := w.Flush(); err != nil {
		return err
	}

	p.say("\n%s | sort by TimeGenerated desc | take 3", "SailPointIDN_Events_CL")
	p.rows("SailPointIDN_Events", "TimeGenerated", "type_s", "action_s", "status_s", "actor_name_s", "target_name_s")
	p.say("\n%s | sort by TimeGenerated desc | take 3", "SailPointIDN_Triggers_CL")
	p.rows("SailPointIDN_Triggers", "TimeGenerated", "Metadata_triggerId_s", "type_s", "completed_t")

	p.say("\n%s | sort by TimeGenerated desc | take 3", "SailPointSaaS_Reports_CL")
	p.rows("SailPointSaaS_Reports", "TimeGenerated", "report_s", "rowNumber_d", "row_s")

	if err := p.checkpoints(); err != nil {
		return err
	}
	return p.verdict()
}

func newest(t *workspace.Table) (at string) {
	for _, r := range t.Rows() {
		at = max(at, r["TimeGenerated"])
	}
	return at
}

// rows prints the last rows of a table.
func (p *play) rows(table string, columns ...string) {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  "+strings.Join(columns, "\t"))
	rows := p.stage.Workspace.Table(table).Rows()
	for i := len(rows) - 1; i >= max(0, len(rows)-3); i-- {
		cells := make([]string, len(columns))
		for c, name := range columns {
			cells[c] = rows[i][name]
			if len(cells[c]) > 40 {
				cells[c] = cells[c][:37] + "..."
			}
		}
		fmt.Fprintln(w, "  "+strings.Join(cells, "\t"))
	}
	_ = w.Flush() // to memory or a terminal; the verdict does not depend on it
}

func (p *play) checkpoints() error {
	files, err := filepath.Glob(filepath.Join(p.dir, "*", "checkpoints", "*.json"))
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(p.dir, f)
		p.say("\ncheckpoint %s\n%s", rel, strings.TrimSpace(string(data)))
	}
	return nil
}

// verdict compares source and table.
func (p *play) verdict() error {
	expected, missing, twice := p.stage.Audit()
	var busy time.Duration
	for _, t := range p.ticks {
		busy += t.took
	}
	stats := p.stage.Workspace.Stats()
	p.say("\n%d ticks, %.1f s of work, %.0f rows a second, %d batches, at most %d requests to SailPoint in any 10 s (limit 100)",
		len(p.ticks), busy.Seconds(), float64(stats.Rows)/busy.Seconds(), stats.Batches, p.stage.Tenant.PeakRequests())
	p.say("events: %d at the source, %d missing in the table, %d repeated (the batches in flight when it was killed)", expected, missing, twice)
	once := p.stage.pushedRows(p.pushed) == 1 && p.stage.Workspace.Table("SailPointSaaS_Reports").Count() == reportRows
	p.say("pushes: the event and each row of the report once: %v", once)
	if missing > 0 || !once || twice > pipeline.Parallel*stats.LargestRows {
		return ErrIncomplete
	}
	p.say("Nothing is lost.")
	p.say("To watch it run, and to cause faults yourself: ./sandbox serve")
	return nil
}
