package saas

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Report is a table, as a person sees it.
type Report struct {
	Name    string
	Columns []string
	Rows    [][]string // each as long as Columns
}

// Licenses returns a synthetic report about who uses what, with the two columns that SailPoint
// recommends and some with blanks, quotes and lines in them. Equal arguments give equal reports.
func Licenses(seed int64, rows int) Report {
	dice := rand.New(rand.NewPCG(uint64(seed), 0x5aa5)) //nolint:gosec // it is to be the same each time
	first := []string{"Ada", "Grace", "Edsger", "Barbara", "Ken", "Zoë"}
	last := []string{"Kennedy", "O'Neil", "de la Cruz", "Müller", "Smith, Jr."}
	apps := []string{"Zoom", "Slack", "Figma", "Jira", "A \"quoted\" app"}
	notes := []string{"", "left in May", "shared account;\nask the owner", "owner: \"IT\""}
	r := Report{Name: "Unused licenses", Columns: []string{"Name", "Email", "Application", "Last activity", "Monthly cost", "Note"}}
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		name := first[dice.IntN(len(first))] + " " + last[dice.IntN(len(last))]
		r.Rows = append(r.Rows, []string{
			name, fmt.Sprintf("user.%d@acme.example", i+1), apps[dice.IntN(len(apps))],
			day.Add(-time.Duration(dice.IntN(200*24)) * time.Hour).Format(time.RFC3339),
			fmt.Sprintf("%d.%02d", dice.IntN(80), dice.IntN(100)), notes[dice.IntN(len(notes))],
		})
	}
	return r
}
