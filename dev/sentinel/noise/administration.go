package noise

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// chore is what somebody with a task does now and then.
type chore struct {
	perDay       float64 // on working days
	first, among int     // who
	typ, action  string
	target       func(r *rand.Rand) string
	times        int // up to so many at once
}

func named(names ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return names[r.IntN(len(names))] }
}

func aSource(r *rand.Rand) string { return sources[r.IntN(len(sources))] }

// chores are the daily work of those who run the tenant.
var chores = []chore{ //nolint:gochecknoglobals // a table
	// Administrators.
	{0.15, 0, admins, "USER_MANAGEMENT", "USER_HELPDESK_GRANT", nil, 1},
	{0.05, 0, admins, "USER_MANAGEMENT", "USER_ADMIN_GRANT", nil, 1},
	{0.05, 0, admins, "USER_MANAGEMENT", "CAPABILITY_UPDATE_EVENT", nil, 2},
	{0.1, 0, admins, "USER_MANAGEMENT", "USER_HELPDESK_REVOKE", nil, 1},
	{0.1, 0, admins, "PASSWORD_ACTIVITY", "PASSWORD_POLICY_UPDATED", named("Default policy", "Administrators"), 2},
	{0.05, 0, admins, "ACCESS_ITEM", "AccessRequestConfigUpdated", named("Access requests"), 2},
	{0.05, 0, admins, "SOURCE_MANAGEMENT", "NATIVE_CHANGE_DETECTION_CONFIGURATION_UPDATE", aSource, 1},
	{0.07, 0, admins, "AUTH", "AUTH_SUPPORT_LOGIN_CREATED", named("Support"), 1},
	{0.3, 0, admins, "SYSTEM_CONFIG", "EMAIL_TEMPLATE_UPDATE", named("Access request approved", "Welcome"), 3},
	{0.5, 0, admins, "ACCESS_ITEM", "ROLE_UPDATE_PASSED", named("Employee", "Sales", "Finance clerk"), 4},
	{0.8, 0, admins, "ACCESS_ITEM", "ACCESS_PROFILE_UPDATE", named("ERP reader", "CRM user"), 4},
	{0.5, 0, admins, "ACCESS_ITEM", "IDENTITY_PROFILE_ATTRIBUTES_UPDATED", named("Employees", "Contractors"), 2},
	{0.1, 0, admins, "GOVERNANCE_GROUPS", "GOVERNANCE_GROUP_MEMBERSHIP_UPDATE", named("Approvers of SAP"), 2},
	{0.3, 0, admins, "SYSTEM_CONFIG", "TASK_SCHEDULE_UPDATE_PASSED", named("Refresh"), 1},
	{0.1, 0, admins, "MANUAL_CORRELATION", "ManuallyCorrelatedEvent", nil, 3},
	{0.05, 0, admins, "ORG_CONFIG", "ORG_CONFIG_CHANGE_AUDIT", named("acme"), 1},
	// Developers.
	{0.8, admins, developers, "TRANSFORM", "UPDATE_TRANSFORM", named("Manager name", "Site code"), 6},
	{1, admins, developers, "WORKFLOW", "WORKFLOW_DEFINITION_UPDATED", named("Welcome a joiner", "Notify owner"), 8},
	{0.2, admins, developers, "WORKFLOW", "WORKFLOW_ENABLED", named("Welcome a joiner"), 1},
	{0.15, admins, developers, "PARAMETER", "PARAMETER_STORAGE_REVEALED", named("ERP password"), 1},
	{0.1, admins, developers, "CERTIFICATION", "RULE_UPDATE_PASSED", named("Exclusion rule"), 2},
	{0.2, admins, developers, "CONFIG_HUB", "CONFIG_HUB_DEPLOY", named("Sandbox to production"), 1},
	{0.3, admins, developers, "SOURCE_MANAGEMENT", "SCHEMA_UPDATED", aSource, 3},
	{0.5, admins, developers, "SOURCE_MANAGEMENT", "SOURCE_UPDATE", aSource, 5},
	// The help desk.
	{6, admins + developers, helpdesk, "USER_MANAGEMENT", "USER_UNLOCK", nil, 1},
	{2, admins + developers, helpdesk, "USER_MANAGEMENT", "USER_PHONE_UPDATE", nil, 1},
	{1, admins + developers, helpdesk, "USER_MANAGEMENT", "USER_INVITE", nil, 1},
	// Owners of sources, and of what is on them.
	{1.2, admins + developers + helpdesk, owners, "SOURCE_MANAGEMENT", "SOURCE_UPDATE", aSource, 4},
	{0.3, admins + developers + helpdesk, owners, "SOURCE_MANAGEMENT", "SOURCE_SCHEMA_ATTRIBUTES_UPDATED", aSource, 2},
	{1.5, admins + developers + helpdesk, owners, "ACCESS_ITEM", "ACCESS_PROFILE_UPDATE", named("ERP reader", "CRM user"), 3},
	{1, admins + developers + helpdesk, owners, "SOURCE_MANAGEMENT", "SOURCE_ACCOUNTS_EXPORT", aSource, 2},
	{0.5, admins + developers + helpdesk, owners, "LAUNCHER_ENTITLEMENT", "AUDIT_ENTITLEMENT_CREATED", aSource, 3},
	// Auditors and those who report.
	{4, admins + developers + helpdesk + owners, auditors, "(unknown)", "REPORT_EXPORT_PASSED", named("Identities", "Access by source", "Certifications"), 2},
	{0.25, admins + developers + helpdesk + owners, auditors, "(unknown)", "REPORT_EXPORT_PASSED", named("Identities", "Access by source", "Certifications", "Orphans"), 6},
	{0.2, admins + developers + helpdesk + owners, auditors, "SYSTEM_CONFIG", "SAVED_SEARCH_CREATE_PASSED", named("Leavers with access"), 1},
	{0.15, admins + developers + helpdesk + owners, auditors, "SYSTEM_CONFIG", "SUBSCRIPTION_CREATE_PASSED", named("Leavers with access, each Monday"), 1},
	{10, admins + developers + helpdesk + owners, auditors, "SYSTEM_CONFIG", "USER_SEARCH_PASSED", named("search"), 4},
}

// once is what happens on one day of the month.
var once = map[int][]chore{ //nolint:gochecknoglobals // a table
	6:  {{1, 0, 1, "PROVISIONING", "IDENTITY_PROVIDER_CERTIFICATE_RENEWED", named("Entra ID SSO"), 1}},
	17: {{1, 1, 1, "SYSTEM_CONFIG", "BRANDING_UPDATE", named("acme"), 1}, {1, 2, 1, "SOURCE_MANAGEMENT", "SOURCE_CREATE", named("Jira"), 1}},
	24: {{1, 3, 1, "MANAGED_CLIENTS", "MANAGED_CLIENT_CREATE", named("va-07"), 1}},
	31: {{1, 1, 1, "POLICY_UPDATE", "SOD_POLICY_UPDATED", named("Pay and post"), 2}},
	37: {{1, 4, 1, "SOURCE_MANAGEMENT", "SOURCE_DELETE", named("Old trial"), 1}},
}

func (t *Tenant) administration(r *rand.Rand, day int, add func(Event)) {
	do := func(c chore) {
		for range of(r, c.perDay) {
			i := c.first + r.IntN(c.among)
			at, ip := t.time(day, officeHour(r)), t.address(r, i, day)
			for n := range 1 + r.IntN(c.times) {
				target := t.people[t.somebody(r, day)].name
				if c.target != nil {
					target = c.target(r)
				}
				e := Event{At: at.Add(time.Duration(n*150) * time.Second), Type: c.typ, Action: c.action, Technical: c.action, Operation: "UPDATE", Actor: t.people[i].name, Target: target, IP: ip}
				if c.action == "CAPABILITY_UPDATE_EVENT" {
					e.Capability = "sp:report-admin"
				}
				add(e)
			}
		}
	}
	for _, c := range once[day] {
		do(c)
	}
	if t.quiet(day) {
		return
	}
	for _, c := range chores {
		do(c)
	}
}

// nightly is what the tenant does by itself.
func (t *Tenant) nightly(r *rand.Rand, day int, add func(Event)) {
	own := func(hour float64, typ, action, status, target string) {
		add(Event{At: t.time(day, hour), Type: typ, Action: action, Technical: action, Status: status, Actor: "System", Target: target})
	}
	for h := range 24 {
		own(float64(h)+0.5, "IDENTITY_PROCESSING", "IDENTITY_PROCESSING_STARTED", "STARTED", "acme")
		own(float64(h)+0.6, "IDENTITY_PROCESSING", "IDENTITY_PROCESSING_PASSED", "", "acme")
	}
	own(2.4, "SYSTEM_CONFIG", "taskResultsPruned", "", "acme")
	own(6, "SYSTEM_CONFIG", "SUBSCRIPTION_EXECUTE_STARTED", "STARTED", "Leavers with access")
	own(4, "WORKFLOW_SECRET", "WORKFLOW_SECRETS_ACCESSED", "", "Welcome a joiner")
	own(3, "SOD", "SOD_VIOLATION_CHECK_COMPLETED", "", "Pay and post")
	for range t.count(r, 12) {
		own(3+0.2*r.Float64(), "SOD_VIOLATION", "SOD_VIOLATION_CREATED", "", t.people[t.somebody(r, day)].name)
	}
	mails := t.count(r, 400)
	if t.quiet(day) {
		mails /= 10
	}
	for range mails {
		own(24*r.Float64(), "USER_MANAGEMENT", "emailSent", "", t.people[t.somebody(r, day)].name)
	}
	for range t.count(r, 4) {
		own(24*r.Float64(), "USER_MANAGEMENT", "emailFailure", "FAILED", t.people[t.somebody(r, day)].name)
	}
	if day%14 == 9 { // the service updates the appliances
		for k := range 6 {
			own(5+0.1*float64(k), "MANAGED_CLIENTS", "MANAGED_CLIENT_UPDATE", "", fmt.Sprintf("va-%02d", k+1))
		}
	}
	if day%30 == 20 {
		own(5, "PASSWORD_ACTIVITY", "PASSWORD_ORG_CONFIG_UPDATE", "", "acme")
	}
}

// outage: Active Directory can't be reached for three hours of a working day.
func (t *Tenant) outage(r *rand.Rand, day int, add func(Event)) {
	if day != 23 {
		return
	}
	fail := func(typ, action, technical, actor, target string) {
		add(Event{At: t.time(day, 9+3*r.Float64()), Type: typ, Action: action, Technical: technical, Status: "FAILED", Actor: actor, Target: target, Source: "Active Directory", Error: "connection refused", Value: "AD group 7"})
	}
	for range 30 + t.count(r, 300) {
		fail("ACCESS_ITEM", "AddEntitlementFailure", "ENTITLEMENT_ADD_FAILED", "System", t.people[t.somebody(r, day)].name)
	}
	for range 20 + t.count(r, 120) {
		fail("PROVISIONING", "CreateAccountFailure", "ACCOUNT_CREATE_FAILED", "System", t.people[t.somebody(r, day)].name)
	}
	for range 20 + t.count(r, 60) {
		name := t.people[t.somebody(r, day)].name
		fail("PASSWORD_ACTIVITY", "passwordChangeFailure", "passwordChangeFailure", name, name)
	}
	for range 12 {
		fail("SOURCE_MANAGEMENT", "SOURCE_ACCOUNT_AGGREGATION_FAILED", "SOURCE_ACCOUNT_AGGREGATION_FAILED", "System", "Active Directory [source-4711]")
	}
}
