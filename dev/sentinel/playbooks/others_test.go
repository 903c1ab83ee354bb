package playbooks_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/workflow"
)

// failing answers one action with a status.
func failing(action string, status int) func(workflow.Request) int {
	return func(q workflow.Request) int {
		if q.Action == action {
			return status
		}
		return 0
	}
}

// scenario is a run of a playbook, and what it leaves.
type scenario struct {
	name   string
	given  map[string]any
	change func(*rig)
	status string
	left   string // what has been done, as the test of the playbook reads it
	says   []string
}

func play(t *testing.T, playbook string, done func(*rig) string, scenarios []scenario) {
	t.Helper()
	all := templates(t)
	for _, tc := range scenarios {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, all, playbook, tc.given)
			if tc.change != nil {
				tc.change(r)
			}
			r.expect(r.run(), tc.status, tc.says...)
			if got := done(r); got != tc.left {
				t.Errorf("done: %q, want %q", got, tc.left)
			}
		})
	}
}

// rejected, lapsed and the like hold for each playbook that acts: nothing is done.
func refusals() []scenario {
	const well, bad = workflow.Succeeded, workflow.Failed
	return []scenario{
		{"rejected", nil, func(r *rig) { r.decide = func(int) string { return "deleted" } }, well, "", []string{"Nothing was done", "rejected"}},
		{"nobody answers", nil, func(r *rig) { r.decide = func(int) string { return "" } }, well, "", []string{"No one approved"}},
		{"rejected by e-mail", map[string]any{"Approval": "Email"}, func(r *rig) { r.mail = "Reject" }, well, "", []string{"rejected"}},
		{"not found", nil, func(r *rig) { r.account("nobody", "") }, well, "", []string{"no identity"}},
		{"ambiguous", nil, func(r *rig) { r.account("twin", "") }, well, "", []string{"Several identities"}},
		{"break-glass", nil, func(r *rig) { r.watchlists["SailPointBreakGlass"] = []string{"ann.lee"} }, well, "", []string{"SailPointBreakGlass"}},
		{"wrong secret", nil, func(r *rig) { r.tenant.ClientSecret = "changed" }, bad, "", []string{"Nothing was done", "Sign_in: HTTP 401"}},
		{"wrong secret after the approval", nil, func(r *rig) { r.fault = failing("Sign_in_again", 401) }, bad, "", []string{"Nothing was done", "Sign_in_again: HTTP 401"}},
		{"throttled", nil, func(r *rig) { r.fault = failing("Find_by_alias", 429) }, bad, "", []string{"Find_by_alias: HTTP 429"}},
		{"down", nil, func(r *rig) { r.fault = failing("Find_by_alias", 503) }, bad, "", []string{"Find_by_alias: HTTP 503"}},
	}
}

func revoked(r *rig) string {
	var all []string
	for _, q := range r.tenant.AccessRequests() {
		all = append(all, q.IdentityID+" "+q.ItemID)
		if !strings.Contains(q.Comment, incident) {
			r.t.Errorf("comment %q", q.Comment)
		}
	}
	return strings.Join(all, ", ")
}

func TestRevoke(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	named := map[string]any{"What": "Named"}
	alert := func(details ...string) func(*rig) {
		return func(r *rig) {
			alerts := []any{}
			for _, d := range details {
				alerts = append(alerts, map[string]any{"properties": map[string]any{"additionalData": map[string]any{"Custom Details": d}}})
			}
			r.trigger.(map[string]any)["object"].(map[string]any)["properties"].(map[string]any)["Alerts"] = alerts
		}
	}
	play(t, "SailPoint-RevokeAccess", revoked, append(refusals(), []scenario{
		{"privileged", nil, nil, well, "id-ann e1", []string{"ENTITLEMENT Domain Admins", "can't be revoked alone: ENTITLEMENT Root", "Done"}},
		{"listed as privileged", nil, func(r *rig) { r.watchlists["SailPointPrivilegedAccess"] = []string{"PAYROLL", "reader's club"} }, well, "id-ann r1, id-ann e1, id-ann p1", []string{"ROLE Payroll", "ACCESS_PROFILE Reader's Club"}},
		{"named by the alert", named, alert(`{"AccessItem":["Payroll"],"Org":["Domain Admins"]}`), well, "id-ann r1", []string{"ROLE Payroll"}},
		{"named in a list", named, alert(`{"Access":["[\"Reader's Club\",\"Root\"]"]}`, ``, `{"Users":["x"]}`), well, "id-ann p1", []string{"ENTITLEMENT Root"}},
		{"part of a name", named, alert(`{"AccessItems":["Payroll Admin","My Domain Admins"]}`), well, "", []string{"no access that could be revoked", "that the alert names"}},
		{"alert without details", named, alert(``), well, "", []string{"that the alert names"}},
		{"older paths", map[string]any{"ApiVersion": "v2025"}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, well, "id-ann e1", []string{"Done"}},
		{"nothing privileged", nil, func(r *rig) { r.account("jürgen.müller", "") }, well, "", []string{"no access that could be revoked"}},
		{"list forbidden", nil, func(r *rig) { r.fault = failing("Read_privileged", 403) }, well, "", []string{"SailPointPrivilegedAccess could not be read whole (HTTP 403)"}},
		{"list has more pages", nil, func(r *rig) { r.watchlists["SailPointPrivilegedAccess"], r.moreItems = []string{"payroll"}, true }, well, "", []string{"Nothing was done", "SailPointPrivilegedAccess could not be read whole"}},
		{"much", nil, func(r *rig) {
			var access []tenant.Access
			for i := range 26 {
				access = append(access, tenant.Access{ID: strconv.Itoa(i), Name: "E" + strconv.Itoa(i), Type: "ENTITLEMENT", Privileged: true})
			}
			r.tenant.AddIdentity(tenant.Identity{ID: "much", Alias: "much", Name: "Much", Access: access})
			r.account("much", "")
		}, well, "", []string{"More than 25"}},
		{"refused", nil, func(r *rig) { r.fault = failing("Revoke_access", 400) }, bad, "", []string{"Nothing was done", "requesting the removal", "Revoke_access: HTTP 400"}},
	}...))
}

func campaigns(r *rig) string {
	var all []string
	for _, c := range r.tenant.Campaigns() {
		all = append(all, strings.Join(append(slices.Clone(c.Identities), c.Status, c.Reviewer), " "))
		if days := c.Deadline.Sub(begin).Hours() / 24; days < 7 || days > 8 {
			r.t.Errorf("due in %v days", days)
		}
	}
	return strings.TrimSpace(strings.Join(all, ", "))
}

func TestCertify(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	play(t, "SailPoint-StartCertification", campaigns, append(refusals(), []scenario{
		{"by the manager", nil, nil, well, "id-ann ACTIVE", []string{"was started", "due in 7 days"}},
		{"by a reviewer", map[string]any{"ReviewerId": "id-bob"}, nil, well, "id-ann ACTIVE id-bob", []string{"was started"}},
		{"name with an apostrophe", nil, func(r *rig) { r.account("o'brien", "acme.example") }, well, "id-obrien ACTIVE", []string{"Zoë O'Brien"}},
		{"older paths", map[string]any{"ApiVersion": "v2025"}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, well, "id-ann ACTIVE", []string{"was started"}},
		{"it can't be prepared", nil, func(r *rig) { r.tenant.CampaignsBecome = "ERROR" }, bad, "id-ann ERROR", []string{"created and not started", "ERROR"}},
		{"it is never prepared", nil, func(r *rig) { r.tenant.CampaignsBecome = "PENDING" }, bad, "id-ann PENDING", []string{"created and not started", "PENDING"}},
		{"it is never prepared, and the limit is a failure", nil, func(r *rig) { r.tenant.CampaignsBecome, r.untilLimit = "PENDING", workflow.TimedOut }, bad, "id-ann PENDING", []string{"created and not started"}},
		{"not created", nil, func(r *rig) { r.fault = failing("Create_campaign", 500) }, bad, "", []string{"Nothing was done", "Create_campaign: HTTP 500"}},
		{"not started", nil, func(r *rig) { r.fault = failing("Start_campaign", 403) }, bad, "id-ann STAGED", []string{"it was created, and is not started", "Start_campaign: HTTP 403"}},
	}...))
}

// TestCampaignOnce: a request that may have been heard is not sent again.
func TestCampaignOnce(t *testing.T) {
	r := newRig(t, templates(t), "SailPoint-StartCertification", nil)
	r.fault = failing("Create_campaign", -1)
	run := r.run()
	if e := run.Of("Create_campaign")[0]; e.Attempts != 1 {
		t.Errorf("%d attempts", e.Attempts)
	}
}

func TestDeleteTokens(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	gone := func(r *rig) string {
		left := r.tenant.PersonalTokens()
		var all []string
		for _, id := range []string{"t1", "t2", "t3", "t4", clientID} {
			if !slices.ContainsFunc(left, func(p tenant.PersonalToken) bool { return p.ID == id }) {
				all = append(all, id)
			}
		}
		return strings.Join(all, " ")
	}
	play(t, "SailPoint-DeletePersonalAccessTokens", gone, append(refusals(), []scenario{
		{"all but those of the platform and the playbook", nil, nil, well, "t1 t2", []string{"laptop", "script &lt;x>", "Done"}},
		{"older paths", map[string]any{"ApiVersion": "v2025"}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, well, "t1 t2", []string{"Done"}},
		{"none", nil, func(r *rig) { r.account("o'brien", "acme.example") }, well, "", []string{"no personal access token that could be deleted"}},
		{"gone in the meantime", nil, func(r *rig) { r.fault = failing("Delete_token", 404) }, well, "", []string{"Done", "laptop"}},
		{"refused", nil, func(r *rig) { r.fault = failing("Delete_token", 403) }, bad, "", []string{"Not done", "laptop (HTTP 403)"}},
	}...))
}

func TestMessage(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	sent := func(r *rig) string { return strings.Join(r.mails, "\n") }
	expected := "bob@acme.example | Please verify activity of Ann <b>Lee | <p>Ann &lt;b>Lee (ann.lee)</p><p>Is it \"you\"? &lt;3</p>"
	text := map[string]any{"MessageText": `Is it "you"? <3`}
	play(t, "SailPoint-MessageManager", sent, append(refusals(), []scenario{
		{"sent", text, nil, well, expected, []string{"was sent to bob@acme.example", "Is it \"you\"? &lt;3"}},
		{"older paths", map[string]any{"ApiVersion": "v2025", "MessageText": `Is it "you"? <3`}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, well, expected, []string{"was sent"}},
		{"no manager", nil, func(r *rig) { r.account("bob", "") }, well, "", []string{"Bob Chief (bob) has no manager"}},
		{"manager without an address", nil, func(r *rig) {
			r.tenant.AddIdentity(tenant.Identity{ID: "c", Alias: "c", Name: "Child", ManagerID: "id-uni"})
			r.account("c", "")
		}, well, "", []string{"no e-mail address"}},
		{"mailbox is not authorized", nil, func(r *rig) { r.fault = failing("Send_message", 401) }, bad, "", []string{"Nothing was done", "sending the e-mail", "Send_message: HTTP 401"}},
	}...))
}

// TestDetails: a comment about each account; nothing is asked or changed.
func TestDetails(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	nothing := func(r *rig) string { return r.disabled() + revoked(r) + strings.Join(r.asked, " ") }
	play(t, "SailPoint-IdentityDetails", nothing, []scenario{
		{"one", nil, nil, well, "", []string{"Ann &lt;b>Lee (ann.lee)", "Bob Chief", "<td>active</td>", "ACTIVE", "R&amp;D", "AD: ann<br>HR &amp; Co: ann&lt;i><br>Unix: ann3 (disabled)", "4, of which privileged: 2", "Domain Admins (AD)<br>Root (Unix)"}},
		{"several, of which one is unknown and one ambiguous", nil, func(r *rig) {
			r.accounts = append(r.accounts, map[string]any{"Name": "bob"}, map[string]any{"Name": "twin"}, map[string]any{"Name": "ghost"}, map[string]any{"Name": `a"b`})
		}, well, "", []string{"Ann &lt;b>Lee", "Bob Chief (bob)", "<td>none</td>", "twin: several identities", "ghost: SailPoint has no identity"}},
		{"nobody", nil, func(r *rig) { r.accounts = []any{} }, well, "", []string{"no account in the incident"}},
		{"wrong secret", nil, func(r *rig) { r.tenant.ClientSecret = "changed" }, bad, "", []string{"Not all details", "signing in to SailPoint", "Sign_in: HTTP 401"}},
		{"forbidden", nil, func(r *rig) { r.tenant.Scopes = []string{tenant.ScopeReadIdentities} }, bad, "", []string{"Not all details", "reading the details of an identity"}},
		{"older paths", map[string]any{"ApiVersion": "v2025"}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, well, "", []string{"Ann &lt;b>Lee"}},
	})
	r := newRig(t, templates(t), "SailPoint-IdentityDetails-Entity", nil)
	r.expect(r.run(), well, "Ann &lt;b>Lee (ann.lee)")
}
