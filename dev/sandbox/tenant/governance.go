package tenant

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The scopes of what responds to an alert: reading identities and accounts, disabling accounts,
// requests for access and its removal, certifications, and everybody's personal access tokens.
const (
	ScopeReadIdentities  = "idn:identity:read"
	ScopeReadAccounts    = "idn:accounts:read"
	ScopeDisableAccounts = "idn:accounts-state:manage"
	ScopeRequestAccess   = "idn:access-request:manage"
	ScopeCampaigns       = "idn:campaign:manage"
	ScopeAllPATs         = "sp:all-personal-access-tokens:manage"
)

// Identity is a person or service that the tenant governs. Searches find its document by its id.
type Identity struct {
	ID, Alias, Name, Email string
	ManagerID              string
	LifecycleState         string
	// Department is an identity attribute, as an example of one.
	Department string
	// Inactive identities have the status DEACTIVATED.
	Inactive bool
	Access   []Access
}

// Access is a role, access profile or entitlement that an identity holds.
type Access struct {
	ID, Name string
	// Type is ROLE, ACCESS_PROFILE or ENTITLEMENT.
	Type       string
	Source     string
	Privileged bool
	// Bound entitlements come with an access profile or role and can't be revoked alone.
	Bound bool
}

// Account is an account of an identity on a source.
type Account struct {
	ID, Name, Source string
	IdentityID       string
	Disabled         bool
	Locked           bool
	// System is the account for Identity Security Cloud itself.
	System bool
}

// PersonalToken is a personal access token. Its secret is known to nobody.
type PersonalToken struct {
	ID, Name, OwnerID string
	// Managed tokens belong to the platform.
	Managed bool
}

// AccessRequest is a request that was submitted, with one item.
type AccessRequest struct{ Kind, IdentityID, ItemType, ItemID, Comment string }

// Campaign is a certification campaign.
type Campaign struct {
	ID, Name, Kind string
	Identities     []string
	Reviewer       string
	Deadline       time.Time
	// Status is PENDING, STAGED, ACTIVE or ERROR.
	Status string
	looks  int
}

// governance is what responses read and change.
type governance struct {
	identities []Identity
	accounts   []Account
	personal   []PersonalToken
	requests   []AccessRequest
	campaigns  []Campaign
}

// AddIdentity adds an identity, AddAccount an account, AddPersonalToken a personal access token.
func (t *Tenant) AddIdentity(i Identity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.governed.identities = append(t.governed.identities, i)
}

// AddAccount adds an account.
func (t *Tenant) AddAccount(a Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.governed.accounts = append(t.governed.accounts, a)
}

// AddPersonalToken adds a personal access token.
func (t *Tenant) AddPersonalToken(p PersonalToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.governed.personal = append(t.governed.personal, p)
}

// Accounts returns all accounts as they are now.
func (t *Tenant) Accounts() []Account {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.governed.accounts)
}

// PersonalTokens returns the personal access tokens that are left.
func (t *Tenant) PersonalTokens() []PersonalToken {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.governed.personal)
}

// AccessRequests returns what was requested, the first one first.
func (t *Tenant) AccessRequests() []AccessRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.governed.requests)
}

// Campaigns returns the certification campaigns, the first one first.
func (t *Tenant) Campaigns() []Campaign {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.governed.campaigns)
}

type reference struct {
	Type string `json:"type,omitzero"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (t *Tenant) identity(id string) (Identity, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.governed.identities, func(one Identity) bool { return one.ID == id })
	if i < 0 {
		return Identity{}, false
	}
	return t.governed.identities[i], true
}

func (t *Tenant) encodedIdentity(i Identity) jsontext.Value {
	type lifecycle struct {
		StateName       string `json:"stateName"`
		ManuallyUpdated bool   `json:"manuallyUpdated"`
	}
	body := struct {
		ID             string            `json:"id"`
		Name           string            `json:"name"`
		Alias          string            `json:"alias"`
		EmailAddress   *string           `json:"emailAddress"`
		IdentityStatus string            `json:"identityStatus"`
		ManagerRef     *reference        `json:"managerRef"`
		IsManager      bool              `json:"isManager"`
		Attributes     map[string]string `json:"attributes"`
		LifecycleState lifecycle         `json:"lifecycleState"`
	}{ID: i.ID, Name: i.Name, Alias: i.Alias, IdentityStatus: i.status(), Attributes: map[string]string{"department": i.Department}, LifecycleState: lifecycle{StateName: i.LifecycleState}}
	if i.Email != "" {
		body.EmailAddress = &i.Email
	}
	if m, ok := t.identity(i.ManagerID); ok {
		body.ManagerRef = &reference{"IDENTITY", m.ID, m.Name}
	}
	return encode(body)
}

func (i Identity) status() string {
	if i.Inactive {
		return "DEACTIVATED"
	}
	return "ACTIVE"
}

func (t *Tenant) serveIdentities(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	all := slices.Clone(t.governed.identities)
	t.mu.Unlock()
	serveList(t, w, r, all, fields[Identity]{filters: map[string]fieldOf[Identity]{
		"id":    {func(i Identity) string { return i.ID }, "eq"},
		"alias": {func(i Identity) string { return i.Alias }, "eq"},
		"name":  {func(i Identity) string { return i.Name }, "eq"},
		"email": {func(i Identity) string { return i.Email }, "eq"},
	}}, t.encodedIdentity)
}

func (t *Tenant) serveIdentity(w http.ResponseWriter, r *http.Request) {
	i, ok := t.identity(lastOf(r))
	if !ok {
		t.refuse(w, http.StatusNotFound, "404 Not found", "There is no identity of that id.")
		return
	}
	writeBody(w, http.StatusOK, t.encodedIdentity(i))
}

// identityDocument is an identity as the search index has it.
func (t *Tenant) identityDocument(id string) (jsontext.Value, bool) {
	i, ok := t.identity(id)
	if !ok {
		return nil, false
	}
	type account struct {
		reference
		AccountID string    `json:"accountId"`
		Source    reference `json:"source"`
		Disabled  bool      `json:"disabled"`
		Locked    bool      `json:"locked"`
	}
	type item struct {
		reference
		DisplayName string    `json:"displayName"`
		Source      reference `json:"source"`
		Privileged  bool      `json:"privileged,omitzero"`
		Standalone  bool      `json:"standalone,omitzero"`
		Revocable   bool      `json:"revocable,omitzero"`
	}
	type manager struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	}
	body := struct {
		ID          string            `json:"id"`
		Name        string            `json:"name"`
		DisplayName string            `json:"displayName"`
		Email       string            `json:"email,omitzero"`
		Status      string            `json:"status"`
		Inactive    bool              `json:"inactive"`
		Manager     *manager          `json:"manager,omitzero"`
		Attributes  map[string]string `json:"attributes"`
		Accounts    []account         `json:"accounts"`
		Access      []item            `json:"access"`
		Count       int               `json:"accessCount"`
	}{
		ID: i.ID, Name: i.Alias, DisplayName: i.Name, Email: i.Email, Status: i.status(), Inactive: i.Inactive, Accounts: []account{}, Access: []item{}, Count: len(i.Access),
		Attributes: map[string]string{"cloudLifecycleState": i.LifecycleState, "department": i.Department},
	}
	if m, ok := t.identity(i.ManagerID); ok {
		body.Manager = &manager{m.ID, m.Alias, m.Name}
	}
	for _, a := range t.Accounts() {
		if a.IdentityID == i.ID {
			body.Accounts = append(body.Accounts, account{reference{ID: a.ID, Name: a.Name}, a.Name, reference{ID: a.Source, Name: a.Source}, a.Disabled, a.Locked})
		}
	}
	for _, a := range i.Access {
		entitlement := a.Type == "ENTITLEMENT"
		body.Access = append(body.Access, item{reference{a.Type, a.ID, a.Name}, a.Name, reference{ID: a.Source, Name: a.Source}, entitlement && a.Privileged, entitlement && !a.Bound, !entitlement})
	}
	return encode(body), true
}

func (t *Tenant) serveAccounts(w http.ResponseWriter, r *http.Request) {
	type body struct {
		ID             string    `json:"id"`
		Name           string    `json:"name"`
		NativeIdentity string    `json:"nativeIdentity"`
		SourceID       string    `json:"sourceId"`
		SourceName     string    `json:"sourceName"`
		IdentityID     string    `json:"identityId"`
		Identity       reference `json:"identity"`
		Disabled       bool      `json:"disabled"`
		Locked         bool      `json:"locked"`
		System         bool      `json:"systemAccount"`
	}
	serveList(t, w, r, t.Accounts(), fields[Account]{filters: map[string]fieldOf[Account]{
		"id":         {func(a Account) string { return a.ID }, "eq"},
		"identityId": {func(a Account) string { return a.IdentityID }, "eq"},
	}}, func(a Account) jsontext.Value {
		owner, _ := t.identity(a.IdentityID)
		return encode(body{a.ID, a.Name, "CN=" + a.Name, "source-" + a.Source, a.Source, a.IdentityID, reference{"IDENTITY", owner.ID, owner.Name}, a.Disabled, a.Locked, a.System})
	})
}

func (t *Tenant) serveDisable(w http.ResponseWriter, r *http.Request) {
	var b struct {
		ExternalVerificationID string `json:"externalVerificationId"`
		ForceProvisioning      bool   `json:"forceProvisioning"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	segments := strings.Split(r.URL.Path, "/")
	id := segments[len(segments)-2]
	t.mu.Lock()
	i := slices.IndexFunc(t.governed.accounts, func(a Account) bool { return a.ID == id })
	if i >= 0 {
		t.governed.accounts[i].Disabled = true
	}
	t.mu.Unlock()
	if i < 0 {
		t.refuse(w, http.StatusNotFound, "404 Not found", "There is no account of that id.")
		return
	}
	writeJSON(w, http.StatusAccepted, struct {
		ID string `json:"id"`
	}{t.uuid("task")})
}

// serveAccessRequest takes requests to revoke access; those to grant it are not played.
func (t *Tenant) serveAccessRequest(w http.ResponseWriter, r *http.Request) {
	var b struct {
		RequestedFor   []string `json:"requestedFor"`
		RequestType    string   `json:"requestType"`
		RequestedItems []struct {
			Type    string `json:"type"`
			ID      string `json:"id"`
			Comment string `json:"comment"`
		} `json:"requestedItems"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	if b.RequestType != "REVOKE_ACCESS" {
		t.refuseQuery(w, unknown("access request of type "+cmp.Or(b.RequestType, "GRANT_ACCESS")))
		return
	}
	if len(b.RequestedFor) != 1 || len(b.RequestedItems) == 0 {
		t.refuseQuery(w, errors.New("a request to revoke is for one identity, and names the items"))
		return
	}
	who, known := t.identity(b.RequestedFor[0])
	var requests []AccessRequest
	for _, item := range b.RequestedItems {
		i := slices.IndexFunc(who.Access, func(a Access) bool { return a.ID == item.ID && a.Type == item.Type })
		if !known || i < 0 || who.Access[i].Bound || item.Comment == "" {
			t.refuseQuery(w, fmt.Errorf("%s %s can't be revoked from the identity, or the comment is missing", item.Type, item.ID))
			return
		}
		requests = append(requests, AccessRequest{b.RequestType, who.ID, item.Type, item.ID, item.Comment})
	}
	t.mu.Lock()
	t.governed.requests = append(t.governed.requests, requests...)
	t.mu.Unlock()
	writeJSON(w, http.StatusAccepted, struct {
		New      []struct{} `json:"newRequests"`
		Existing []struct{} `json:"existingRequests"`
	}{make([]struct{}, len(requests)), []struct{}{}})
}

type campaignBody struct {
	ID          string     `json:"id,omitzero"`
	Name        string     `json:"name"`
	Description *string    `json:"description"`
	Deadline    *time.Time `json:"deadline"`
	Type        string     `json:"type"`
	Notify      bool       `json:"emailNotificationEnabled"`
	AutoRevoke  bool       `json:"autoRevokeAllowed"`
	Status      string     `json:"status,omitzero"`
	Search      *struct {
		Type        string     `json:"type"`
		Reviewer    *reference `json:"reviewer,omitzero"`
		IdentityIDs []string   `json:"identityIds"`
	} `json:"searchCampaignInfo,omitzero"`
}

func (t *Tenant) serveNewCampaign(w http.ResponseWriter, r *http.Request) {
	var b campaignBody
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	switch {
	case b.Name == "" || b.Description == nil || b.Type == "":
		t.refuseQuery(w, errors.New("name, description and type are required"))
		return
	case b.Type != "SEARCH" || b.Search == nil || b.Search.Type != "IDENTITY" || len(b.Search.IdentityIDs) == 0:
		t.refuseQuery(w, unknown("campaign of type "+b.Type))
		return
	case b.Deadline != nil && !b.Deadline.After(t.now()):
		t.refuseQuery(w, errors.New("the deadline is in the past"))
		return
	}
	c := Campaign{ID: t.uuid("campaign"), Name: b.Name, Kind: b.Type, Identities: b.Search.IdentityIDs, Status: "PENDING"}
	if b.Search.Reviewer != nil {
		c.Reviewer = b.Search.Reviewer.ID
	}
	if b.Deadline != nil {
		c.Deadline = *b.Deadline
	}
	t.mu.Lock()
	t.governed.campaigns = append(t.governed.campaigns, c)
	t.mu.Unlock()
	b.ID, b.Status = c.ID, c.Status
	writeJSON(w, http.StatusAccepted, b)
}

// campaign changes a campaign. It is staged when it is looked at for the second time.
func (t *Tenant) campaign(w http.ResponseWriter, id string, change func(*Campaign)) (Campaign, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.governed.campaigns {
		if c := &t.governed.campaigns[i]; c.ID == id {
			change(c)
			return *c, true
		}
	}
	writeJSON(w, http.StatusNotFound, errorBody{DetailCode: "404 Not found", Messages: []errorMessage{{"en-US", "DEFAULT", "There is no campaign of that id."}}, Causes: []errorMessage{}})
	return Campaign{}, false
}

func (t *Tenant) serveCampaign(w http.ResponseWriter, r *http.Request) {
	c, ok := t.campaign(w, lastOf(r), func(c *Campaign) {
		if c.looks++; c.looks > 1 && c.Status == "PENDING" {
			c.Status = cmp.Or(t.CampaignsBecome, "STAGED")
		}
	})
	if ok {
		writeJSON(w, http.StatusOK, campaignBody{ID: c.ID, Name: c.Name, Type: c.Kind, Status: c.Status})
	}
}

func (t *Tenant) serveActivate(w http.ResponseWriter, r *http.Request) {
	var b struct {
		TimeZone string `json:"timeZone"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	segments := strings.Split(r.URL.Path, "/")
	staged := false
	_, ok := t.campaign(w, segments[len(segments)-2], func(c *Campaign) {
		if staged = c.Status == "STAGED"; staged {
			c.Status = "ACTIVE"
		}
	})
	switch {
	case ok && !staged:
		t.refuseQuery(w, errors.New("the campaign is not staged"))
	case ok:
		writeJSON(w, http.StatusAccepted, struct{}{})
	}
}

// servePersonalTokens lists the tokens of an owner, or all of them.
func (t *Tenant) servePersonalTokens(w http.ResponseWriter, r *http.Request) {
	type body struct {
		ID      string    `json:"id"`
		Name    string    `json:"name"`
		Scope   []string  `json:"scope"`
		Owner   reference `json:"owner"`
		Managed bool      `json:"managed"`
	}
	list := t.PersonalTokens()
	if owner := r.URL.Query().Get("owner-id"); owner != "" {
		list = slices.DeleteFunc(list, func(p PersonalToken) bool { return p.OwnerID != owner })
	}
	bodies := []body{}
	for _, p := range list {
		owner, _ := t.identity(p.OwnerID)
		bodies = append(bodies, body{p.ID, p.Name, []string{"sp:scopes:all"}, reference{"IDENTITY", owner.ID, owner.Name}, p.Managed})
	}
	writeJSON(w, http.StatusOK, bodies)
}

func (t *Tenant) serveDeletePersonalToken(w http.ResponseWriter, r *http.Request) {
	id := lastOf(r)
	t.mu.Lock()
	before := len(t.governed.personal)
	t.governed.personal = slices.DeleteFunc(t.governed.personal, func(p PersonalToken) bool { return p.ID == id })
	gone := len(t.governed.personal) < before
	t.mu.Unlock()
	if !gone {
		t.refuse(w, http.StatusNotFound, "404 Not found", "There is no personal access token of that id.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// lastOf is the last segment of a path.
func lastOf(r *http.Request) string {
	return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
}

// userOnly are the operations that no API client may use: they need a token with a user.
func userOnly(path string) bool {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	return slices.ContainsFunc(segments[:min(2, len(segments))], func(s string) bool {
		return slices.Contains([]string{"identities", "access-requests", "campaigns", "personal-access-tokens"}, s)
	})
}
