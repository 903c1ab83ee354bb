package playbooks_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
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

// disabling is a run of SailPoint-DisableAccounts, and what it leaves.
type disabling struct {
	name     string
	given    map[string]any
	change   func(*rig)
	disabled string
	status   string
	says     []string
}

func disablings() []disabling {
	const well, bad = workflow.Succeeded, workflow.Failed
	fail := func(action string, status int) func(*rig) { return func(r *rig) { r.fault = failing(action, status) } }
	return []disabling{
		{"approved by a task", nil, nil, "a1 a%2", well, []string{"Done", "AD: ann", "HR &amp; Co: ann&lt;i>", "Approved by: analyst@soc.example"}},
		{"approved later", nil, func(r *rig) {
			r.decide = func(n int) string { return map[bool]string{true: "Completed", false: "broken"}[n > 20] }
		}, "a1 a%2", well, []string{"Done"}},
		{"task deleted", nil, func(r *rig) { r.decide = func(int) string { return "deleted" } }, "", well, []string{"Nothing was done", "rejected"}},
		{"nobody answers", nil, func(r *rig) { r.decide = func(int) string { return "" } }, "", well, []string{"Nothing was done", "No one approved it within 8 hours"}},
		{"nobody answers, and the limit is a failure", nil, func(r *rig) { r.decide, r.untilLimit = func(int) string { return "" }, workflow.TimedOut }, "", well, []string{"No one approved it within 8 hours"}},
		{"approved by e-mail", map[string]any{"Approval": "Email", "ApproverEmail": "soc@acme.example"}, nil, "a1 a%2", well, []string{"Approved by: soc@acme.example"}},
		{"rejected by e-mail", map[string]any{"Approval": "Email"}, func(r *rig) { r.mail = "Reject" }, "", well, []string{"rejected"}},
		{"e-mail is not answered", map[string]any{"Approval": "Email"}, func(r *rig) { r.mail = "" }, "", well, []string{"No one approved"}},
		{"mailbox is not authorized", map[string]any{"Approval": "Email"}, fail("Ask_by_email", 401), "", bad, []string{"Nothing was done", "asking for approval", "Ask_by_email: HTTP 401"}},
		{"told not to ask", map[string]any{"Approval": "None"}, nil, "a1 a%2", well, []string{"Approved by: no one"}},
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
		{"the same name in another domain", nil, func(r *rig) { r.account("ann.lee", "partner.example") }, "", well, []string{"Nothing was done", "no identity", "ann.lee@partner.example"}},
		{"an alias and the domain of the address", nil, func(r *rig) {
			r.tenant.AddIdentity(tenant.Identity{ID: "id-eve", Alias: "eve", Name: "Eve", Email: "eve.long@ACME.example"})
			r.tenant.AddAccount(tenant.Account{ID: "v1", Name: "eve", Source: "AD", IdentityID: "id-eve"})
			r.account("eve", "acme.example")
		}, "v1", well, []string{"Eve (eve)"}},
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
		{"break-glass list with another column", nil, func(r *rig) { r.watchlists["SailPointBreakGlass"], r.itemColumn = []string{"ann.lee"}, "Account" }, "", well, []string{"Nothing was done", "column Identity"}},
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
	}
}

// play runs it and reports what is not as it should be.
func (tc disabling) play(r *rig) {
	r.t.Helper()
	if tc.change != nil {
		tc.change(r)
	}
	run := r.run()
	r.expect(run, tc.status, tc.says...)
	if got := r.disabled(); got != tc.disabled {
		r.t.Errorf("disabled %q, want %q", got, tc.disabled)
	}
	if strings.Contains(r.comment(), "ann3") {
		r.t.Error("an account that is disabled already is in the plan")
	}
	if asked := len(r.asked) > 0; asked == (tc.given["Approval"] == "None") && tc.disabled != "" {
		r.t.Errorf("asked: %q", r.asked)
	}
	if tc.disabled == "" && r.task != nil && strings.Contains(r.comment(), "No one approved") {
		r.t.Error("the task is still there")
	}
}

// TestLongPlan: who approves sees the whole plan, or is told that it is cut.
func TestLongPlan(t *testing.T) {
	r := newRig(t, templates(t), disabler, nil)
	for i := range 200 {
		r.tenant.AddAccount(tenant.Account{ID: "n" + strconv.Itoa(i), Name: "ann" + strconv.Itoa(1000+i), Source: "A source with a name", IdentityID: "id-ann"})
	}
	r.run()
	if len(r.asked) != 1 || strings.Contains(r.asked[0], "ann1199") || !strings.Contains(r.asked[0], "cut") {
		t.Errorf("asked: %.300q", r.asked)
	}
	r = newRig(t, templates(t), disabler, nil)
	r.run()
	if len(r.asked) != 1 || strings.Contains(r.asked[0], "cut") {
		t.Errorf("asked: %.300q", r.asked)
	}
}

const disabler = "SailPoint-DisableAccounts"

// TestDisable: the accounts of exactly one identity are disabled, after exactly the approval.
func TestDisable(t *testing.T) {
	all := templates(t)
	for _, tc := range disablings() {
		t.Run(tc.name, func(t *testing.T) { tc.play(newRig(t, all, disabler, tc.given)) })
	}
}

// probe takes the place of a test, and only notes that it failed.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper()               {}
func (p *probe) Logf(string, ...any)   {}
func (p *probe) Error(...any)          { p.failed = true }
func (p *probe) Errorf(string, ...any) { p.failed = true }
func (p *probe) Fatal(...any)          { p.failed = true; panic(p) }
func (p *probe) Fatalf(string, ...any) { p.failed = true; panic(p) }
func (p *probe) stopped()              { _ = recover() }

// TestDefectsAreNoticed: a workflow with a defect fails its check or one of the runs above.
func TestDefectsAreNoticed(t *testing.T) {
	good := string(files(t)["sentinel/Playbooks/"+disabler+"/azuredeploy.json"])
	for _, defect := range []struct{ breaks, old, changed string }{
		{"it acts when it was rejected", `"@equals(variables('Answer'), 'Approve')"`, `"@not(empty(variables('Answer')))"`},
		{"it acts when no one answered", `"@equals(variables('Answer'), 'Approve')"`, `"@not(equals(variables('Answer'), 'Reject'))"`},
		{"a task that is there counts as completed", `['status'], 'Completed'), 'Approve', '')`, `['status'], 'Completed'), 'Approve', 'Approve')`},
		{"a deleted task counts as completed", `404), 'Reject', if(`, `404), 'Approve', if(`},
		{"an answer by e-mail does not matter", `"@string(body('Ask_by_email')?['SelectedOption'])"`, `"Approve"`},
		{"the first of several identities is taken", `"@equals(length(outputs('Found')), 1)"`, `"@greater(length(outputs('Found')), 0)"`},
		{"the first of several accounts is taken", `equals(length(outputs('Account_names')), 1)`, `greater(length(outputs('Account_names')), 0)`},
		{"a quotation mark ends the filter", `not(contains(string(first(outputs('Account_names'))), '\"'))`, `true`},
		{"names are not encoded", `encodeUriComponent(concat('alias eq`, `concat(concat('alias eq`},
		{"a list that can't be read protects no one", `equals(outputs('Read_break_glass')?['statusCode'], 404)`, `true`},
		{"break-glass accounts are compared with their case", `equals(toLower(trim(string(item()?['properties']?['itemsKeyValue']?['Identity']))), toLower(`, `equals(trim(string(item()?['properties']?['itemsKeyValue']?['Identity'])), toLower(`},
		{"accounts that are disabled count", `not(equals(item()?['disabled'], true))`, `true`},
		{"accounts of all sources are disabled", `contains(parameters('Sources'), item()?['sourceName'])`, `true`},
		{"what failed counts as done", `or(equals(outputs('Disable_account')?['statusCode'], 202), false)`, `true`},
		{"a failure ends without a comment", `"Failed",
                  "TimedOut",
                  "Skipped"
`, `"Failed",
                  "TimedOut"
`},
		{"markup of a name reaches the comment", `replace(replace(string(item()?['name']), '&', '&amp;'), '<', '&lt;')`, `string(item()?['name'])`},
		{"the answer of the vault is in the history", "\"inputs\",\n                        \"outputs\"", `"inputs"`},
		{"requests are not repeated", `"type": "exponential"`, `"type": "none"`},
	} {
		t.Run(defect.breaks, func(t *testing.T) {
			bad := strings.ReplaceAll(good, defect.old, defect.changed)
			if bad == good {
				t.Fatal("the defect does not fit any more")
			}
			template := read(t, []byte(bad))
			if d, _ := deployed(t, template, "", nil); len(d.Check()) > 0 {
				return
			}
			all := map[string]deploy.Template{disabler: template}
			for _, tc := range disablings() {
				p := &probe{TB: t}
				func() {
					defer p.stopped()
					tc.play(newRig(p, all, disabler, tc.given))
				}()
				if p.failed {
					return
				}
			}
			t.Error("no run notices")
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
