package noise

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// stream is one kind of ordinary activity.
type stream struct {
	name string
	make func(t *Tenant, r *rand.Rand, day int, add func(Event))
}

// streams are what happens each day.
var streams = []stream{ //nolint:gochecknoglobals // a table
	{"logons", (*Tenant).logons},
	{"programs", (*Tenant).programs},
	{"aggregations", (*Tenant).aggregations},
	{"lifecycle", (*Tenant).lifecycle},
	{"requests", (*Tenant).requests},
	{"passwords", (*Tenant).passwords},
	{"certifications", (*Tenant).certifications},
	{"administration", (*Tenant).administration},
	{"nightly", (*Tenant).nightly},
	{"outage", (*Tenant).outage},
}

// officeHour draws an hour of a working day, more often in the morning.
func officeHour(r *rand.Rand) float64 {
	if r.IntN(3) == 0 {
		return 6.5 + 2*r.Float64()
	}
	return 7 + 10*r.Float64()
}

// count scales what depends on the number of people; perDay is for ten thousand.
func (t *Tenant) count(r *rand.Rand, perDay float64) int {
	n := perDay * float64(t.Identities) / 10000
	whole := int(n)
	if r.Float64() < n-float64(whole) {
		whole++
	}
	return whole
}

// of draws how many of a rare thing happen that does not depend on the number of people.
func of(r *rand.Rand, perDay float64) int {
	n := int(perDay)
	if r.Float64() < perDay-float64(n) {
		n++
	}
	return n
}

func tracking(r *rand.Rand) string {
	return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
}

// logon adds a logon of somebody, and gives the time after it. Some are recorded as done by System.
func (t *Tenant) logon(r *rand.Rand, i int, at time.Time, ip string, add func(Event)) {
	name := t.people[i].name
	e := Event{At: at, Type: "AUTH", Action: "SAML2-142", Technical: "SAML2-142", Operation: "LOGIN", Actor: name, Target: name, IP: ip, Tracking: tracking(r)}
	local := e
	local.Action, local.Technical = "AUTHENTICATION-103", "AUTHENTICATION-103"
	system := e // as in SailPoint's example of an event
	system.Action, system.Technical, system.Actor, system.UserID = "update", "AUTHENTICATION_REQUEST_PASSED", "System", name
	switch x := r.IntN(10); {
	case i%8 == 0 && x < 7: // an eighth has passwords here
		add(local)
	case i%8 == 0:
		add(system)
	case x < 2: // the identity provider spells names as it likes
		e.Actor = upper(name)
		add(e)
	case x < 4: // a logon by assertion is also recorded as one
		add(e)
		system.At = at.Add(300 * time.Millisecond)
		add(system)
	default:
		add(e)
	}
	if i < staff && i%8 != 0 && r.IntN(400) == 0 { // past single sign-on, to try something
		local.At = at.Add(2 * time.Hour)
		add(local)
	}
	add(Event{At: at.Add(time.Second), Type: "AUTH", Action: "SESSION-1", Technical: "SESSION-1", Operation: "CREATE", Actor: name, Target: name, IP: ip})
	if r.IntN(5) == 0 {
		add(Event{At: at.Add(20 * time.Second), Type: "AUTH", Action: "MFA_ON_LOGIN_AUTHENTICATE", Technical: "MFA_ON_LOGIN_AUTHENTICATE", Actor: name, Target: name, IP: ip})
	}
	if r.IntN(5) == 0 {
		add(Event{At: at.Add(time.Duration(600+r.IntN(6000)) * time.Second), Type: "AUTH", Action: "AUTHENTICATION-303", Technical: "AUTHENTICATION-303", Actor: "System", UserID: name, Target: name, IP: ip})
	}
}

// failed adds so many failed logons, a few seconds apart, and gives the time after them.
func (t *Tenant) failed(r *rand.Rand, i, n int, at time.Time, ip string, add func(Event)) time.Time {
	name := t.people[i].name
	for k := range n {
		e := Event{At: at, Type: "AUTH", Action: "AUTHENTICATION-240", Technical: "AUTHENTICATION-240", Operation: "LOGIN", Status: "FAILED", Actor: name, Target: name, IP: ip}
		switch {
		case k >= 5: // locked
			e.Action, e.Technical = "AUTHENTICATION-245", "AUTHENTICATION-245"
		case r.IntN(5) == 0:
			e.Action, e.Technical, e.Actor, e.UserID = "update", "AUTHENTICATION_REQUEST_FAILED", "System", name
		}
		add(e)
		at = at.Add(time.Duration(5+r.IntN(25)) * time.Second)
	}
	return at
}

// somebody draws a person who is there.
func (t *Tenant) somebody(r *rand.Rand, day int) int {
	for range 100 {
		if i := r.IntN(t.Identities); t.people[i].works(day) {
			return i
		}
	}
	return r.IntN(staff)
}

func (t *Tenant) logons(r *rand.Rand, day int, add func(Event)) {
	n := t.count(r, 1250)
	if t.quiet(day) {
		n /= 15
	}
	monday := day%7 == 0 || t.quiet(day-1)
	for k := range n + staff + victims {
		i := k
		if k >= staff+victims {
			i = t.somebody(r, day)
		} else if t.quiet(day) || r.IntN(4) == 0 || !t.people[i].works(day) {
			continue
		}
		at, ip := t.time(day, officeHour(r)), t.address(r, i, day)
		typos := 0
		switch x := r.IntN(1000); {
		case x < 60 || (monday && x < 110):
			typos = 1 + r.IntN(3)
		case x < 64: // caps lock, an old password, a password manager: until it is locked, and then some
			typos = 4 + r.IntN(5)
		}
		after := t.failed(r, i, typos, at, ip, add)
		if typos > 3 {
			name := t.people[i].name
			add(Event{At: after, Type: "USER_MANAGEMENT", Action: "USER_LOCK", Technical: "USER_LOCK", Actor: "System", Target: name})
			after = after.Add(time.Duration(5+r.IntN(20)) * time.Minute)
			add(Event{At: after, Type: "PASSWORD_ACTIVITY", Action: "forgotPasswordChange", Technical: "forgotPasswordChange", Actor: name, Target: name, IP: ip})
			after = after.Add(2 * time.Minute)
		}
		if typos > 0 && r.IntN(8) == 0 {
			continue // gives up
		}
		t.logon(r, i, after, ip, add)
		for range r.IntN(2) {
			apps := []string{"APP_LAUNCH_SAML", "APP_LAUNCH_SAML", "APP_LAUNCH_PASSWORD", "APP_LAUNCH_NONE"}
			app := apps[r.IntN(len(apps))]
			add(Event{At: after.Add(time.Duration(1+r.IntN(90)) * time.Minute), Type: "SSO", Action: app, Technical: app, Actor: t.people[i].name, Target: sources[r.IntN(len(sources))], IP: ip})
		}
		if r.IntN(100) == 0 {
			add(Event{At: after.Add(3 * time.Minute), Type: "SSO", Action: "APP_ACCESS_DENIED", Technical: "APP_ACCESS_DENIED", Status: "FAILED", Actor: t.people[i].name, Target: sources[r.IntN(len(sources))], IP: ip})
		}
	}
	// A browser that keeps trying an old password.
	if of(r, 0.1) == 1 {
		i := t.somebody(r, day)
		t.failed(r, i, 16+r.IntN(6), t.time(day, 9+6*r.Float64()), t.address(r, i, day), add)
	}
}

// programs are API clients and tokens: the connector with the changing addresses of a
// function app, integrations with one address each, a build system with a new address
// each time, and developers who use a token from wherever they are.
func (t *Tenant) programs(r *rand.Rand, day int, add func(Event)) {
	issue := func(at time.Time, name, ip string) {
		add(Event{At: at, Type: "AUTH", Action: "CLIENT_TOKEN_ISSUE", Technical: "CLIENT_TOKEN_ISSUE", Operation: "CREATE", Actor: name, Target: name, IP: ip, Scope: "sp:scopes:default"})
	}
	for m := 0; m < 24*60; m += 30 {
		issue(t.time(day, float64(m)/60), "sentinel-connector", fmt.Sprintf("20.%d.%d.%d", 50+r.IntN(3), (day/10+r.IntN(12))%40, 1+r.IntN(250)))
	}
	for k, name := range []string{"servicenow-integration", "workday-sync", "siem-forwarder", "powerbi-gateway"} {
		for m := 7 * k; m < 24*60; m += 180 {
			issue(t.time(day, float64(m)/60), name, fmt.Sprintf("198.51.100.%d", 200+k))
		}
	}
	for range 4 {
		issue(t.time(day, officeHour(r)), "build-agent", fmt.Sprintf("4.%d.%d.%d", r.IntN(250), r.IntN(250), 1+r.IntN(250)))
	}
	for d := range developers {
		if t.quiet(day) {
			break
		}
		i := admins + d
		ip := t.address(r, i, day)
		for range 3 + r.IntN(6) {
			add(Event{At: t.time(day, officeHour(r)), Type: "AUTH", Action: "PERSONAL_ACCESS_TOKEN_USED", Technical: "PERSONAL_ACCESS_TOKEN_USED", Actor: t.people[i].name, Target: "vscode", IP: ip})
		}
		if of(r, 0.05) == 1 {
			add(Event{At: t.time(day, 11), Type: "AUTH", Action: "PERSONAL_ACCESS_TOKEN_CREATED", Technical: "PERSONAL_ACCESS_TOKEN_CREATED", Actor: t.people[i].name, Target: "vscode", IP: ip, Scope: "sp:scopes:all"})
		}
		if r.IntN(20) == 0 {
			for range 4 {
				add(Event{At: t.time(day, 10), Type: "AUTH", Action: "PERSONAL_ACCESS_TOKEN_USE_FAILED", Technical: "PERSONAL_ACCESS_TOKEN_USE_FAILED", Status: "FAILED", Actor: t.people[i].name, Target: "vscode", IP: ip})
			}
		}
	}
}

// aggregations read the sources at night. Now and then one fails.
func (t *Tenant) aggregations(r *rand.Rand, day int, add func(Event)) {
	for k, source := range sources {
		at := t.time(day, 1+float64(k)*0.3+0.1*r.Float64())
		job := func(at time.Time, action, status string) {
			add(Event{At: at, Type: "SOURCE_MANAGEMENT", Action: action, Technical: action, Status: status, Operation: "AGGREGATE", Actor: "System", Target: fmt.Sprintf("%s [source-%d]", source, 4711+k), Source: source})
		}
		job(at, "SOURCE_ACCOUNT_AGGREGATION_STARTED", "STARTED")
		if r.IntN(30) == 0 {
			job(at.Add(3*time.Minute), "SOURCE_ACCOUNT_AGGREGATION_FAILED", "FAILED")
			continue
		}
		end := at.Add(time.Duration(300+r.IntN(900)) * time.Second)
		job(end, "SOURCE_ACCOUNT_AGGREGATION_PASSED", "")
		job(end.Add(time.Minute), "SOURCE_ENTITLEMENT_AGGREGATION_STARTED", "STARTED")
		for range t.count(r, 70) {
			i := t.somebody(r, day)
			add(Event{At: at.Add(time.Duration(r.IntN(300)) * time.Second), Type: "SOURCE_MANAGEMENT", Action: "ACCOUNT_UPDATED", Technical: "ACCOUNT_UPDATED", Operation: "UPDATE", Actor: "System", Target: t.people[i].name, Source: source})
		}
		if r.IntN(6) == 0 { // somebody was given an account at the source itself
			i := t.somebody(r, day)
			add(Event{At: at.Add(2 * time.Minute), Type: "SOURCE_MANAGEMENT", Action: "ACCOUNT_CREATED", Technical: "ACCOUNT_CREATED", Operation: "CREATE", Actor: "System", Target: t.people[i].name, Source: source})
		}
	}
}

// provision adds what System does to an account.
func provision(at time.Time, action, technical, operation, target, source, item string) Event {
	e := Event{At: at, Type: "PROVISIONING", Action: action, Technical: technical, Operation: operation, Actor: "System", Target: target, Source: source, Interface: "Identity Refresh"}
	if item != "" {
		e.Type, e.Value, e.Item, e.ItemType = "ACCESS_ITEM", item, item, "ENTITLEMENT"
	}
	return e
}

func entitlement(r *rand.Rand, source string) string {
	return fmt.Sprintf("%s group %d", source, r.IntN(200))
}

// lifecycle is joiners, leavers and movers, once an hour from six in the morning.
func (t *Tenant) lifecycle(r *rand.Rand, day int, add func(Event)) {
	for i := staff; i < t.Identities; i++ {
		switch p := t.people[i]; day {
		case p.joins:
			t.joins(r, i, day, add)
		case p.leaves:
			t.leaves(r, i, day, add)
		case p.leaves + 14:
			for _, s := range sources[:5] {
				add(provision(t.time(day, 20+0.3*r.Float64()), "DeleteAccount", "ACCOUNT_DELETE_PASSED", "DELETE", p.name, s, ""))
			}
		}
	}
	if t.quiet(day) {
		return
	}
	for range t.count(r, 15) { // movers
		i, at := t.somebody(r, day), t.time(day, 6.2+0.3*r.Float64())
		name := t.people[i].name
		add(Event{At: at, Type: "PROVISIONING", Action: "IDENTITY_ATTRIBUTE_UPDATE", Technical: "IDENTITY_ATTRIBUTE_UPDATE", Actor: "System", Target: name, Item: "department", Value: "Sales", Before: "Finance"})
		for range 3 {
			s := sources[r.IntN(8)]
			add(provision(at.Add(time.Minute), "AddEntitlement", "ENTITLEMENT_ADD_PASSED", "ADD", name, s, entitlement(r, s)))
			add(provision(at.Add(2*time.Minute), "RemoveEntitlement", "ENTITLEMENT_REMOVE_PASSED", "REMOVE", name, s, entitlement(r, s)))
		}
	}
	for range t.count(r, 400) { // attribute synchronization
		i := t.somebody(r, day)
		add(provision(t.time(day, 24*r.Float64()), "ModifyAccount", "ACCOUNT_MODIFY_PASSED", "MODIFY", t.people[i].name, sources[r.IntN(6)], ""))
	}
	if day%9 == 4 { // a role was given new criteria
		s := sources[r.IntN(6)]
		group := entitlement(r, s)
		for range t.count(r, 400) {
			add(provision(t.time(day, 21+0.8*r.Float64()), "AddEntitlement", "ENTITLEMENT_ADD_PASSED", "ADD", t.people[t.somebody(r, day)].name, s, group))
		}
	}
	for range t.count(r, 3) { // a second account is taken away; its owner stays
		i := t.somebody(r, day)
		add(provision(t.time(day, officeHour(r)), "DisableAccount", "ACCOUNT_DISABLE_PASSED", "DISABLE", t.people[i].name, []string{"Active Directory Admin", "GitHub", "Salesforce"}[r.IntN(3)], ""))
	}
	for range t.count(r, 6) {
		add(Event{
			At: t.time(day, officeHour(r)), Type: "PROVISIONING", Action: "CreateAccountFailure", Technical: "ACCOUNT_CREATE_FAILED", Operation: "CREATE", Status: "FAILED",
			Actor: "System", Target: t.people[t.somebody(r, day)].name, Source: sources[r.IntN(len(sources))], Error: "the connector timed out",
		})
	}
}

func (t *Tenant) joins(r *rand.Rand, i, day int, add func(Event)) {
	name, at := t.people[i].name, t.time(day, 6+0.5*r.Float64())
	add(Event{At: at, Type: "PROVISIONING", Action: "create", Technical: "IDENTITY_CREATE_PASSED", Operation: "CREATE", Actor: "System", Target: name})
	add(Event{At: at, Type: "PROVISIONING", Action: "ACTION_STATE_CHANGE", Technical: "ACTION_STATE_CHANGE", Actor: "System", Target: name, Item: "cloudLifecycleState", Value: "active", Before: "prehire"})
	for _, s := range sources[:5] {
		add(provision(at.Add(time.Minute), "CreateAccount", "ACCOUNT_CREATE_PASSED", "CREATE", name, s, ""))
		add(provision(at.Add(2*time.Minute), "AddEntitlement", "ENTITLEMENT_ADD_PASSED", "ADD", name, s, entitlement(r, s)))
	}
	start, ip := t.time(day, 8+2*r.Float64()), t.address(r, i, day)
	add(Event{At: start, Type: "USER_MANAGEMENT", Action: "USER_REGISTRATION", Technical: "USER_REGISTRATION", Actor: name, Target: name, IP: ip})
	add(Event{At: start.Add(time.Minute), Type: "PASSWORD_ACTIVITY", Action: "forgotPasswordChange", Technical: "forgotPasswordChange", Actor: name, Target: name, IP: ip})
	add(Event{At: start.Add(2 * time.Minute), Type: "AUTH", Action: "MFA_REGISTRATION_REGISTERED", Technical: "MFA_REGISTRATION_REGISTERED", Actor: name, Target: name, IP: ip})
	t.logon(r, i, start.Add(4*time.Minute), ip, add)
}

func (t *Tenant) leaves(r *rand.Rand, i, day int, add func(Event)) {
	name, at := t.people[i].name, t.time(day, 18+0.5*r.Float64())
	add(Event{At: at, Type: "PROVISIONING", Action: "ACTION_STATE_CHANGE", Technical: "ACTION_STATE_CHANGE", Actor: "System", Target: name, Item: "cloudLifecycleState", Value: "inactive", Before: "active"})
	for _, s := range sources[:5] {
		add(provision(at.Add(time.Minute), "DisableAccount", "ACCOUNT_DISABLE_PASSED", "DISABLE", name, s, ""))
		add(provision(at.Add(2*time.Minute), "RemoveEntitlement", "ENTITLEMENT_REMOVE_PASSED", "REMOVE", name, s, entitlement(r, s)))
	}
	if r.IntN(20) == 0 { // tries once more next morning
		t.failed(r, i, 2, at.Add(14*time.Hour), t.address(r, i, day), add)
	}
}

// requests are asked for, approved by the manager or at once by the tenant's settings, and provisioned.
func (t *Tenant) requests(r *rand.Rand, day int, add func(Event)) {
	n := t.count(r, 80)
	if t.quiet(day) {
		n /= 20
	}
	for range n {
		i := t.somebody(r, day)
		name, at, track := t.people[i].name, t.time(day, officeHour(r)), tracking(r)
		source := sources[r.IntN(len(sources))]
		item := entitlement(r, source)
		request := func(at time.Time, action, actor, comment string) Event {
			return Event{At: at, Type: "ACCESS_REQUEST", Action: action, Technical: action, Operation: "REQUEST", Actor: actor, Target: name, Tracking: track, Source: source, Item: item, ItemType: "ENTITLEMENT", Comment: comment, IP: t.address(r, i, day)}
		}
		approver := t.approver(r, i, day)
		switch x := r.IntN(20); {
		case x < 6: // no approval is asked for: the requester is recorded
			add(request(at, "ACCESS_REQUEST_REQUESTED", name, ""))
			at = at.Add(time.Duration(200+r.IntN(3000)) * time.Millisecond)
			approved := request(at, "ACCESS_REQUEST_APPROVED", name, "")
			approved.Comment = ""
			add(approved)
		case x < 10: // asked for by the manager, so that nothing is left to approve
			add(request(at, "ACCESS_REQUEST_ON_BEHALF_OF_SUBMITTED", approver, "new project"))
			at = at.Add(time.Duration(500+r.IntN(3000)) * time.Millisecond)
			add(request(at, "ACCESS_REQUEST_APPROVED", approver, ""))
		case x < 11:
			add(request(at, "ACCESS_REQUEST_REQUESTED", name, "please"))
			add(request(at.Add(time.Second), "ACCESS_APPROVAL_STARTED", "System", ""))
			add(request(at.Add(3*time.Hour), "ACCESS_REQUEST_REJECTED", approver, "not needed"))
			continue
		default:
			add(request(at, "ACCESS_REQUEST_REQUESTED", name, "please"))
			add(request(at.Add(time.Second), "ACCESS_APPROVAL_STARTED", "System", ""))
			at = at.Add(time.Duration(5+r.IntN(600)) * time.Minute)
			e := request(at, "ACCESS_REQUEST_APPROVED", approver, "ok")
			e.Sod = `{"sodViolationCheckResult":{"violationContexts":null,"violatedPolicies":[]}}`
			if r.IntN(200) == 0 { // approved all the same
				e.Sod = `{"sodViolationCheckResult":{"violatedPolicies":[{"name":"Pay and post"}]}}`
			}
			add(e)
		}
		add(request(at.Add(time.Minute), "ACCESS_REQUEST_PROCESSED", "System", ""))
		if r.IntN(30) == 0 {
			e := provision(at.Add(2*time.Minute), "AddEntitlementFailure", "ENTITLEMENT_ADD_FAILED", "ADD", name, source, item)
			e.Status, e.Error = "FAILED", "no such account"
			add(e)
			continue
		}
		e := provision(at.Add(2*time.Minute), "AddEntitlement", "ENTITLEMENT_ADD_PASSED", "ADD", name, source, item)
		e.Interface, e.Tracking = "Access Request", track
		add(e)
	}
}

// approver is the manager of somebody, or who stands in for a manager who is not there.
func (t *Tenant) approver(r *rand.Rand, i, day int) string {
	m := t.people[i].manager % t.Identities
	for !t.people[m].works(day) || !t.people[m].works(day+1) {
		m = r.IntN(staff)
	}
	return t.people[m].name
}

// passwords are changed, expire and are forgotten; the help desk resets some of them, and second factors with new phones.
func (t *Tenant) passwords(r *rand.Rand, day int, add func(Event)) {
	busy := 1.0
	if t.quiet(day) {
		busy = 0.05
	} else if t.quiet(day - 1) {
		busy = 1.8 // many have forgotten theirs
	}
	for _, kind := range []struct {
		action string
		perDay float64
	}{{"passwordChange", 50}, {"expiredPasswordChange", 60}, {"forgotPasswordChange", 40}} {
		for range t.count(r, kind.perDay*busy) {
			i := t.somebody(r, day)
			name, at, ip := t.people[i].name, t.time(day, officeHour(r)), t.address(r, i, day)
			add(Event{At: at, Type: "PASSWORD_ACTIVITY", Action: kind.action, Technical: kind.action, Operation: "UPDATE", Actor: name, Target: name, IP: ip, Source: "IdentityNow"})
			add(provision(at.Add(30*time.Second), "ACTION_PASSWORD_CHANGE_SUCCESS", "ACTION_PASSWORD_CHANGE_SUCCESS", "UPDATE", name, "Active Directory", ""))
			if r.IntN(2) == 0 {
				t.logon(r, i, at.Add(3*time.Minute), ip, add)
			}
		}
	}
	for range t.count(r, 20*busy) {
		i, h := t.somebody(r, day), admins+developers+r.IntN(helpdesk)
		name, agent, at := t.people[i].name, t.people[h].name, t.time(day, officeHour(r))
		add(Event{At: at, Type: "PASSWORD_ACTIVITY", Action: "ACCOUNT_PASSWORD_RESET_PASSED", Technical: "ACCOUNT_PASSWORD_RESET_PASSED", Operation: "UPDATE", Actor: agent, Target: name, Source: "Active Directory", IP: offices[1]})
		add(Event{At: at.Add(-time.Minute), Type: "USER_MANAGEMENT", Action: "USER_UNLOCK", Technical: "USER_UNLOCK", Actor: agent, Target: name, IP: offices[1]})
		t.logon(r, i, at.Add(5*time.Minute), t.address(r, i, day), add)
	}
	for range t.count(r, 8*busy) {
		i, h := t.somebody(r, day), admins+developers+r.IntN(helpdesk)
		name, at, ip := t.people[i].name, t.time(day, officeHour(r)), t.address(r, i, day)
		add(Event{At: at, Type: "AUTH", Action: "MFA_REGISTRATION_RESET", Technical: "MFA_REGISTRATION_RESET", Actor: t.people[h].name, Target: name, IP: offices[1]})
		add(Event{At: at.Add(6 * time.Minute), Type: "AUTH", Action: "MFA_REGISTRATION_REGISTERED", Technical: "MFA_REGISTRATION_REGISTERED", Actor: name, Target: name, IP: ip})
		t.logon(r, i, at.Add(7*time.Minute), ip, add)
	}
}

// certifications: a campaign in the second and third week of the month; what is revoked is removed, later or never.
func (t *Tenant) certifications(r *rand.Rand, day int, add func(Event)) {
	owner := t.people[0].name
	review := func(at time.Time, action, actor, target string) Event {
		return Event{At: at, Type: "CERTIFICATION", Action: action, Technical: action, Actor: actor, Target: target}
	}
	switch day {
	case 14:
		add(review(t.time(day, 9), "CertificationCampaignCreate", owner, "Managers, second quarter"))
		add(review(t.time(day, 9.1), "CertificationCampaignActivate", owner, "Managers, second quarter"))
	case 29:
		add(review(t.time(day, 9), "CertificationCampaignComplete", "System", "Managers, second quarter"))
	case 10:
		add(review(t.time(day, 9), "CertificationCampaignDelete", owner, "A trial"))
	}
	if day < 14 || day > 28 || t.quiet(day) {
		return
	}
	for range t.count(r, 60) {
		manager := t.people[staff+r.IntN(max(1, t.Identities/12))].name
		at := t.time(day, officeHour(r))
		for range r.IntN(4) {
			i := t.somebody(r, day)
			source := sources[r.IntN(len(sources))]
			item := entitlement(r, source)
			e := review(at, "remediate", manager, t.people[i].name)
			e.Source, e.Item, e.Value, e.Tracking = source, item, item, tracking(r)
			add(e)
			switch x := r.IntN(40); {
			case x == 0: // never
			case source == manual:
				at := t.time(day+1+r.IntN(4), 10)
				if day+5 < t.Days {
					gone := provision(at, "manualChange", "manualChange", "REMOVE", t.people[i].name, source, item)
					gone.Type = "PROVISIONING"
					add(gone)
				}
			default:
				add(provision(at.Add(10*time.Minute), "RemoveEntitlement", "ENTITLEMENT_REMOVE_PASSED", "REMOVE", t.people[i].name, source, item))
			}
		}
		add(review(at.Add(20*time.Minute), "signoff", manager, "Manager review"))
		if r.IntN(15) == 0 {
			add(review(at, "reassign", manager, t.people[t.somebody(r, day)].name))
		}
	}
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}
