package noise

import (
	"fmt"
	"time"
)

// Story is an attack, or a failure, that is planted into the month.
type Story struct {
	Says   string
	Events []Event
	IIQ    []Audit
	// Rules find it, by the names of their files. An alert belongs to the story when it
	// names one of Marks, which nothing ordinary does on those days.
	Rules    []string
	Marks    []string
	From, To time.Time
	// Needs is the watchlist without which the rules find nothing.
	Needs string
}

// plot collects the events of a story.
type plot struct {
	t  *Tenant
	s  Story
	at time.Time
	ip string
}

func (t *Tenant) plot(says string, day int, hour float64, rules ...string) *plot {
	at := t.time(day, hour)
	return &plot{t: t, s: Story{Says: says, Rules: rules, From: at.Add(-time.Hour), To: at.Add(30 * time.Hour)}, at: at}
}

// from sets the address of the attacker, by which alerts are known too.
func (p *plot) from(ip string) *plot {
	p.ip = ip
	return p.mark(ip)
}

// days moves on to the same hour some days later, or back by a negative number.
func (p *plot) days(n int) *plot {
	p.at = p.at.AddDate(0, 0, n)
	return p
}

// needs names the watchlist without which the rules find nothing.
func (p *plot) needs(alias string) *plot {
	p.s.Needs = alias
	return p
}

func (p *plot) mark(marks ...string) *plot {
	p.s.Marks = append(p.s.Marks, marks...)
	return p
}

// do adds an event; each is a little later than the one before.
func (p *plot) do(typ, action, actor, target string, change ...func(*Event)) *plot {
	e := Event{At: p.at, Type: typ, Action: action, Technical: action, Actor: actor, Target: target, IP: p.ip}
	for _, c := range change {
		c(&e)
	}
	p.s.Events = append(p.s.Events, e)
	p.at = p.at.Add(20 * time.Second)
	return p
}

func (p *plot) wait(d time.Duration) *plot {
	p.at = p.at.Add(d)
	return p
}

func (p *plot) times(n int, f func(p *plot, k int)) *plot {
	for k := range n {
		f(p, k)
	}
	return p
}

// crowd is one of the many.
func (t *Tenant) crowd(k int) string {
	return t.people[staff+victims+k%(t.Identities-staff-victims)].name
}

func failed(e *Event) { e.Status = "FAILED" }

// Stories gives what is planted, each in the second fortnight or later.
//
//nolint:funlen,maintidx // a table
func Stories(t *Tenant) []Story {
	victim := func(n int) string { return t.people[staff+n].name }
	admin := func(n int) string { return t.people[n].name }
	developer := func(n int) string { return t.people[admins+n].name }
	agent := func(n int) string { return t.people[admins+developers+n].name }
	owner := func(n int) string { return t.people[admins+developers+helpdesk+n].name }
	auditor := func(n int) string { return t.people[admins+developers+helpdesk+owners+n].name }
	plots := []*plot{
		t.plot("One password is tried on forty users; one of them has it.", 16, 10.2, "SailPointISCPasswordSpray").from("45.83.64.9").
			times(40, func(p *plot, k int) {
				p.do("AUTH", "AUTHENTICATION-240", t.crowd(k), t.crowd(k), failed)
			}).do("AUTH", "AUTHENTICATION-103", victim(0), victim(0)),
		t.plot("A user's password is guessed at the nineteenth try.", 17, 3.1, "SailPointISCBruteForce", "SailPointISCBruteForceSuccess", "SailPointIdentityNowUserWithFailedEvents").from("45.83.65.9").
			times(18, func(p *plot, _ int) { p.do("AUTH", "AUTHENTICATION-240", victim(1), victim(1), failed) }).
			do("AUTH", "AUTHENTICATION-103", victim(1), victim(1)),
		t.plot("Six guesses are enough.", 18, 22.3, "SailPointISCBruteForceSuccess").from("45.83.75.9").
			times(6, func(p *plot, _ int) { p.do("AUTH", "AUTHENTICATION-240", victim(9), victim(9), failed) }).
			do("AUTH", "AUTHENTICATION-103", victim(9), victim(9)),
		t.plot("A stolen administrator's account makes an accomplice administrator.", 18, 21.5, "SailPointISCAdminLogonFromNewAddress", "SailPointISCAdminCapabilityGranted").from("45.83.66.9").
			do("AUTH", "AUTHENTICATION-103", admin(5), admin(5)).wait(5*time.Minute).
			do("USER_MANAGEMENT", "USER_ADMIN_GRANT", admin(5), victim(2)),
		t.plot("The identity provider is replaced.", 19, 23.2, "SailPointISCIdentityProviderChanged").mark(admin(3)).
			do("AUTH", "IDENTITY_PROVIDER_EXTERNAL_ENABLED", admin(3), "Rogue SSO").
			do("AUTH", "SAML_JIT_CONFIGURATION_UPDATED", admin(3), "Rogue SSO"),
		t.plot("Sixty accounts are disabled in twenty minutes.", 21, 2.2, "SailPointISCMassAccountRemovals").mark(owner(3)).
			times(60, func(p *plot, k int) {
				p.do("PROVISIONING", "DisableAccount", owner(3), t.crowd(k), func(e *Event) { e.Source = "SAP ERP" })
			}),
		t.plot("A help desk agent reveals stored secrets.", 24, 20.1, "SailPointISCSecretsRead").mark(agent(4)).
			times(5, func(p *plot, k int) {
				p.do("PARAMETER", "PARAMETER_STORAGE_REVEALED", agent(4), fmt.Sprintf("secret %d", k))
			}),
		t.plot("The help desk is talked into resetting a second factor; somebody else registers.", 24, 11.2, "SailPointISCPasswordResetThenNewAddress").mark(victim(3)).
			do("AUTH", "MFA_REGISTRATION_RESET", agent(1), victim(3)).wait(4*time.Minute).from("45.83.67.9").
			do("AUTH", "MFA_REGISTRATION_REGISTERED", victim(3), victim(3)).
			do("AUTH", "AUTHENTICATION-103", victim(3), victim(3)),
		t.plot("The help desk resets a password for somebody else.", 26, 15.2, "SailPointISCPasswordResetThenNewAddress").mark(victim(4)).
			do("PASSWORD_ACTIVITY", "ACCOUNT_PASSWORD_RESET_PASSED", agent(2), victim(4)).wait(9*time.Minute).from("45.83.68.9").
			do("AUTH", "SAML2-142", victim(4), victim(4)),
		t.plot("The tenant's mail is diverted.", 27, 1.5, "SailPointISCEmailDiverted").mark(admin(2)).
			do("SYSTEM_CONFIG", "EMAIL_REDIRECTION_ENABLED", admin(2), "mail@evil.example"),
		t.plot("A separation of duties violation is allowed.", 28, 12.1, "SailPointISCSodViolationAllowed").mark(victim(5)).
			do("ACCESS_REQUEST", "ACCESS_REQUEST_APPROVED", owner(5), victim(5), func(e *Event) {
				e.Item, e.Tracking = "Post invoices", "5d0d5d0d5d0d5d0d5d0d5d0d5d0d5d0d"
				e.Sod = `{"sodViolationCheckResult":{"violatedPolicies":[{"name":"Pay and post"}]}}`
			}),
		t.plot("A source is deleted.", 29, 19.3, "SailPointISCSourceDeletedOrReset").mark(admin(6)).
			do("SOURCE_MANAGEMENT", "SOURCE_DELETE", admin(6), "SAP ERP [source-4715]"),
		t.plot("A token is made from a new address, and used from another one.", 30, 20.4, "SailPointISCApiCredentialCreatedFromNewAddress", "SailPointISCApiCredentialUsedFromNewAddress").from("45.83.69.9").
			do("AUTH", "PERSONAL_ACCESS_TOKEN_CREATED", developer(0), "backup").wait(2*time.Minute).from("45.83.70.9").
			do("AUTH", "PERSONAL_ACCESS_TOKEN_USED", developer(0), "backup"),
		t.plot("Controls are removed.", 31, 22.1, "SailPointISCGovernanceControlRemoved").mark(admin(7)).
			do("SOD_POLICY", "DELETE_SOD_POLICY", admin(7), "Pay and post").
			do("CERTIFICATION", "CertificationCampaignDelete", admin(7), "Privileged access"),
		t.plot("An appliance is added.", 32, 3.3, "SailPointISCVirtualApplianceChanged").mark(admin(4)).
			do("MANAGED_CLIENTS", "MANAGED_CLIENT_CREATE", admin(4), "va-99"),
		t.plot("An owner approves what they asked for.", 33, 17.2, "SailPointISCAccessRequestSelfApproved").mark(victim(6)).
			do("ACCESS_REQUEST", "ACCESS_REQUEST_REQUESTED", victim(6), victim(6), tracked).
			do("ACCESS_REQUEST", "ACCESS_APPROVAL_STARTED", "System", victim(6), tracked).wait(3*time.Minute).
			do("ACCESS_REQUEST", "ACCESS_REQUEST_APPROVED", victim(6), victim(6), tracked),
		t.plot("Somebody who exports nothing exports a lot.", 34, 21.2, "SailPointISCBulkExport").mark(agent(7)).
			times(12, func(p *plot, _ int) { p.do("SOURCE_MANAGEMENT", "SOURCE_ACCOUNTS_EXPORT", agent(7), "Workday") }),
		t.plot("Three hundred entitlements are given in two hours.", 35, 2.4, "SailPointISCMassGrants").mark(admin(1)).
			times(300, func(p *plot, k int) {
				p.do("ACCESS_ITEM", "AddEntitlement", admin(1), t.crowd(k), func(e *Event) { e.Source, e.Value = "SAP ERP", "SAP_ALL" })
			}),
		t.plot("Somebody who has left logs on.", 36, 18.1, "SailPointISCDisabledIdentityActing").mark(victim(7)).
			do("PROVISIONING", "ACTION_STATE_CHANGE", "System", victim(7), func(e *Event) { e.Value = "inactive" }).
			do("PROVISIONING", "DisableAccount", "System", victim(7), func(e *Event) { e.Source = "Active Directory" }).
			do("PROVISIONING", "DisableAccount", "System", victim(7), func(e *Event) { e.Source = "Entra ID" }).wait(8*time.Hour).
			do("AUTH", "AUTHENTICATION-103", victim(7), victim(7)),
		t.plot("A help desk agent makes a workflow.", 37, 22.4, "SailPointISCAutomationChangedByUnusualActor").mark(agent(9)).
			do("WORKFLOW", "WORKFLOW_CREATED", agent(9), "Sync").do("WORKFLOW", "WORKFLOW_ENABLED", agent(9), "Sync"),
		t.plot("A help desk agent uploads a connector file.", 38, 22.2, "SailPointISCSourceChangedByUnusualActor").mark(agent(10)).
			do("SOURCE_MANAGEMENT", "CONNECTOR_FILE_UPLOAD", agent(10), "SAP ERP [source-4715]"),
		t.plot("Support logs on.", 39, 4.2, "SailPointISCSupportLogin").mark("slpt.support").
			do("AUTH", "SUPPORT_LOGIN_AUTHENTICATE", "slpt.support", "acme"),
		t.plot("Lockout is switched off.", 40, 1.2, "SailPointISCAuthenticationPolicyChanged").mark(admin(2)).
			do("AUTH", "LOCKOUT_CONFIGURATION_UPDATED", admin(2), "acme"),
		t.plot("An auditor resets the second factors of three others.", 41, 20.3, "SailPointISCMfaResetByOther").mark(auditor(1)).
			times(3, func(p *plot, k int) { p.do("AUTH", "MFA_REGISTRATION_RESET", auditor(1), victim(10+k)) }),
		t.plot("A help desk agent makes an administrator level.", 19, 2.2, "SailPointISCAdminLevelChanged").mark(agent(5)).
			do("AUTHORIZATION", "USER_LEVEL_CREATE", agent(5), "Auditors").do("AUTHORIZATION", "USER_LEVEL_PUBLISH", agent(5), "Auditors"),
		t.plot("The provider of second factors is disabled.", 20, 1.4, "SailPointISCMfaIntegrationChanged").mark(agent(6)).
			do("PASSWORD_ACTIVITY", "INTEGRATION_DISABLED", agent(6), "Duo Web"),
		t.plot("A rule and a plugin are installed.", 20, 22.1, "SailPointISCRuleOrPluginChanged").mark(agent(8)).
			do("CERTIFICATION", "RULE_CREATE_PASSED", agent(8), "Before provisioning").do("(dynamic)", "UI_PLUGIN_INSTANCE_CREATED", agent(8), "Banner"),
		t.plot("An auditor joins the approvers.", 21, 20.2, "SailPointISCGovernanceGroupChanged").mark(auditor(0)).
			do("GOVERNANCE_GROUPS", "GOVERNANCE_GROUP_MEMBERSHIP_UPDATE", auditor(0), "Approvers of SAP"),
		t.plot("A help desk agent adds an entitlement to the role of all employees.", 22, 19.4, "SailPointISCAccessModelChangedByUnusualActor").mark(agent(11)).
			do("ACCESS_ITEM", "ROLE_UPDATE_PASSED", agent(11), "Employee"),
		t.plot("A help desk agent maps another attribute, and opens a lifecycle state.", 25, 21.1, "SailPointISCCorrelationChangedByUnusualActor").mark(agent(12)).
			do("ACCESS_ITEM", "IDENTITY_PROFILE_ATTRIBUTES_UPDATED", agent(12), "Employees").do("ACCESS_ITEM", "LIFECYCLE_STATE_UPDATE_PASSED", agent(12), "Leavers"),
		t.plot("A configuration comes from a tenant that no one knows.", 26, 22.3, "SailPointISCIntegrationChangedByUnusualActor").mark(auditor(2)).
			do("CONFIG_HUB", "CONFIG_HUB_CONNECTION_CREATE", auditor(2), "mallory-sb").do("CONFIG_HUB", "CONFIG_HUB_DEPLOY", auditor(2), "mallory-sb"),
		t.plot("A help desk agent turns a switch of the tenant.", 27, 20.2, "SailPointISCTenantConfigurationChanged").mark(agent(13)).
			do("TENANT_CONFIG", "TENANT_CONFIG_UPDATED", agent(13), "acme"),
		t.plot("A machine identity is made for later.", 28, 3.3, "SailPointISCMachineIdentityChanged").mark(auditor(3)).
			do("MACHINE_IDENTITY", "MACHINE_IDENTITY_CREATED", auditor(3), "build-agent"),
		t.plot("The secret of a source is replaced.", 29, 2.2, "SailPointISCParameterSecretChanged").mark(agent(14)).
			do("PARAMETER", "PARAMETER_STORAGE_SECRET_MODIFIED", agent(14), "ad-service"),
		t.plot("A help desk agent has all identities sent by mail each week.", 30, 21.2, "SailPointISCScheduledSearchMail").mark(agent(0)).
			do("SYSTEM_CONFIG", "SUBSCRIPTION_CREATE_PASSED", agent(0), "All identities"),
		t.plot("An API client gets all scopes.", 31, 2.1, "SailPointISCApiCredentialChanged").mark(auditor(4)).
			do("AUTH", "API_CLIENT_UPDATED", auditor(4), "reporting", func(e *Event) { e.Scope = "sp:scopes:all" }),
		t.plot("An owner joins the account of an administrator to their own identity.", 32, 20.3, "SailPointISCManualCorrelation").mark(owner(9)).
			do("MANUAL_CORRELATION", "ManuallyCorrelatedEvent", owner(9), owner(9)),
		t.plot("The help desk changes a telephone number; then the password is reset.", 33, 21.2, "SailPointISCRecoveryDataThenReset").mark(victim(23)).
			do("USER_MANAGEMENT", "USER_PHONE_UPDATE", agent(3), victim(23)).wait(40*time.Minute).
			do("PASSWORD_ACTIVITY", "forgotPasswordChange", victim(23), victim(23)),
		t.plot("Tokens of a developer are tried.", 34, 3.2, "SailPointISCTokenFailures").from("45.83.91.9").
			times(25, func(p *plot, _ int) { p.do("AUTH", "PERSONAL_ACCESS_TOKEN_USE_FAILED", developer(1), "deploy", failed) }),
		t.plot("A risk is reported; then the user makes a token.", 35, 12.1, "SailPointISCSharedSignalThenActivity").mark(victim(22)).
			do("SSF EVENT RISK_LEVEL_CHANGE", "RISK_LEVEL_CHANGE", "System", victim(22)).wait(20*time.Minute).
			do("AUTH", "PERSONAL_ACCESS_TOKEN_CREATED", victim(22), "mine"),
		t.plot("A just-in-time entitlement is activated in the night.", 36, 2.6, "SailPointISCJitOutOfHours").mark(victim(21)).
			do("JIT", "JIT_ENTITLEMENT_ACTIVATED", victim(21), "Domain Admins"),
		t.plot("A user is in Paris and, twenty minutes later, in Sao Paulo.", 37, 10.1, "SailPointISCImpossibleTravel").from("45.83.90.9").
			do("AUTH", "SAML2-142", victim(20), victim(20), func(e *Event) { e.IP = "198.51.100.10" }).wait(20*time.Minute).
			do("AUTH", "SAML2-142", victim(20), victim(20)),
		t.plot("A stolen password goes past single sign-on.", 38, 3.4, "SailPointISCLogonPastSso").from("45.83.92.9").
			do("AUTH", "AUTHENTICATION-100", victim(24), victim(24)),
		t.plot("The emergency account logs on, and changes a source; a week before, System had refreshed it.", 39, 2.3, "SailPointISCBreakGlassUsed").needs(breakGlass).mark(emergency).
			days(-7).do("SOURCE_MANAGEMENT", "ACCOUNT_UPDATED", "System", emergency).
			do("PROVISIONING", "IDENTITY_ATTRIBUTE_UPDATE", "System", emergency).days(7).
			do("AUTH", "AUTHENTICATION-100", "System", emergency, func(e *Event) { e.UserID = upper(emergency) }).
			do("SOURCE_MANAGEMENT", "SOURCE_UPDATE", emergency, "Workday [source-4714]"),
		t.plot("The help desk resets the password of a board member; the week before, it was the member.", 40, 20.2, "SailPointISCVipIdentityChanged").needs(vips).mark(victim(30)).
			days(-7).do("PASSWORD_ACTIVITY", "passwordChange", victim(30), victim(30)).days(7).
			do("PASSWORD_ACTIVITY", "ACCOUNT_PASSWORD_RESET_PASSED", agent(4), upper(victim(30))),
		t.plot("A user is made a domain administrator, by hand.", 41, 3.1, "SailPointISCPrivilegedAccessGranted").needs(privileged).mark(victim(31)).
			do("ACCESS_ITEM", "AddEntitlement", owner(2), victim(31), func(e *Event) {
				e.Source, e.Value = "Active Directory", "CN=Domain Admins,CN=Users,DC=acme,DC=example"
			}),
		// From there others come before the address is known, and after it is withdrawn.
		t.plot("A user comes from an address that threat intelligence has named for four days.", 27, 3.2, "SailPointISCThreatIntelligenceMatch").from(rogue).
			days(-7).do("AUTH", "SAML2-142", victim(32), victim(32)).days(7).
			do("AUTH", "SAML2-142", victim(33), victim(33)).do("AUTH", "AUTHENTICATION-103", victim(33), victim(33)).
			days(7).do("AUTH", "SAML2-142", victim(34), victim(34)),
		t.plot("Support is let in, which the connector delivers twenty hours later.", 42, 1.3, "SailPointISCUrgentEventsCameLate").mark(admin(1)).
			do("AUTH", "AUTH_SUPPORT_LOGIN_CREATED", admin(1), "acme", func(e *Event) { e.Arrived = e.At.Add(20 * time.Hour) }),
		t.revocation(victim(8)),
		// What fails, and is no attack.
		t.plot("The connector is down for six hours.", 22, 1, "SailPointISCConnectorSilent").mark("SailPointIDN_"),
		t.plot("Azure refuses two records.", 27, 10, "SailPointISCConnectorQuarantine").mark("SailPointIDN_"),
		t.plot("The connector is three hours behind.", 31, 6, "SailPointISCConnectorLagging").mark("SailPointIDN_"),
		t.plot("Records that the tenant counts are not in the workspace.", 34, 8, "SailPointISCConnectorAuditMismatch").mark("SailPointIDN_"),
		t.plot("Active Directory is down for three hours.", 23, 9, "SailPointIdentityNowFailedEventsBasedOnTime").mark("acme"),
	}
	all := make([]Story, 0, len(plots))
	for _, p := range plots {
		all = append(all, p.s)
	}
	return append(all, t.auditStories()...)
}

func tracked(e *Event) { e.Tracking, e.Item = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "SAP_ALL" }

// revocation is noticed three days later.
func (t *Tenant) revocation(victim string) *plot {
	p := t.plot("A certification revokes access to the ledger, which stays.", 20, 13, "SailPointISCRevocationNotProvisioned").mark(victim)
	p.s.To = p.at.Add(5 * 24 * time.Hour)
	return p.do("CERTIFICATION", "remediate", t.people[staff+20].name, victim, func(e *Event) {
		e.Source, e.Item, e.Value = "SAP ERP", "Ledger administrator", "Ledger administrator"
	})
}
