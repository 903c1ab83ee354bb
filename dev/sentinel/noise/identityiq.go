package noise

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Audit is one audit event of IdentityIQ.
type Audit struct {
	At, Arrived              time.Time
	Action, Source, Target   string
	Application, Account     string
	Attribute, Value         string
	String1, Host, Interface string
}

// Audits gives the audit events of IdentityIQ of a day, in order.
func (t *Tenant) Audits(day int) []Audit {
	var all []Audit
	r := t.dice(day, "identityiq")
	add := func(a Audit) {
		a.Arrived = a.At.Add(time.Duration(30+r.IntN(120)) * time.Second)
		all = append(all, a)
	}
	t.audits(r, day, add)
	for _, s := range t.auditStories() {
		for _, a := range s.IIQ {
			if !a.At.Before(t.time(day, 0)) && a.At.Before(t.time(day+1, 0)) {
				add(a)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Audit) int { return a.At.Compare(b.At) })
	return all
}

// account is how IdentityIQ writes a name: some log on in capital letters, or with their UPN.
func (t *Tenant) account(r *rand.Rand, i int) string {
	name := t.people[i].name
	switch r.IntN(12) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToLower(name)
	}
	return name
}

func (t *Tenant) audits(r *rand.Rand, day int, add func(Audit)) {
	n := t.count(r, 500)
	if t.quiet(day) {
		n /= 15
	}
	proxy := []string{"10.20.0.4", "10.20.0.5", "10.20.7.9"} // what IdentityIQ sees is often a proxy
	for range n {
		i := t.somebody(r, day)
		at, host := t.time(day, officeHour(r)), proxy[r.IntN(len(proxy))]
		if r.IntN(4) == 0 {
			host = fmt.Sprintf("10.%d.%d.%d", 30+i%20, i%200, 1+i%250)
		}
		if r.IntN(12) == 0 {
			for range 1 + r.IntN(4) {
				name := t.account(r, i)
				add(Audit{At: at, Action: "loginFailure", Source: name, Target: name, Host: host})
				at = at.Add(15 * time.Second)
			}
		}
		name := t.account(r, i)
		add(Audit{At: at, Action: "login", Source: name, Target: name, Host: host})
		if r.IntN(20) == 0 {
			add(Audit{At: at.Add(2 * time.Minute), Action: "passwordChange", Source: name, Target: t.account(r, i), Application: "Active Directory", Host: host})
		}
	}
	for _, job := range []string{"TaskDefinition:Refresh Identity Cube", "TaskDefinition:Perform Maintenance", "TaskDefinition:Aggregate Active Directory"} {
		add(Audit{At: t.time(day, 2+r.Float64()), Action: "run", Source: "Scheduler", Target: job})
	}
	for range t.count(r, 300) {
		i := t.somebody(r, day)
		action := []string{"EntitlementAdd", "EntitlementAdd", "EntitlementRemove", "RoleAdd", "RoleRemove"}[r.IntN(5)]
		at := 24 * r.Float64()
		if r.IntN(2) == 0 { // the nightly refresh
			at = 2.5 + r.Float64()/2
		}
		add(Audit{At: t.time(day, at), Action: action, Source: "RequestHandler", Target: t.people[i].name, Application: sources[r.IntN(6)], Attribute: "groups", Value: "group 7"})
	}
	for i := staff; i < t.Identities; i++ {
		if t.people[i].leaves == day {
			for _, s := range sources[:3] {
				add(Audit{At: t.time(day, 18), Action: "disableAccount", Source: "RequestHandler", Target: t.people[i].name, Application: s})
				add(Audit{At: t.time(day, 18.1), Action: "EntitlementRemove", Source: "RequestHandler", Target: t.people[i].name, Application: s})
			}
		}
	}
	if !t.quiet(day) {
		t.auditedWork(r, day, add)
	}
}

// auditedWork is what the help desk and the developers do on working days.
func (t *Tenant) auditedWork(r *rand.Rand, day int, add func(Audit)) {
	for range t.count(r, 15) {
		h := admins + developers + r.IntN(helpdesk)
		add(Audit{At: t.time(day, officeHour(r)), Action: "passwordChange", Source: t.account(r, h), Target: t.people[t.somebody(r, day)].name, Application: "Active Directory", Host: "10.20.1.7"})
	}
	if day%11 == 5 { // a class room of new accounts
		for k := range 6 {
			add(Audit{At: t.time(day, 9+0.1*float64(k)), Action: "passwordChange", Source: t.account(r, admins+developers), Target: t.people[t.somebody(r, day)].name, Application: "Active Directory", Host: "10.20.1.7"})
		}
	}
	for range of(r, 0.6) { // developers
		d := admins + r.IntN(2)
		for range 1 + r.IntN(4) {
			add(Audit{At: t.time(day, officeHour(r)), Action: "update", Source: t.account(r, d), Target: []string{"Rule:Correlation AD", "Workflow:Joiner", "TaskDefinition:Aggregate Active Directory", "Application:SAP ERP"}[r.IntN(4)], Host: "10.20.1.9"})
		}
	}
	for range of(r, 0.04) {
		add(Audit{At: t.time(day, officeHour(r)), Action: "update", Source: t.account(r, 0), Target: "Configuration:SystemConfiguration", Host: "10.20.1.9"})
	}
	for range of(r, 0.05) {
		add(Audit{At: t.time(day, officeHour(r)), Action: "capabilitiesChanged", Source: t.account(r, 1), Target: t.people[t.somebody(r, day)].name, Attribute: "capabilities", Value: "HelpDesk", Host: "10.20.1.9"})
	}
}

// auditStories are planted into the audit events of IdentityIQ.
func (t *Tenant) auditStories() []Story {
	var all []Story
	tell := func(says string, day int, hour float64, rule, mark string, n int, event func(k int) Audit) {
		s := Story{Says: says, Rules: []string{rule}, Marks: []string{mark}, From: t.time(day, hour-1), To: t.time(day+1, hour)}
		for k := range n {
			a := event(k)
			a.At = t.time(day, hour).Add(time.Duration(k*20) * time.Second)
			s.IIQ = append(s.IIQ, a)
		}
		all = append(all, s)
	}
	victim := func(n int) string { return t.people[staff+20+n].name }
	tell("IdentityIQ: a user's password is guessed, the name written in three ways.", 16, 1.2, "SailPointIIQBruteForce", strings.ToLower(victim(0)), 14, func(k int) Audit {
		name := []string{victim(0), strings.ToUpper(victim(0)), strings.ToLower(victim(0))}[k%3]
		return Audit{Action: "loginFailure", Source: name, Target: name, Host: "10.99.0.9"}
	})
	tell("IdentityIQ: one password is tried on thirty users.", 18, 2.2, "SailPointIIQPasswordSpray", "10.99.1.9", 30, func(k int) Audit {
		name := t.crowd(k)
		return Audit{Action: "loginFailure", Source: name, Target: name, Host: "10.99.1.9"}
	})
	tell("IdentityIQ: a capability is given.", 22, 20.2, "SailPointIIQCapabilityGranted", victim(1), 1, func(int) Audit {
		return Audit{Action: "capabilitiesChanged", Source: t.people[2].name, Target: victim(1), Attribute: "capabilities", Value: "SystemAdministrator"}
	})
	tell("IdentityIQ: auditing is switched off.", 25, 21.2, "SailPointIIQAuditConfigurationChanged", strings.ToLower(t.people[3].name), 1, func(int) Audit {
		return Audit{Action: "update", Source: t.people[3].name, Target: "AuditConfig:AuditConfig"}
	})
	tell("IdentityIQ: access is removed from eighty users.", 28, 1.2, "SailPointIIQMassRemovals", strings.ToLower(t.people[4].name), 80, func(k int) Audit {
		return Audit{Action: "EntitlementRemove", Source: t.people[4].name, Target: t.crowd(k), Application: "SAP ERP"}
	})
	tell("IdentityIQ: somebody changes the passwords of eight others.", 30, 22.2, "SailPointIIQPasswordsChangedByOther", strings.ToLower(victim(2)), 8, func(k int) Audit {
		return Audit{Action: "passwordChange", Source: victim(2), Target: t.crowd(k), Application: "Active Directory"}
	})
	tell("IdentityIQ: somebody who is no developer changes a rule.", 33, 23.2, "SailPointIIQRuleChanged", strings.ToLower(t.people[6].name), 2, func(int) Audit {
		return Audit{Action: "update", Source: t.people[6].name, Target: "Rule:BuildMap SAP"}
	})
	return all
}
