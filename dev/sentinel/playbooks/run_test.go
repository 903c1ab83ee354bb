package playbooks_test

import (
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/workflow"
)

// disabled are the accounts that are disabled, but for the one that was from the beginning.
func (r *rig) disabled() string {
	var names []string
	for _, a := range r.tenant.Accounts() {
		if a.Disabled && a.ID != "a3" {
			names = append(names, a.ID)
		}
	}
	return strings.Join(names, " ")
}

// comment is the one comment that a run leaves.
func (r *rig) comment() string {
	r.t.Helper()
	if len(r.comments) != 1 {
		r.t.Fatalf("%d comments: %q", len(r.comments), r.comments)
	}
	return r.comments[0]
}

func (r *rig) expect(run *workflow.Run, status string, words ...string) {
	r.t.Helper()
	comment := r.comment()
	for _, w := range words {
		if !strings.Contains(comment, w) {
			r.t.Errorf("the comment says %q, want %q", comment, w)
		}
	}
	if run.Status != status {
		for _, e := range run.History {
			if e.Error != "" {
				r.t.Logf("%s: %s", e.Action, e.Error)
			}
		}
		r.t.Errorf("the run has %s, want %s: %s", run.Status, status, comment)
	}
	if strings.Contains(comment, "<b>Lee") || strings.Contains(comment, "<i>") || strings.Contains(comment, "<x>") {
		r.t.Errorf("markup of a name in the comment: %q", comment)
	}
}

// TestDisable: the accounts of exactly one identity are disabled, after exactly the approval.
func TestDisable(t *testing.T) {
	const well, bad = workflow.Succeeded, workflow.Failed
	fail := func(action string, status int) func(*rig) {
		return func(r *rig) {
			r.fault = func(q workflow.Request) int {
				if q.Action == action {
					return status
				}
				return 0
			}
		}
	}
	all := templates(t)
	for _, tc := range []struct {
		name     string
		given    map[string]any
		change   func(*rig)
		disabled string
		status   string
		says     []string
	}{
		{"approved by a task", nil, nil, "a1 a%2", well, []string{"Done", "AD: ann", "HR &amp; Co: ann&lt;i>", "Approved by: analyst@soc.example"}},
		{"approved later", nil, func(r *rig) {
			r.decide = func(n int) string { return map[bool]string{true: "Completed", false: "broken"}[n > 20] }
		}, "a1 a%2", well, []string{"Done"}},
		{"task deleted", nil, func(r *rig) { r.decide = func(int) string { return "deleted" } }, "", well, []string{"Nothing was done", "rejected"}},
		{"nobody answers", nil, func(r *rig) { r.decide = func(int) string { return "" } }, "", well, []string{"Nothing was done", "Nobody approved it within 8 hours"}},
		{"nobody answers, and the limit is a failure", nil, func(r *rig) { r.decide, r.untilLimit = func(int) string { return "" }, workflow.TimedOut }, "", well, []string{"Nobody approved it within 8 hours"}},
		{"approved by e-mail", map[string]any{"Approval": "Email", "ApproverEmail": "soc@acme.example"}, nil, "a1 a%2", well, []string{"Approved by: soc@acme.example"}},
		{"rejected by e-mail", map[string]any{"Approval": "Email"}, func(r *rig) { r.mail = "Reject" }, "", well, []string{"rejected"}},
		{"e-mail is not answered", map[string]any{"Approval": "Email"}, func(r *rig) { r.mail = "" }, "", well, []string{"Nobody approved"}},
		{"told not to ask", map[string]any{"Approval": "None"}, nil, "a1 a%2", well, []string{"Approved by: nobody"}},
		{"one source", map[string]any{"Sources": []any{"AD"}}, nil, "a1", well, []string{"AD: ann"}},
		{"no such source", map[string]any{"Sources": []any{"SAP"}}, nil, "", well, []string{"no enabled account on the sources"}},
		{"older paths", map[string]any{"ApiVersion": "v2025"}, func(r *rig) { r.tenant.Disabled = []string{"v1"} }, "a1 a%2", well, []string{"Done"}},
		{"by e-mail address", nil, func(r *rig) { r.account("ann.lee", "acme.example") }, "a1 a%2", well, []string{"Done"}},
		{"apostrophe", nil, func(r *rig) { r.account("o'brien", "acme.example") }, "z1", well, []string{"Zoë O'Brien"}},
		{"not ASCII", nil, func(r *rig) { r.account("jürgen.müller", "") }, "u1", well, []string{"Jürgen Müller"}},
		{"the same account twice", nil, func(r *rig) { r.accounts = append(r.accounts, r.accounts[0]) }, "a1 a%2", well, []string{"Done"}},
		{"not found", nil, func(r *rig) { r.account("<i>nobody</i>", "") }, "", well, []string{"Nothing was done", "no identity", "&lt;i>nobody"}},
		{"ambiguous", nil, func(r *rig) { r.account("twin", "") }, "", well, []string{"Several identities"}},
		{"alias of one, e-mail of another", nil, func(r *rig) {
			r.tenant.AddIdentity(tenant.Identity{ID: "x", Alias: "other", Email: "ann.lee@acme.example"})
			r.account("ann.lee", "acme.example")
		}, "", well, []string{"Several identities"}},
		{"several accounts", nil, func(r *rig) { r.accounts = append(r.accounts, map[string]any{"Name": "bob"}) }, "", well, []string{"several accounts (ann.lee, bob)", "-Entity"}},
		{"no account", nil, func(r *rig) { r.accounts = []any{} }, "", well, []string{"no account in the incident"}},
		{"no list of accounts", nil, func(r *rig) { r.accounts = nil }, "", well, []string{"no account in the incident"}},
		{"quotation mark in the name", nil, func(r *rig) { r.account(`x" or alias eq "ann.lee`, "") }, "", well, []string{"can't be looked up"}},
		{"backslash in the name", nil, func(r *rig) { r.account(`ann.lee\`, "") }, "", well, []string{"can't be looked up"}},
		{"line break in the name", nil, func(r *rig) { r.account("ann\nlee", "") }, "", well, []string{"can't be looked up"}},
		{"long name", nil, func(r *rig) { r.account(strings.Repeat("a", 300), "") }, "", well, []string{"can't be looked up"}},
		{"no name", nil, func(r *rig) { r.accounts = []any{map[string]any{"Sid": "S-1-5-18"}} }, "", well, []string{"can't be looked up"}},
		{"break-glass account", nil, func(r *rig) { r.watchlists["SailPointBreakGlass"] = []string{"other", "ANN.LEE "} }, "", well, []string{"Nothing was done", "is in the watchlist SailPointBreakGlass"}},
		{"not the break-glass account", nil, func(r *rig) { r.watchlists["SailPointBreakGlass"] = []string{"other", ""} }, "a1 a%2", well, []string{"Done"}},
		{"watchlist forbidden", nil, fail("Read_break_glass", 403), "", well, []string{"could not be read whole (HTTP 403)"}},
		{"watchlist has more pages", nil, func(r *rig) { r.watchlists["SailPointBreakGlass"], r.moreItems = []string{"other"}, true }, "", well, []string{"could not be read whole"}},
		{"vault forbidden", nil, fail("Get_secret", 403), "", bad, []string{"Nothing was done", "signing in to SailPoint", "Get_secret: HTTP 403"}},
		{"wrong secret", nil, func(r *rig) { r.tenant.ClientSecret = "changed" }, "", bad, []string{"Nothing was done", "signing in to SailPoint", "Sign_in: HTTP 401"}},
		{"a client without a user", nil, func(r *rig) { r.tenant.WithoutUser = true }, "", bad, []string{"looking for the identity", "Find_by_alias: HTTP 403"}},
		{"scope is missing", nil, func(r *rig) { r.tenant.Scopes = []string{tenant.ScopeReadIdentities} }, "", bad, []string{"reading the accounts of the identity", "List_accounts: HTTP 403"}},
		{"throttled for long", nil, fail("Find_by_email", 429), "", bad, []string{"Find_by_email: HTTP 429"}},
		{"no answer", nil, fail("Find_by_email", -1), "", bad, []string{"looking for the identity", "Find_by_email: HTTP -"}},
		{"SailPoint is down", nil, fail("List_accounts", 500), "", bad, []string{"Nothing was done", "List_accounts: HTTP 500"}},
		{"incident can't be read", nil, fail("Get_accounts", 403), "", bad, []string{"reading the accounts of the incident"}},
		{"task can't be made", nil, fail("Create_task", 403), "", bad, []string{"Nothing was done", "asking for approval", "Create_task: HTTP 403"}},
		{"disabling is refused", nil, fail("Disable_account", 403), "", bad, []string{"Not done", "AD: ann (HTTP 403)"}},
		{"throttled while disabling", nil, func(r *rig) {
			n := 0
			r.fault = func(q workflow.Request) int {
				if q.Action == "Disable_account" && n < 3 {
					n++
					return 429
				}
				return 0
			}
		}, "a1 a%2", well, []string{"Done"}},
		{"one account fails", nil, func(r *rig) {
			r.fault = func(q workflow.Request) int {
				if strings.HasSuffix(q.URI, "/a1/disable") {
					return 500
				}
				return 0
			}
		}, "a%2", bad, []string{"Done", "HR &amp; Co", "Not done", "AD: ann (HTTP 500)"}},
		{"secret is gone after the approval", nil, fail("Get_secret_again", 404), "", bad, []string{"Nothing was done", "Get_secret_again: HTTP 404"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, all, "SailPoint-DisableAccounts", tc.given)
			if tc.change != nil {
				tc.change(r)
			}
			run := r.run()
			r.expect(run, tc.status, tc.says...)
			if got := r.disabled(); got != tc.disabled {
				t.Errorf("disabled %q, want %q", got, tc.disabled)
			}
			if asks := len(r.asked) > 0; asks == (tc.given["Approval"] == "None") && tc.disabled != "" {
				t.Errorf("asked: %q", r.asked)
			}
			if tc.disabled == "" && r.task != nil && strings.Contains(r.comment(), "Nobody approved") {
				t.Error("the task is still there")
			}
		})
	}
}

// TestEntity: the same for the entity that a person picked; without an incident there is nothing to say it on.
func TestEntity(t *testing.T) {
	all := templates(t)
	r := newRig(t, all, "SailPoint-DisableAccounts-Entity", nil)
	r.expect(r.run(), workflow.Succeeded, "Done", "AD: ann")
	if r.disabled() != "a1 a%2" {
		t.Errorf("disabled %q", r.disabled())
	}
	r = newRig(t, all, "SailPoint-DisableAccounts-Entity", map[string]any{"Approval": "None"})
	r.trigger = map[string]any{"Entity": map[string]any{"properties": map[string]any{"accountName": "ann.lee", "upnSuffix": "acme.example"}}}
	run := r.run()
	if r.disabled() != "" || len(r.comments) > 0 {
		t.Errorf("disabled %q, %d comments, %s", r.disabled(), len(r.comments), run.Status)
	}
}
