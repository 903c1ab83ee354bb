package noise

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tenant is a company of so many identities.
type Tenant struct {
	Identities int
	Start      time.Time // a Monday, at midnight UTC
	Days       int
	Seed       uint64

	people []person
}

// Event is one audit event of Identity Security Cloud.
type Event struct {
	At, Arrived                  time.Time
	Type, Action, Technical      string
	Operation, Status            string
	Actor, Target, IP, Tracking  string
	Source, Item, Value, Before  string // attributes that rules read
	UserID, Info, Sod, Scope     string
	Capability, Interface, Error string
	Comment, ItemType            string
}

// person is one identity.
type person struct {
	name     string
	manager  int
	office   int    // 0 works from home only
	v4, v6   string // prefix at home; v6 may be empty
	roams    bool   // has another network nearly every time
	joins    int    // day of joining, negative for long ago
	leaves   int    // day of leaving
	holidays [2]int // first and last day
}

// Numbers of people with tasks; they come first among the identities.
const (
	admins     = 8
	developers = 4
	helpdesk   = 15
	owners     = 24 // of sources
	auditors   = 6
	staff      = admins + developers + helpdesk + owners + auditors
	victims    = 40 // for the stories: ordinary people who are there all the time
)

// Watchlists that the company has filled. Those that only spare known things an alert, such as
// trusted addresses, are empty: the noise is that of a company that has not come to it.
const (
	breakGlass = "SailPointBreakGlass"
	vips       = "SailPointVIPIdentities"
	privileged = "SailPointPrivilegedAccess"

	emergency = "emergency1@acme.example"
)

// Watchlists gives their search keys. Of the entitlements, one is given now and then in the
// course of things.
func (t *Tenant) Watchlists() map[string][]string {
	lists := map[string][]string{
		breakGlass: {"Emergency1@acme.example ", "emergency2@acme.example"},
		privileged: {"Domain Admins", "SAP_ALL", "Active Directory Admin group 7"},
	}
	for n := 28; n < 40; n++ {
		lists[vips] = append(lists[vips], t.people[staff+n].name)
	}
	return lists
}

// sources that are connected.
var sources = []string{ //nolint:gochecknoglobals // constants
	"Active Directory", "Active Directory Admin", "Entra ID", "Workday", "SAP ERP", "ServiceNow", "Salesforce", "GitHub", "Oracle EBS", "Mainframe RACF", "Box", "Badge System",
}

const manual = "Badge System" // a source without a connector: people do what is asked

// offices and VPN concentrators, by the address that they are seen from.
var (
	offices = []string{"", "198.51.100.10", "198.51.100.74", "192.0.2.20"}                                       //nolint:gochecknoglobals // constants
	vpn     = []string{"203.0.113.5", "203.0.113.6", "203.0.113.77", "192.0.2.130"}                              //nolint:gochecknoglobals // constants
	mobile  = []string{"100.64.1.", "100.64.2.", "100.64.7.", "100.66.20.", "100.70.3.", "100.70.4.", "100.71."} //nolint:gochecknoglobals // constants
)

// New returns a tenant whose rows depend on the seed alone. It has 200 identities or more.
func New(identities, days int, seed uint64) *Tenant {
	t := &Tenant{Identities: identities, Days: days, Seed: seed, Start: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	first := strings.Fields("Ada Bruno Chen Dina Emil Farah Goran Hana Ivan Jada Kofi Lena Marek Nora Omar Priya Quinn Rosa Sven Tara Umar Vera Wen Xenia Yusuf Zoe")
	last := strings.Fields("Abel Berger Costa Dvorak Eriksen Fontaine Grieg Hadid Ito Jansen Kaur Lindqvist Moreau Novak Okafor Petrov Quist Rossi Silva Tanaka O'Hara Vega Weber Yilmaz Zhou")
	r := t.dice(-1, "people")
	for i := range identities {
		p := person{
			name:    fmt.Sprintf("%s.%s%d", first[r.IntN(len(first))], last[r.IntN(len(last))], i),
			manager: staff + r.IntN(max(1, identities/12)), office: r.IntN(len(offices)),
			v4:    fmt.Sprintf("%d.%d.%d.", 20+r.IntN(60), r.IntN(250), r.IntN(250)),
			roams: r.IntN(40) == 0 && i >= staff+victims, joins: -1, leaves: days + 1, holidays: [2]int{-1, -1},
		}
		if r.IntN(4) == 0 {
			p.v6 = fmt.Sprintf("2001:db8:%x:%x:", r.IntN(1<<16), r.IntN(1<<16))
		}
		if i%3 == 0 {
			p.name += "@acme.example"
		}
		if i >= staff+victims {
			switch x := r.IntN(1000); {
			case x < 35: // a rate of staff turnover of a fifth a year, more at the turn of a month
				p.joins = t.turn(r, days)
			case x < 70:
				p.leaves = t.turn(r, days)
			}
			if r.IntN(3) == 0 {
				d := r.IntN(days)
				p.holidays = [2]int{d, d + 5 + r.IntN(12)}
			}
		}
		t.people = append(t.people, p)
	}
	return t
}

// turn draws a day of joining or leaving: the first or last day of the month for a third of them.
func (t *Tenant) turn(r *rand.Rand, days int) int {
	if r.IntN(3) == 0 {
		return min(days-1, 29+r.IntN(2))
	}
	d := r.IntN(days)
	for t.quiet(d) {
		d = (d + 1) % days
	}
	return d
}

// dice is the random source of one purpose on one day.
func (t *Tenant) dice(day int, purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(t.Seed^h.Sum64(), uint64(int64(day))+1)) //nolint:gosec // the same rows each time are the point
}

// quiet tells whether a day is a weekend or a public holiday.
func (t *Tenant) quiet(day int) bool {
	return day%7 >= 5 || day == 3 || day == 25
}

// time is a moment of a day, by the hour with fractions.
func (t *Tenant) time(day int, hour float64) time.Time {
	return t.Start.AddDate(0, 0, day).Add(time.Duration(hour * float64(time.Hour))).Truncate(time.Millisecond)
}

// End is when the last row has come.
func (t *Tenant) End() time.Time { return t.Start.AddDate(0, 0, t.Days) }

// works tells whether a person is there on a day.
func (p person) works(day int) bool {
	return day >= p.joins && day < p.leaves && (day < p.holidays[0] || day > p.holidays[1])
}

// address is where a person is on a day: the network is one of a few that the
// person has, and the address in it changes.
func (t *Tenant) address(r *rand.Rand, i, day int) string {
	p := t.people[i]
	if p.roams {
		if r.IntN(2) == 0 {
			return fmt.Sprintf("2a01:db8:%x:%x::%x", r.IntN(1<<12), r.IntN(1<<16), 1+r.IntN(1<<15))
		}
		return fmt.Sprintf("%d.%d.%d.%d", 90+r.IntN(20), r.IntN(250), r.IntN(250), 1+r.IntN(250))
	}
	switch x := r.IntN(100); {
	case x < 45 && p.office > 0:
		return offices[p.office]
	case x < 60:
		return vpn[r.IntN(len(vpn))]
	case x < 70:
		m := mobile[r.IntN(len(mobile))]
		if strings.Count(m, ".") == 2 {
			m += fmt.Sprintf("%d.", r.IntN(8))
		}
		return m + strconv.Itoa(1+r.IntN(250))
	case x < 71 && r.IntN(3) == 0: // a hotel, a customer, a train
		return fmt.Sprintf("%d.%d.%d.%d", 130+r.IntN(30), r.IntN(250), r.IntN(250), 1+r.IntN(250))
	case p.v6 != "" && x < 90: // a privacy address
		return p.v6 + fmt.Sprintf("%x:%x:%x:%x", r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), 1+r.IntN(1<<15))
	}
	prefix := p.v4
	if (day+i)%120 > 100 { // the provider has given another one
		prefix = fmt.Sprintf("%d.%d.%d.", 20+i%60, (i*7)%250, (i*13+1)%250)
	}
	return prefix + strconv.Itoa(1+(i*31+day/3)%250)
}

// Rows gives the events of a day in the order of their time. Each arrives minutes
// later; when the connector was down, hours.
func (t *Tenant) Rows(day int) []Event {
	var all []Event
	for _, s := range streams {
		r := t.dice(day, s.name)
		s.make(t, r, day, func(e Event) {
			if e.Status == "" {
				e.Status = "PASSED"
			}
			e.Arrived = e.At.Add(time.Duration(60+r.IntN(240)) * time.Second)
			all = append(all, e)
		})
	}
	all = append(all, t.stories(day)...)
	for i := range all {
		e := &all[i]
		if down, up := t.time(22, 1), t.time(22, 7); e.Arrived.After(down) && e.Arrived.Before(up) {
			e.Arrived = up.Add(time.Duration(i%300) * time.Second)
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.At.Compare(b.At) })
	return all
}

// stories gives what is planted into a day.
func (t *Tenant) stories(day int) []Event {
	var all []Event
	for _, s := range Stories(t) {
		for _, e := range s.Events {
			if e.At.Before(t.time(day, 0)) || !e.At.Before(t.time(day+1, 0)) {
				continue
			}
			if e.Status == "" {
				e.Status = "PASSED"
			}
			if e.Arrived.IsZero() {
				e.Arrived = e.At.Add(2 * time.Minute)
			}
			all = append(all, e)
		}
	}
	return all
}
