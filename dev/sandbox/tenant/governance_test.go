package tenant_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

func governed() *tenant.Tenant {
	t := &tenant.Tenant{Scopes: []string{
		tenant.ScopeSearch, tenant.ScopeReadIdentities, tenant.ScopeReadAccounts, tenant.ScopeDisableAccounts, tenant.ScopeRequestAccess, tenant.ScopeCampaigns, tenant.ScopeAllPATs,
	}}
	t.AddIdentity(tenant.Identity{ID: "boss", Alias: "boss", Name: "The Boss"})
	t.AddIdentity(tenant.Identity{ID: "ann", Alias: "o'ann", Name: "Ann", Email: "ann@acme.example", ManagerID: "boss", LifecycleState: "active", Access: []tenant.Access{
		{ID: "r", Name: "Role", Type: "ROLE"}, {ID: "e", Name: "Bound", Type: "ENTITLEMENT", Privileged: true, Bound: true},
	}})
	t.AddAccount(tenant.Account{ID: "a", Name: "ann", Source: "AD", IdentityID: "ann"})
	t.AddPersonalToken(tenant.PersonalToken{ID: "p", Name: "laptop", OwnerID: "ann"})
	return t
}

// TestGovernance: what responses read and change, with the statuses that the service documents.
func TestGovernance(t *testing.T) {
	filter := func(text string) string { return "?filters=" + url.QueryEscape(text) }
	h := governed()
	token := login(t, h, "client")
	var campaign string
	for _, c := range []struct {
		call, body string
		status     int
		has        string
	}{
		{"GET /identities/v1" + filter(`alias eq "o'ann"`), "", 200, `"emailAddress":"ann@acme.example"`},
		{"GET /v2025/identities" + filter(`email eq "ann@acme.example"`), "", 200, `"managerRef":{"type":"IDENTITY","id":"boss","name":"The Boss"}`},
		{"GET /identities/v1" + filter(`alias eq "nobody"`), "", 200, `[]`},
		{"GET /identities/v1" + filter(`alias eq o'ann`), "", 400, "not of the form"},
		{"GET /identities/v1" + filter(`department eq "x"`), "", 400, "not supported"},
		{"GET /identities/v1/boss", "", 200, `"emailAddress":null`},
		{"GET /identities/v1/nobody", "", 404, ""},
		{"GET /v3/identities", "", 404, ""},
		{"GET /search/v1/identities/ann", "", 200, `"privileged":true`},
		{"GET /search/v1/identities/nobody", "", 404, ""},
		{"GET /accounts/v1" + filter(`identityId eq "ann"`), "", 200, `"sourceName":"AD"`},
		{"POST /accounts/v1/a/disable", `{}`, 202, `"id"`},
		{"POST /accounts/v1/x/disable", `{}`, 404, ""},
		{"POST /access-requests/v1", `{"requestType":"REVOKE_ACCESS","requestedFor":["ann"],"requestedItems":[{"type":"ROLE","id":"r","comment":"c"}]}`, 202, `newRequests`},
		{"POST /access-requests/v1", `{"requestType":"REVOKE_ACCESS","requestedFor":["ann"],"requestedItems":[{"type":"ROLE","id":"r"}]}`, 400, "comment"},
		{"POST /access-requests/v1", `{"requestType":"REVOKE_ACCESS","requestedFor":["ann"],"requestedItems":[{"type":"ENTITLEMENT","id":"e","comment":"c"}]}`, 400, "can't be revoked"},
		{"POST /access-requests/v1", `{"requestType":"REVOKE_ACCESS","requestedFor":["ann","boss"],"requestedItems":[{"type":"ROLE","id":"r","comment":"c"}]}`, 400, "one identity"},
		{"POST /access-requests/v1", `{"requestedFor":["ann"]}`, 501, "GRANT_ACCESS"},
		{"POST /campaigns/v1", `{"name":"n","description":"d","type":"SEARCH","searchCampaignInfo":{"type":"IDENTITY","identityIds":["ann"]}}`, 202, `"status":"PENDING"`},
		{"POST /campaigns/v1", `{"name":"n","type":"SEARCH"}`, 400, "required"},
		{"POST /campaigns/v1", `{"name":"n","description":"d","type":"SEARCH","deadline":"2020-01-01T00:00:00Z","searchCampaignInfo":{"type":"IDENTITY","identityIds":["ann"]}}`, 400, "past"},
		{"POST /campaigns/v1/CAMPAIGN/activate", `{}`, 400, "not staged"},
		{"GET /campaigns/v1/CAMPAIGN", "", 200, "PENDING"},
		{"GET /campaigns/v1/CAMPAIGN", "", 200, "STAGED"},
		{"POST /campaigns/v1/CAMPAIGN/activate", `{}`, 202, ""},
		{"GET /campaigns/v1/CAMPAIGN", "", 200, "ACTIVE"},
		{"GET /campaigns/v1/none", "", 404, ""},
		{"GET /personal-access-tokens/v1?owner-id=boss", "", 200, "[]"},
		{"GET /personal-access-tokens/v1?owner-id=ann", "", 200, "laptop"},
		{"DELETE /personal-access-tokens/v1/p", "", 204, ""},
		{"DELETE /personal-access-tokens/v1/p", "", 404, ""},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		if made := h.Campaigns(); len(made) > 0 {
			campaign = made[0].ID
		}
		got := do(t, h, method, strings.Replace(path, "CAMPAIGN", campaign, 1), token, c.body)
		if got.Status != c.status || !strings.Contains(got.Body, c.has) {
			t.Errorf("%s: %d %s, want %d with %q", c.call, got.Status, got.Body, c.status, c.has)
		}
	}
	if diff := cmp.Diff([]tenant.AccessRequest{{Kind: "REVOKE_ACCESS", IdentityID: "ann", ItemType: "ROLE", ItemID: "r", Comment: "c"}}, h.AccessRequests()); diff != "" {
		t.Error(diff)
	}
	if !h.Accounts()[0].Disabled || len(h.PersonalTokens()) != 0 {
		t.Errorf("%v, %v", h.Accounts(), h.PersonalTokens())
	}
}

// TestWhoMayRespond: scopes, and tokens without a user.
func TestWhoMayRespond(t *testing.T) {
	poor := governed()
	poor.Scopes = []string{tenant.ScopeSearch}
	userless := governed()
	userless.WithoutUser = true
	for _, c := range []struct {
		call         string
		poor, noUser int
	}{
		{"GET /identities/v1", 403, 403},
		{"GET /accounts/v1", 403, 200},
		{"GET /personal-access-tokens/v1", 403, 403},
		{"GET /v2025/campaigns/none", 403, 403},
		{"GET /search/v1/identities/ann", 200, 200},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		if got := do(t, poor, method, path, login(t, poor, "client"), ""); got.Status != c.poor {
			t.Errorf("%s without its scope: %d, want %d", c.call, got.Status, c.poor)
		}
		if got := do(t, userless, method, path, login(t, userless, "client"), ""); got.Status != c.noUser {
			t.Errorf("%s without a user: %d, want %d", c.call, got.Status, c.noUser)
		}
	}
}
