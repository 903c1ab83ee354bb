package noise_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/noise"
)

var (
	identities = flag.Int("identities", 1000, "how many the tenant has")
	update     = flag.Bool("update", false, "write sentinel/noise.csv; only the rules that have changed, or whose stories have, are played")
	every      = flag.Bool("every", false, "with -update: play all rules")
	rule       = flag.String("rule", "", "play only the rules whose file has this in its name, and list their alerts")
)

// tenant fills a workspace with the whole time.
func tenant(t *testing.T, n int) (*noise.Tenant, *kqltest.Resident) {
	t.Helper()
	if n < 200 {
		t.Fatalf("-identities %d: a tenant has 200 or more", n)
	}
	company := noise.New(n, noise.Fortnight+noise.Month, 16)
	ws := kqltest.Load(t, "events-isc", "triggers-dcr", "health", "iiq-audit-dcr", "threat-intelligence")
	resident := ws.Open(t, company.End())
	company.Each(func(table string, row kqltest.Row) { resident.Add(t, table, row) })
	return company, resident
}

// schedule is that of a rule: it runs at a minute of its own.
func schedule(t *testing.T, company *noise.Tenant, r content.Rule) kqltest.Schedule {
	t.Helper()
	every, err := r.Every()
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.File))
	minute := time.Duration(h.Sum32()%60) * time.Minute
	return kqltest.Schedule{
		From: company.Start.Add(every + minute), To: company.End().Add(-every + minute), Every: every,
		// Such a rule also speaks when nothing comes.
		Always: strings.Contains(r.Query, "SailPointIDNHealth") || strings.Contains(r.Query, "now()"),
		Narrow: narrow[r.File], NRT: r.Kind == content.NRT,
		Watchlists: company.Watchlists(),
	}
}

// narrow are the rules that read much and judge each user, actor or address by their own rows.
var narrow = map[string]bool{
	"SailPointISCAdminLogonFromNewAddress": true, "SailPointISCApiCredentialCreatedFromNewAddress": true, "SailPointISCApiCredentialUsedFromNewAddress": true,
	"SailPointISCDisabledIdentityActing": true, "SailPointISCPasswordResetThenNewAddress": true, "SailPointISCBruteForceSuccess": true,
	"SailPointISCImpossibleTravel": true, "SailPointISCJitOutOfHours": true, "SailPointISCLogonPastSso": true, "SailPointISCThreatIntelligenceMatch": true,
}

// TestMonth plays a month of an ordinary tenant, after its first fortnight, through all rules.
func TestMonth(t *testing.T) {
	sentinel := kqltest.Root(t, "sentinel")
	rules, err := content.Rules(sentinel)
	if err != nil {
		t.Fatal(err)
	}
	known, err := content.ReadNoise(sentinel)
	if err != nil {
		known = map[string]content.Noise{} // to be written; another test tells that it is missing
	}
	company, resident := tenant(t, *identities)
	t.Logf("%d rows of %d identities in %d days", resident.Rows(), company.Identities, company.Days)
	var all []noise.Heard
	for _, r := range rules {
		if !strings.Contains(r.File, *rule) || *update && !*every && known[r.File].Fingerprint == r.Fingerprint() && known[r.File].Claimed == claims(company, r) {
			continue
		}
		t.Run(r.File, func(t *testing.T) {
			h := hear(t, company, resident, r)
			all = append(all, h)
			known[r.File] = h.Line(company)
		})
	}
	if len(all) == 0 && !*update {
		t.Fatalf("-rule %s: no rule has that in the name of its file", *rule)
	}
	if *update {
		record(t, sentinel, rules, known)
	}
	if *rule == "" && !*update || *every {
		within(t, company, all)
	}
}

// hear plays one rule.
func hear(t *testing.T, company *noise.Tenant, resident *kqltest.Resident, r content.Rule) noise.Heard {
	t.Helper()
	start := time.Now()
	played := resident.Play(t, r.Query, schedule(t, company, r))
	h := noise.Listen(company, r, played)
	if alias := needed(company, r); alias != "" {
		s := schedule(t, company, r)
		delete(s.Watchlists, alias)
		if without := resident.Play(t, r.Query, s); len(without.Alerts) > 0 {
			t.Errorf("%d runs speak without the watchlist %s", len(without.Alerts), alias)
		}
	}
	if *rule != "" {
		list(t, company, h)
	}
	alerts, incidents := h.Noise(company)
	t.Logf("%s: %d alerts, %d incidents, %d in the first fortnight, most %d; %v; %d runs, %v", r.Severity, alerts, incidents, h.Fresh, h.Most, h.Calls, played.Runs, time.Since(start).Round(time.Millisecond))
	for _, s := range h.Missed {
		t.Errorf("misses what it claims to find: %s", s)
	}
	if h.Most > noise.Budget.Alerts {
		t.Errorf("%d alerts in one run: the service makes %d", h.Most, noise.Budget.Alerts)
	}
	return h
}

// claims counts the stories that a rule claims to find.
func claims(company *noise.Tenant, r content.Rule) (n int) {
	for _, s := range noise.Stories(company) {
		if slices.Contains(s.Rules, r.File) {
			n++
		}
	}
	return n
}

// needed is the watchlist without which a rule finds nothing, if there is one.
func needed(company *noise.Tenant, r content.Rule) string {
	for _, s := range noise.Stories(company) {
		if s.Needs != "" && slices.Contains(s.Rules, r.File) {
			return s.Needs
		}
	}
	return ""
}

// record writes the table, in the order of the rules.
func record(t *testing.T, sentinel string, rules []content.Rule, known map[string]content.Noise) {
	t.Helper()
	var lines []content.Noise
	for _, r := range rules {
		if n, ok := known[r.File]; ok {
			lines = append(lines, n)
		}
	}
	if err := content.WriteNoise(sentinel, lines); err != nil {
		t.Fatal(err)
	}
}

// TestTableIsCurrent: what the page about detections says was measured with these rules, and is within the budget.
func TestTableIsCurrent(t *testing.T) {
	if *update {
		t.Skip("the table is being written")
	}
	sentinel := kqltest.Root(t, "sentinel")
	rules, err := content.Rules(sentinel)
	if err != nil {
		t.Fatal(err)
	}
	known, err := content.ReadNoise(sentinel)
	if err != nil {
		t.Fatal(err)
	}
	count, company := map[string]int{}, noise.New(200, noise.Fortnight+noise.Month, 16)
	for _, r := range rules {
		n, ok := known[r.File]
		if want := claims(company, r); n.Claimed != want {
			t.Errorf("%s claims %d stories, the table says %d: run make noise", r.File, want, n.Claimed)
		}
		if !ok || n.Fingerprint != r.Fingerprint() {
			t.Errorf("%s: the rule has changed since its noise was measured: run make noise", r.File)
		}
		if n.Found < n.Claimed {
			t.Errorf("%s finds %d of the %d stories that it claims", r.File, n.Found, n.Claimed)
		}
		count[r.Severity] += n.Incidents
		delete(known, r.File)
	}
	if high, medium := float64(count["High"])/noise.Month, float64(count["Medium"])/noise.Month; high >= noise.Budget.High || medium >= noise.Budget.Medium {
		t.Errorf("%.2f incidents of severity High and %.2f of Medium a day: the budget is %g and %g", high, medium, noise.Budget.High, noise.Budget.Medium)
	}
	for rule := range known {
		t.Errorf("%s is not a rule any more: run make noise", rule)
	}
}

// within tells where the budget is not kept, in the month and in the first fortnight.
func within(t *testing.T, company *noise.Tenant, all []noise.Heard) {
	t.Helper()
	for _, part := range []struct {
		name     string
		from, to int
	}{{"the first fortnight", 0, noise.Fortnight}, {"the month", noise.Fortnight, noise.Fortnight + noise.Month}} {
		count, by := map[string]int{}, map[int][]string{}
		for _, h := range all {
			for _, i := range h.Ordinal {
				if i.Day < part.from || i.Day >= part.to {
					continue
				}
				if i.Story == "" {
					count[h.Rule.Severity]++
				}
				by[i.Day] = append(by[i.Day], h.Rule.File)
			}
		}
		for severity, budget := range map[string]float64{"High": noise.Budget.High, "Medium": noise.Budget.Medium} {
			perDay := float64(count[severity]) / float64(part.to-part.from)
			t.Logf("%s: %.2f incidents of severity %s a day", part.name, perDay, severity)
			if perDay >= budget {
				t.Errorf("%s has %.2f incidents of severity %s a day, want less than %g", part.name, perDay, severity, budget)
			}
		}
		for day, files := range by {
			if len(files) > noise.Budget.Storm {
				slices.Sort(files)
				t.Errorf("day %d is a storm of %d incidents: %v", day, len(files), files)
			}
		}
	}
}

func list(t *testing.T, company *noise.Tenant, h noise.Heard) {
	t.Helper()
	for _, a := range h.Alerts {
		for _, row := range a.Rows {
			t.Logf("day %d %s [%s] %s", int(a.At.Sub(company.Start)/(24*time.Hour)), a.At.Format("15:04"), a.Story, brief(row))
		}
	}
}

func brief(row kqltest.Row) string {
	var b strings.Builder
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range row {
			if !yield(k) {
				return
			}
		}
	}) {
		if v := fmt.Sprint(row[k]); v != "" && v != "<nil>" {
			fmt.Fprintf(&b, "%s=%.60s ", k, v)
		}
	}
	return b.String()
}
