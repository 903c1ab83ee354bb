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
	method, scope string
	serve         func(t *Tenant, w http.ResponseWriter, r *http.Request)
	// without is the family whose document does not have it.
	without string
}

// resources are what the service has under search and trigger-invocations, by the
// path without its version. What the stand-in does not play has no serve.
func resources() map[string]resource {
	const noTriggers, noSearch = "v3", "beta"
	return map[string]resource{
		"search":                     {http.MethodPost, ScopeSearch, (*Tenant).serveSearch, noSearch},
		"search/count":               {http.MethodPost, ScopeSearch, (*Tenant).serveCount, noSearch},
		"search/aggregate":           {http.MethodPost, ScopeSearch, nil, noSearch},
		"search/*/*":                 {http.MethodGet, ScopeSearch, (*Tenant).serveDocument, noSearch},
		"trigger-invocations/status": {http.MethodGet, ScopeStatus, (*Tenant).serveStatus, noTriggers},
		"trigger-invocations/test":   {http.MethodPost, scopeManage, nil, noTriggers},
		"triggers":                   {http.MethodGet, scopeSubscriptions, nil, noTriggers},
		"trigger-subscriptions":      {"", scopeSubscriptions, nil, noTriggers},
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
	key := strings.Join(segments, "/")
	all := resources()
	res, ok = all[key]
	if !ok && len(segments) == 3 && segments[0] == "search" {
		res, ok = all["search/*/*"]
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
	if r.Method != res.method && res.method != "" {
		w.Header().Set("Allow", res.method)
		t.refuse(w, http.StatusMethodNotAllowed, "405 Method not allowed", "Use "+res.method+" for this resource.")
		return
	}
	if !t.authorize(w, r, res.scope) {
		return
	}
	if t.Deprecated && family != current {
		w.Header().Set("X-Deprecated", "true")
	}
	if t.Experimental && slices.Contains([]string{"v2024", "v2025"}, family) && res.scope == ScopeStatus && r.Header.Get("X-SailPoint-Experimental") != "true" {
		t.refuse(w, http.StatusBadRequest, badRequest, "This resource is experimental: send the header X-SailPoint-Experimental: true.")
		return
	}
	if res.serve == nil {
		t.refuseQuery(w, unknown(r.Method+" "+r.URL.Path))
		return
	}
	res.serve(t, w, r)
}

// serveDocument answers one event by its id. The other indices are empty.
func (t *Tenant) serveDocument(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	index, id := segments[len(segments)-2], segments[len(segments)-1]
	if index == "events" {
		q := query{window: everything(), where: allOf{exactly{"id", []string{id}}}}
		if found := t.search(nil, q, page{limit: 1}); len(found) > len("[]") {
			writeBody(w, http.StatusOK, found[1:len(found)-1])
			return
		}
	}
	t.refuse(w, http.StatusNotFound, "404 Not found", "There is no document of that id.")
}
