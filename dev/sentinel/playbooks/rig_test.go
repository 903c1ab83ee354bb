package playbooks_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/workflow"
)

const (
	clientID = "0a1b2c3d-0000-4000-8000-000000000001"
	canary   = "canary-secret-4711"
	incident = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/logs/providers/Microsoft.SecurityInsights/Incidents/77777777-7777-7777-7777-777777777777"
)

// files are the generated files.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	all, err := playbooks.Files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// templates are the generated templates of playbooks by their names.
func templates(t testing.TB) map[string]deploy.Template {
	t.Helper()
	all := map[string]deploy.Template{}
	for path, data := range files(t) {
		if !strings.HasPrefix(path, "sentinel/Playbooks/") || filepath.Base(path) != "azuredeploy.json" {
			continue
		}
		all[filepath.Base(filepath.Dir(path))] = read(t, data)
	}
	return all
}

func read(t testing.TB, data []byte) deploy.Template {
	t.Helper()
	file := filepath.Join(t.TempDir(), "azuredeploy.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	template, err := deploy.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// deployed plays the deployment of a template and returns its workflow with its parameters.
func deployed(t testing.TB, template deploy.Template, cloud string, given map[string]any) (*workflow.Definition, map[string]any) {
	t.Helper()
	parameters := map[string]any{"SailPointUrl": "https://acme.api.identitynow.com/", "ClientId": clientID, "KeyVaultName": "vault1"}
	for name, v := range given {
		parameters[name] = v
	}
	d, err := template.Resolve(deploy.Surroundings{Cloud: cloud}, parameters)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Resources, func(r deploy.Resource) bool { return r.Type == "Microsoft.Logic/workflows" })
	properties := d.Resources[i].Body["properties"].(map[string]any)
	source, err := json.Marshal(properties["definition"])
	if err != nil {
		t.Fatal(err)
	}
	definition, err := workflow.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for name, v := range properties["parameters"].(map[string]any) {
		values[name] = v.(map[string]any)["value"]
	}
	return definition, values
}

// rig is a playbook among stand-ins: SailPoint, a key vault, Microsoft Sentinel, and people.
type rig struct {
	t          testing.TB
	definition *workflow.Definition
	parameters map[string]any
	tenant     *tenant.Tenant
	trigger    any
	accounts   []any // what the incident's account entities are
	watchlists map[string][]string
	moreItems  bool   // watchlists have another page
	itemColumn string // of the search key, if not the one that we name
	// fault answers a request in the place of its service; status 0 means: no fault.
	fault func(r workflow.Request) int
	// decide is what people do with the task when it is looked at for the nth time: Completed, deleted, or nothing.
	decide func(n int) string
	// mail is what is chosen in an approval mail; "" is no answer.
	mail       string
	untilLimit string

	task                   map[string]any
	looks                  int
	requests               []string
	comments, mails, asked []string
}

func newRig(t testing.TB, all map[string]deploy.Template, name string, given map[string]any) *rig {
	t.Helper()
	template, ok := all[name]
	if !ok {
		t.Fatalf("there is no playbook %s", name)
	}
	r := &rig{t: t, tenant: people(), watchlists: map[string][]string{}, decide: func(int) string { return "Completed" }, mail: "Approve"}
	r.definition, r.parameters = deployed(t, template, "", given)
	r.account("ann.lee", "")
	if strings.HasSuffix(name, "-Entity") {
		r.trigger = map[string]any{"IncidentArmID": incident, "Entity": map[string]any{"properties": map[string]any{"Name": "ann.lee"}}}
	}
	return r
}

// account makes the incident about one account.
func (r *rig) account(name, suffix string) {
	one := map[string]any{"Name": name, "NTDomain": nil}
	if suffix != "" {
		one["UPNSuffix"] = suffix
	}
	r.accounts = []any{one}
	r.trigger = map[string]any{"object": map[string]any{"id": incident, "properties": map[string]any{"relatedEntities": []any{map[string]any{"kind": "Account"}}, "Alerts": []any{}}}}
}

// people are a tenant with a few identities.
func people() *tenant.Tenant {
	t := &tenant.Tenant{ClientID: clientID, ClientSecret: canary, Scopes: []string{
		tenant.ScopeSearch, tenant.ScopeReadIdentities, tenant.ScopeReadAccounts, tenant.ScopeDisableAccounts, tenant.ScopeRequestAccess, tenant.ScopeCampaigns, tenant.ScopeAllPATs,
	}, RateLimit: tenant.RateLimit{Off: true}, Now: func() time.Time { return begin }}
	t.AddIdentity(tenant.Identity{ID: "id-bob", Alias: "bob", Name: "Bob Chief", Email: "bob@acme.example"})
	t.AddIdentity(tenant.Identity{ID: "id-ann", Alias: "ann.lee", Name: "Ann <b>Lee", Email: "ann.lee@acme.example", ManagerID: "id-bob", LifecycleState: "active", Department: "R&D", Access: []tenant.Access{
		{ID: "r1", Name: "Payroll", Type: "ROLE"},
		{ID: "e1", Name: "Domain Admins", Type: "ENTITLEMENT", Source: "AD", Privileged: true},
		{ID: "e2", Name: "Root", Type: "ENTITLEMENT", Source: "Unix", Privileged: true, Bound: true},
		{ID: "p1", Name: "Reader's Club", Type: "ACCESS_PROFILE"},
	}})
	t.AddIdentity(tenant.Identity{ID: "id-obrien", Alias: "o'brien@acme.example", Name: "Zoë O'Brien", Email: "zoe@acme.example", ManagerID: "id-ann"})
	t.AddIdentity(tenant.Identity{ID: "id-uni", Alias: "jürgen.müller", Name: "Jürgen Müller"})
	t.AddIdentity(tenant.Identity{ID: "id-twin1", Alias: "twin", Name: "Twin One"})
	t.AddIdentity(tenant.Identity{ID: "id-twin2", Alias: "twin", Name: "Twin Two"})
	for _, a := range []tenant.Account{
		{ID: "a1", Name: "ann", Source: "AD", IdentityID: "id-ann"},
		{ID: "a%2", Name: "ann<i>", Source: "HR & Co", IdentityID: "id-ann"},
		{ID: "a3", Name: "ann3", Source: "Unix", IdentityID: "id-ann", Disabled: true},
		{ID: "b1", Name: "bob", Source: "AD", IdentityID: "id-bob"},
		{ID: "z1", Name: "zoe", Source: "AD", IdentityID: "id-obrien"},
		{ID: "u1", Name: "jm", Source: "AD", IdentityID: "id-uni"},
	} {
		t.AddAccount(a)
	}
	for _, p := range []tenant.PersonalToken{{ID: "t1", Name: "laptop", OwnerID: "id-ann"}, {ID: "t2", Name: "script <x>", OwnerID: "id-ann"}, {ID: "t3", Name: "platform", OwnerID: "id-ann", Managed: true}, {ID: clientID, Name: "playbooks", OwnerID: "id-ann"}, {ID: "t4", Name: "other", OwnerID: "id-bob"}} {
		t.AddPersonalToken(p)
	}
	return t
}

var begin = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

// run plays the workflow, and looks for secrets where none may be.
func (r *rig) run() *workflow.Run {
	r.t.Helper()
	run := r.definition.Run(workflow.Environment{
		Trigger: r.trigger, Parameters: r.parameters, HTTP: r.http, Connector: r.connector, Webhook: r.webhook, Start: begin, UntilLimit: r.untilLimit,
	})
	seen, err := json.Marshal(map[string]any{"history": run.History, "comments": r.comments, "mails": r.mails, "asked": r.asked, "task": r.task, "requests": r.requests})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, secret := range append(r.tenant.Tokens(), canary) {
		if bytes.Contains(seen, []byte(secret)) {
			r.t.Errorf("a secret can be seen: %.12s…", secret)
		}
	}
	for _, v := range append(r.tenant.Violations(), r.tenant.Unknown()...) {
		r.t.Error(v)
	}
	return run
}

// http is what HTTP actions reach.
func (r *rig) http(req workflow.Request) workflow.Response {
	u, err := url.Parse(req.URI)
	if err != nil {
		r.t.Errorf("address %s: %v", req.URI, err)
		return workflow.Response{}
	}
	if regexp.MustCompile("[^!-~]|[\"<>\\\\^`{|}]").MatchString(req.URI) {
		r.t.Errorf("address %q is not encoded", req.URI)
	}
	r.requests = append(r.requests, req.Method+" "+u.Host+u.EscapedPath())
	if r.fault != nil {
		if status := r.fault(req); status < 0 {
			return workflow.Response{}
		} else if status > 0 {
			return workflow.Response{Status: status, Body: map[string]any{"error": "fault"}}
		}
	}
	switch {
	case u.Host == "vault1.vault.azure.net":
		if u.Path != "/secrets/sailpoint-playbooks" || u.Query().Get("api-version") != "7.4" || req.Auth["type"] != "ManagedServiceIdentity" || req.Auth["audience"] != "https://vault.azure.net" {
			return workflow.Response{Status: 403, Body: map[string]any{"error": map[string]any{"code": "Forbidden"}}}
		}
		return workflow.Response{Status: 200, Body: map[string]any{"value": canary, "id": req.URI}}
	case u.Host == "acme.api.identitynow.com":
		if operationOf(req.Method, u.EscapedPath()) == "" {
			r.t.Errorf("SailPoint has no operation %s %s", req.Method, u.EscapedPath())
		}
		return r.sailpoint(req)
	case u.Host == "management.azure.com" && req.Auth["type"] == "ManagedServiceIdentity" && req.Auth["audience"] == "https://management.azure.com":
		return r.azure(req, u)
	}
	r.t.Errorf("nobody is at %s %s", req.Method, req.URI)
	return workflow.Response{}
}

func (r *rig) sailpoint(req workflow.Request) workflow.Response {
	var body io.Reader = http.NoBody
	switch b := req.Body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	h := httptest.NewRequest(req.Method, req.URI, body)
	for name, v := range req.Header {
		h.Header.Set(name, v)
	}
	if req.Auth["type"] == "Raw" {
		h.Header.Set("Authorization", req.Auth["value"].(string))
	}
	w := httptest.NewRecorder()
	r.tenant.ServeHTTP(w, h)
	res := workflow.Response{Status: w.Code}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &res.Body); err != nil {
			r.t.Fatalf("%s %s: %v", req.Method, req.URI, err)
		}
	}
	return res
}

// azure are the tasks of the incident, and watchlists.
func (r *rig) azure(req workflow.Request, u *url.URL) workflow.Response {
	if u.Query().Get("api-version") != "2025-06-01" {
		r.t.Errorf("%s", req.URI)
	}
	workspace, _, _ := strings.Cut(incident, "/providers/Microsoft.SecurityInsights/")
	if alias, ok := strings.CutPrefix(u.Path, workspace+"/providers/Microsoft.SecurityInsights/watchlists/"); ok {
		keys, there := r.watchlists[strings.TrimSuffix(alias, "/watchlistItems")]
		if !there {
			return workflow.Response{Status: 404, Body: map[string]any{"error": map[string]any{"code": "NotFound"}}}
		}
		items := []any{}
		for _, k := range keys {
			keys := map[string]any{"Identity": k, "Access": k}
			if r.itemColumn != "" {
				keys = map[string]any{r.itemColumn: k}
			}
			items = append(items, map[string]any{"properties": map[string]any{"itemsKeyValue": keys}})
		}
		body := map[string]any{"value": items}
		if r.moreItems {
			body["nextLink"] = "https://management.azure.com/next"
		}
		return workflow.Response{Status: 200, Body: body}
	}
	if !strings.HasPrefix(u.Path, incident+"/tasks/") {
		r.t.Errorf("nothing is at %s", u.Path)
		return workflow.Response{Status: 404}
	}
	switch req.Method {
	case http.MethodPut:
		r.task = req.Body.(map[string]any)
		r.asked = append(r.asked, fmt.Sprint(r.task["properties"]))
		return workflow.Response{Status: 201, Body: r.task}
	case http.MethodDelete:
		r.task = nil
		return workflow.Response{Status: 200}
	}
	r.looks++
	switch r.decide(r.looks) {
	case "deleted":
		return workflow.Response{Status: 404, Body: map[string]any{"error": map[string]any{"code": "NotFound"}}}
	case "Completed":
		return workflow.Response{Status: 200, Body: map[string]any{"properties": map[string]any{"status": "Completed", "lastModifiedBy": map[string]any{"userPrincipalName": "analyst@soc.example"}}}}
	case "broken":
		return workflow.Response{Status: 500}
	}
	return workflow.Response{Status: 200, Body: map[string]any{"properties": map[string]any{"status": "New"}}}
}

// connector is what connections reach: Microsoft Sentinel and Office 365.
func (r *rig) connector(req workflow.Request) workflow.Response {
	if r.fault != nil {
		if status := r.fault(req); status > 0 {
			return workflow.Response{Status: status}
		}
	}
	body, _ := req.Body.(map[string]any)
	switch {
	case strings.HasSuffix(req.Connection, "/azuresentinel-"+r.name()) && req.URI == "/entities/account":
		return workflow.Response{Status: 200, Body: map[string]any{"Accounts": r.accounts}}
	case strings.HasSuffix(req.Connection, "/azuresentinel-"+r.name()) && req.URI == "/Incidents/Comment":
		if body["incidentArmId"] != incident {
			r.t.Errorf("a comment on %v", body["incidentArmId"])
		}
		r.comments = append(r.comments, body["message"].(string))
		return workflow.Response{Status: 200}
	case strings.HasSuffix(req.Connection, "/office365-"+r.name()) && req.URI == "/v2/Mail":
		r.mails = append(r.mails, fmt.Sprintf("%v | %v | %v", body["To"], body["Subject"], body["Body"]))
		return workflow.Response{Status: 200}
	}
	r.t.Errorf("no operation %s of %s", req.URI, req.Connection)
	return workflow.Response{Status: 404}
}

// name is that of the playbook, as its connections have it.
func (r *rig) name() string {
	connections := r.parameters["$connections"].(map[string]any)
	return strings.TrimPrefix(connections["azuresentinel"].(map[string]any)["connectionName"].(string), "azuresentinel-")
}

func (r *rig) webhook(req workflow.Request) (workflow.Response, bool) {
	if r.fault != nil {
		if status := r.fault(req); status > 0 {
			return workflow.Response{Status: status}, true
		}
	}
	if req.URI != "/approvalmail/$subscriptions" {
		r.t.Errorf("no operation %s", req.URI)
	}
	message := req.Body.(map[string]any)["Message"].(map[string]any)
	r.asked = append(r.asked, fmt.Sprintf("%v | %v | %v", message["To"], message["Subject"], message["Body"]))
	return workflow.Response{Status: 200, Body: map[string]any{"SelectedOption": r.mail}}, r.mail != ""
}
