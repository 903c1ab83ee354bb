package noise_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/noise"
)

// TestResidentRowsAreThoseOfTheParsers: what a rule is given from the index is what it gets when
// the parsers are executed, for a day of a small tenant, and as many alerts come of it.
func TestResidentRowsAreThoseOfTheParsers(t *testing.T) {
	company := noise.New(200, noise.Fortnight+noise.Month, 16)
	ws := kqltest.Load(t, "events-isc", "triggers-dcr", "health", "iiq-audit-dcr", "threat-intelligence")
	resident, rows := ws.Open(t, company.End()), map[string][]kqltest.Row{}
	now := company.Start.AddDate(0, 0, 24).Add(20*time.Hour + 30*time.Minute)
	company.Each(func(table string, row kqltest.Row) {
		at, err := time.Parse(time.RFC3339, row["$ingested"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if at.After(now.AddDate(0, 0, -1)) && !at.After(now.Add(time.Hour)) { // an hour of it has not come yet
			resident.Add(t, table, row)
			if !at.After(now) {
				rows[table] = append(rows[table], row)
			}
		}
	})
	rules, err := content.Rules(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Kind == content.NRT {
			continue // sees the rows of a minute only
		}
		t.Run(r.File, func(t *testing.T) {
			executed := ws.Run(t, r.Query, kqltest.Data{Now: now.Format(time.RFC3339), Rows: rows, Watchlists: company.Watchlists()})
			got := []kqltest.Row{}
			for _, f := range resident.Play(t, r.Query, kqltest.Schedule{From: now, To: now, Every: time.Hour, Always: true, Watchlists: company.Watchlists()}).Alerts {
				got = append(got, f.Rows...)
			}
			if diff := cmp.Diff(executed.Rows, got); diff != "" {
				t.Errorf("(-executed +resident)\n%s", diff)
			}
		})
	}
}

// TestNarrowRunsSeeTheSame: a rule that is shown only the rows of those whom a new row is about
// says the same as one that is shown everything, every hour of five days.
func TestNarrowRunsSeeTheSame(t *testing.T) {
	company := noise.New(200, noise.Fortnight+noise.Month, 16)
	ws := kqltest.Load(t, "events-isc")
	resident := ws.Open(t, company.End())
	from, to := company.Start.AddDate(0, 0, 16), company.Start.AddDate(0, 0, 19)
	company.Each(func(table string, row kqltest.Row) {
		if at, err := time.Parse(time.RFC3339, row["TimeGenerated"].(string)); table == kqltest.ISCTable && err == nil && at.Before(to) && at.After(from.AddDate(0, 0, -15)) {
			resident.Add(t, table, row)
		}
	})
	rules, err := content.Rules(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, r := range rules {
		if !narrow[r.File] {
			continue
		}
		t.Run(r.File, func(t *testing.T) {
			s := kqltest.Schedule{From: from, To: to, Every: time.Hour}
			wide := resident.Play(t, r.Query, s)
			s.Narrow = true
			if diff := cmp.Diff(wide.Alerts, resident.Play(t, r.Query, s).Alerts); diff != "" {
				t.Errorf("(-wide +narrow)\n%s", diff)
			}
			alerts += len(wide.Alerts)
		})
	}
	if alerts < 3 {
		t.Errorf("%d runs with alerts: that proves nothing", alerts)
	}
}
