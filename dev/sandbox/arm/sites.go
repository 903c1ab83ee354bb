package arm

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var (
	ofSite     = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Web/sites/([^/]+)(?:/slots/([^/]+))?(/.*)?$`)
	guid       = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	ofVault    = regexp.MustCompile(`(?i)^@Microsoft\.KeyVault\((.*)\)$`)
	condition  = regexp.MustCompile(`(\w+) =~ '([^']*)'`)
	webVersion = regexp.MustCompile(`^20(1[5-9]|2[0-5])-\d\d-\d\d$`)
)

// id is the resource ID, in the spelling of the service.
func (s *Site) id() string {
	id := fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Web/sites/%s", s.Subscription, s.Group, s.Name)
	if s.Slot != "" {
		id += "/slots/" + s.Slot
	}
	return id
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// graph is Azure Resource Graph: it finds what the caller may read, and says nothing about the rest.
func (a *ARM) graph(r *http.Request) answer {
	var q struct {
		Query         string   `json:"query"`
		Subscriptions []string `json:"subscriptions"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&q) != nil || !strings.HasPrefix(q.Query, "resources | where type =~ 'microsoft.web/sites'") {
		return failure(http.StatusBadRequest, "BadRequest", "Please provide below info when asking for support: timestamp = 2026-11-29T22:00:00.0000000Z.")
	}
	rows := []any{}
	for _, s := range a.sites {
		values := map[string]string{"type": "microsoft.web/sites", "name": s.Name, "resourceGroup": s.Group}
		fits := s.Slot == "" && !a.denied && (len(q.Subscriptions) == 0 || slices.Contains(q.Subscriptions, s.Subscription))
		for _, m := range condition.FindAllStringSubmatch(q.Query, -1) {
			fits = fits && strings.EqualFold(values[m[1]], m[2])
		}
		if fits {
			rows = append(rows, map[string]any{"id": s.id(), "name": s.Name, "kind": or(s.Kind, "functionapp,linux")})
		}
	}
	return answer{http.StatusOK, map[string]any{"totalRecords": len(rows), "count": len(rows), "data": rows, "facets": []any{}, "resultTruncated": "false"}}
}

// resource serves what is below a site.
func (a *ARM) resource(r *http.Request) answer {
	m := ofSite.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return failure(http.StatusNotFound, "InvalidResourceType", "The resource type could not be found.")
	}
	subscription, group, name, slot, rest := m[1], m[2], m[3], m[4], strings.ToLower(m[5])
	if !guid.MatchString(subscription) {
		return failure(http.StatusBadRequest, "InvalidSubscriptionId", "The provided subscription identifier '%s' is malformed or invalid.", subscription)
	}
	if !webVersion.MatchString(r.URL.Query().Get("api-version")) {
		return failure(http.StatusBadRequest, "InvalidResourceType", "The resource type could not be found in the namespace 'Microsoft.Web' for api version '%s'.", r.URL.Query().Get("api-version"))
	}
	var inSubscription, inGroup bool
	for _, s := range a.sites {
		inSubscription = inSubscription || strings.EqualFold(s.Subscription, subscription)
		inGroup = inGroup || strings.EqualFold(s.Subscription, subscription) && strings.EqualFold(s.Group, group)
	}
	if !inSubscription {
		return failure(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", subscription)
	}
	action, ok := actions()[r.Method+" "+rest]
	if !ok {
		return failure(http.StatusNotFound, "NotFound", "No route registered for '%s'.", r.URL.Path)
	}
	if refused, ok := a.may(action.name, r.URL.Path[:len(r.URL.Path)-len(m[5])]); !ok {
		return refused
	}
	if !inGroup {
		return failure(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", group)
	}
	i := slices.IndexFunc(a.sites, func(s *Site) bool {
		return strings.EqualFold(s.Subscription, subscription) && strings.EqualFold(s.Group, group) && strings.EqualFold(s.Name, name) && strings.EqualFold(s.Slot, slot)
	})
	if i < 0 {
		return failure(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.Web/sites/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", name, group)
	}
	if a.sites[i].Locked && r.Method != http.MethodGet {
		return failure(http.StatusConflict, "ScopeLocked", "The scope '%s' cannot perform write operation because following scope(s) are locked: '%s'. Please remove the lock and try again.", a.sites[i].id(), a.sites[i].id())
	}
	return action.do(a.sites[i], r)
}

// action is a permission, and what it is for.
type action struct {
	name string
	do   func(*Site, *http.Request) answer
}

func actions() map[string]action {
	return map[string]action{
		"GET ":                          {"Microsoft.Web/sites/read", (*Site).read},
		"POST /config/appsettings/list": {"Microsoft.Web/sites/config/list/action", (*Site).list},
		"PUT /config/appsettings":       {"Microsoft.Web/sites/config/write", (*Site).write},
		"GET /config/configreferences/appsettings": {"Microsoft.Web/sites/config/read", (*Site).references},
		"GET /functions": {"Microsoft.Web/sites/functions/read", (*Site).functions},
	}
}

func (s *Site) read(*http.Request) answer {
	name := s.Name
	if s.Slot != "" {
		name += "/" + s.Slot
	}
	return answer{http.StatusOK, map[string]any{
		"id": s.id(), "name": name, "type": "Microsoft.Web/sites", "kind": or(s.Kind, "functionapp,linux"), "location": "West Europe",
		"properties": map[string]any{
			"state": or(s.State, "Running"), "enabled": true, "usageState": "Normal", "availabilityState": "Normal", "sku": or(s.SKU, "FlexConsumption"),
			"hostNames": []string{s.Name + ".azurewebsites.net"}, "defaultHostName": s.Name + ".azurewebsites.net", "httpsOnly": true,
		},
	}}
}

func (s *Site) settings() answer {
	return answer{http.StatusOK, map[string]any{
		"id": s.id() + "/config/appsettings", "name": "appsettings", "type": "Microsoft.Web/sites/config", "location": "West Europe", "properties": maps.Clone(s.Settings),
	}}
}

func (s *Site) list(*http.Request) answer {
	read := s.settings()
	if s.Reading != nil {
		s.Reading(s)
	}
	return read
}

// write replaces all settings.
func (s *Site) write(r *http.Request) answer {
	var body struct {
		Properties map[string]*string `json:"properties"`
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(text, &body) != nil || body.Properties == nil {
		return failure(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
	}
	clear(s.Settings)
	for name, value := range body.Properties {
		if value != nil {
			s.Settings[name] = *value
		}
	}
	written := s.settings()
	if s.Written != nil {
		s.Written(s)
	}
	return written
}

// scheme is how the stand-in is reached: a server on this machine, or in the place of the service.
func scheme(r *http.Request) string {
	if strings.HasPrefix(r.Host, "127.0.0.1") || strings.HasPrefix(r.Host, "localhost") {
		return "http://"
	}
	return "https://"
}

// references are those that the platform recognises, in pages of two.
func (s *Site) references(r *http.Request) answer {
	var list []any
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		m := ofVault.FindStringSubmatch(s.Settings[name])
		if m == nil {
			continue
		}
		list = append(list, map[string]any{
			"id": s.id() + "/config/configreferences/appsettings/" + name, "name": name, "type": "Microsoft.Web/sites/config/configreferences/appsettings",
			"properties": map[string]any{"reference": s.Settings[name], "status": or(s.Statuses[name], "Resolved"), "identityType": "UserAssigned", "source": "KeyVault", "details": "Reference has been looked up."},
		})
	}
	const size = 2
	body := map[string]any{"nextLink": nil}
	from := 0
	if r.URL.Query().Get("$skiptoken") != "" {
		from = size
	}
	if from == 0 && len(list) > size {
		body["value"] = list[:size]
		body["nextLink"] = scheme(r) + r.Host + r.URL.Path + "?api-version=" + r.URL.Query().Get("api-version") + "&$skiptoken=2"
		return answer{http.StatusOK, body}
	}
	body["value"] = append([]any{}, list[min(from, len(list)):]...)
	return answer{http.StatusOK, body}
}

func (s *Site) functions(*http.Request) answer {
	if s.Broken || or(s.State, "Running") != "Running" {
		return failure(http.StatusBadRequest, "BadRequest", "Encountered an error (ServiceUnavailable) from host runtime.")
	}
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.Functions)) {
		list = append(list, map[string]any{
			"id": s.id() + "/functions/" + name, "name": s.Name + "/" + name, "type": "Microsoft.Web/sites/functions",
			"properties": map[string]any{"name": name, "isDisabled": s.Functions[name], "language": "Custom", "config": map[string]any{"bindings": []any{}}, "test_data": "canary-of-test-data"},
		})
	}
	return answer{http.StatusOK, map[string]any{"value": list, "nextLink": nil}}
}
