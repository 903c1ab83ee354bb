package tenant

import (
	"net/http"
	"slices"
	"strings"
)

// current is the family of the per-service paths.
const current = "v1"

// legacy says whether a family shares one version for all services.
func legacy(family string) bool {
	return slices.Contains([]string{"v3", "v2024", "v2025", "v2026", "beta"}, family)
}

// resource is what a path stands for.
type resource struct {
	operations []operation
	// without is the family whose document does not have it.
	without string
}

// operation is what a method does to a resource.
type operation struct {
	method string
	// scopes are those of which a token needs one; none means that it needs no token.
	scopes []string
	// serve is nil for what the stand-in does not play.
	serve func(t *Tenant, w http.ResponseWriter, r *http.Request)
}

// resources are what the service has under search and the triggers' services, by the path
// without its version; * is any segment.
func resources() map[string]resource {
	const noTriggers, noSearch = "v3", "beta"
	search := []string{ScopeSearch}
	status := []string{ScopeStatus, ScopeTest}
	read, manage := []string{ScopeSubscriptions, ScopeManageSubscriptions}, []string{ScopeManageSubscriptions}
	return map[string]resource{
		"search":           {[]operation{{http.MethodPost, search, (*Tenant).serveSearch}}, noSearch},
		"search/count":     {[]operation{{http.MethodPost, search, (*Tenant).serveCount}}, noSearch},
		"search/aggregate": {[]operation{{http.MethodPost, search, nil}}, noSearch},
		"search/*/*":       {[]operation{{http.MethodGet, search, (*Tenant).serveDocument}}, noSearch},

		"trigger-invocations/status":     {[]operation{{http.MethodGet, status, (*Tenant).serveStatus}}, noTriggers},
		"trigger-invocations/test":       {[]operation{{http.MethodPost, []string{ScopeTest}, (*Tenant).serveTest}}, noTriggers},
		"trigger-invocations/*/complete": {[]operation{{http.MethodPost, nil, (*Tenant).serveComplete}}, noTriggers},
		"triggers":                       {[]operation{{http.MethodGet, []string{ScopeSubscriptions}, (*Tenant).serveTriggers}}, noTriggers},
		"trigger-subscriptions": {[]operation{
			{http.MethodGet, read, (*Tenant).serveSubscriptions}, {http.MethodPost, manage, (*Tenant).serveSubscribe},
		}, noTriggers},
		"trigger-subscriptions/validate-filter": {[]operation{{http.MethodPost, manage, (*Tenant).serveValidateFilter}}, noTriggers},
		"trigger-subscriptions/*": {[]operation{
			{http.MethodPut, manage, (*Tenant).serveReplace},
			{http.MethodPatch, manage, (*Tenant).servePatch},
			{http.MethodDelete, manage, (*Tenant).serveUnsubscribe},
		}, noTriggers},

		"identities":               {[]operation{{http.MethodGet, []string{ScopeReadIdentities}, (*Tenant).serveIdentities}}, noTriggers},
		"identities/*":             {[]operation{{http.MethodGet, []string{ScopeReadIdentities}, (*Tenant).serveIdentity}}, noTriggers},
		"accounts":                 {[]operation{{http.MethodGet, []string{ScopeReadAccounts}, (*Tenant).serveAccounts}}, ""},
		"accounts/*/disable":       {[]operation{{http.MethodPost, []string{ScopeDisableAccounts}, (*Tenant).serveDisable}}, ""},
		"access-requests":          {[]operation{{http.MethodPost, []string{ScopeRequestAccess}, (*Tenant).serveAccessRequest}}, ""},
		"campaigns":                {[]operation{{http.MethodPost, []string{ScopeCampaigns}, (*Tenant).serveNewCampaign}}, ""},
		"campaigns/*":              {[]operation{{http.MethodGet, []string{ScopeCampaigns}, (*Tenant).serveCampaign}}, ""},
		"campaigns/*/activate":     {[]operation{{http.MethodPost, []string{ScopeCampaigns}, (*Tenant).serveActivate}}, ""},
		"personal-access-tokens":   {[]operation{{http.MethodGet, []string{ScopeAllPATs}, (*Tenant).servePersonalTokens}}, ""},
		"personal-access-tokens/*": {[]operation{{http.MethodDelete, []string{ScopeAllPATs}, (*Tenant).serveDeletePersonalToken}}, ""},

		"workflows/*":                       {[]operation{{http.MethodGet, []string{ScopeReadWorkflow}, (*Tenant).serveWorkflow}}, ""},
		"workflows/execute/external/*":      {[]operation{{http.MethodPost, []string{ScopeExecuteWorkflow}, (*Tenant).serveExecute}}, ""},
		"workflows/execute/external/*/test": {[]operation{{http.MethodPost, []string{ScopeExecuteWorkflow}, (*Tenant).serveExecuteTest}}, ""},
	}
}

// endpointOf reads a path of the API: its version and what it stands for.
func endpointOf(path string) (family string, res resource, ok bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case legacy(segments[0]):
		family, segments = segments[0], segments[1:]
	case len(segments) > 1 && segments[1] == current:
		family, segments = current, slices.Concat(segments[:1], segments[2:])
	default:
		return "", resource{}, false
	}
	all := resources()
	res, ok = all[strings.Join(segments, "/")]
	switch {
	case ok:
	case len(segments) == 2:
		res, ok = all[segments[0]+"/*"]
	case len(segments) > 3 && segments[1] == "execute":
		segments[3] = "*"
		res, ok = all[strings.Join(segments, "/")]
	case len(segments) == 3 && segments[0] == "search":
		res, ok = all["search/*/*"]
	case len(segments) == 3:
		res, ok = all[segments[0]+"/*/"+segments[2]]
	}
	return family, res, ok && family != res.without
}

// route finds the endpoint.
func (t *Tenant) route(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/oauth/token":
		t.serveToken(w, r)
		return
	case "/oauth/info":
		t.serveInfo(w, r)
		return
	}
	family, res, ok := endpointOf(r.URL.Path)
	if !ok || slices.Contains(t.Disabled, family) {
		t.refuse(w, http.StatusNotFound, "404 Not found", "The server did not find a current representation for the target resource.")
		return
	}
	i := slices.IndexFunc(res.operations, func(op operation) bool { return op.method == r.Method })
	if i < 0 {
		allowed := res.methods()
		w.Header().Set("Allow", allowed)
		t.refuse(w, http.StatusMethodNotAllowed, "405 Method not allowed", "Use "+allowed+" for this resource.")
		return
	}
	op := res.operations[i]
	if len(op.scopes) > 0 && !t.authorize(w, r, op.scopes) {
		return
	}
	if t.WithoutUser && userOnly(r.URL.Path) {
		t.refuse(w, http.StatusForbidden, "403 Forbidden", "The server understood the request but refuses to authorize it.")
		return
	}
	if t.Deprecated && family != current {
		w.Header().Set("X-Deprecated", "true")
	}
	if t.Experimental && slices.Contains([]string{"v2024", "v2025"}, family) && res.without == "v3" && r.Header.Get("X-SailPoint-Experimental") != "true" {
		t.refuse(w, http.StatusBadRequest, badRequest, "This resource is experimental: send the header X-SailPoint-Experimental: true.")
		return
	}
	if op.serve == nil {
		t.refuseQuery(w, unknown(r.Method+" "+r.URL.Path))
		return
	}
	op.serve(t, w, r)
}

// methods lists the methods of a resource.
func (res resource) methods() string {
	var list []string
	for _, op := range res.operations {
		list = append(list, op.method)
	}
	return strings.Join(list, ", ")
}

// serveDocument answers one event or identity by its id. The other indices are empty.
func (t *Tenant) serveDocument(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	index, id := segments[len(segments)-2], segments[len(segments)-1]
	if doc, ok := t.identityDocument(id); ok && index == "identities" {
		writeBody(w, http.StatusOK, doc)
		return
	}
	if index == "events" {
		q := query{window: everything(), where: allOf{exactly{"id", []string{id}}}}
		if found, rows := t.search(nil, q, page{limit: 1}); rows > 0 {
			writeBody(w, http.StatusOK, found[1:len(found)-1])
			return
		}
	}
	t.refuse(w, http.StatusNotFound, "404 Not found", "There is no document of that id.")
}
