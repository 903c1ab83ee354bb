package config

import (
	"net/url"
	"slices"
	"strings"
)

// oktaFunction are the settings of Microsoft's function for Okta, in lower case, with those that have
// the same meaning here. Its template and its code spell some of them differently.
func oktaFunction() map[string]string {
	return map[string]string{"uri": "OKTA_ORG_URL", "apitoken": "OKTA_API_TOKEN", "workspaceid": "CUSTOMER_ID", "workspacekey": "SHARED_KEY"}
}

// withOktaFunction adds, after each origin that has the settings of that function, an origin with
// the same values under our names: an app in which the function ran keeps its settings.
func withOktaFunction(origins []Origin) []Origin {
	var all []Origin
	for _, o := range origins {
		all = append(all, o)
		if values := o.oktaFunction(); values != nil {
			all = append(all, Values(o.Name+" (settings of the old Okta function)", values))
		}
	}
	return all
}

// oktaFunction translates the settings of that function. It is nil if the origin has none: only an
// address of the System Log shows that the other names are meant like that.
func (o Origin) oktaFunction() map[string]string {
	values, found := map[string]string{}, false
	for _, name := range o.Names() {
		ours := oktaFunction()[strings.ToLower(name)]
		text, _ := o.Lookup(name)
		if text = trim(text); ours == "" || text == "" {
			continue
		}
		if ours == "OKTA_ORG_URL" {
			u, err := url.Parse(text)
			if err != nil || u.Host == "" || !strings.HasPrefix(u.Path, "/api/v1/logs") {
				continue
			}
			found, text = true, u.Scheme+"://"+u.Host
		}
		values[ours] = text
	}
	if !found {
		return nil
	}
	return values
}

// isOktaFunction reports whether a name in an origin is a setting of that function.
func (o Origin) isOktaFunction(name string) bool {
	return slices.Contains([]string{"uri", "apitoken", "workspaceid", "workspacekey", "schedule"}, strings.ToLower(name)) && o.oktaFunction() != nil
}
