package playbooks

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Watchlist is a watchlist that rules or playbooks read. It is made empty: what belongs into it only the
// customer knows.
type Watchlist struct {
	Alias, Title, About string
	// Columns begin with the search key.
	Columns []string
}

// Watchlists are all of them, in the order of the documentation.
func Watchlists() []Watchlist {
	return []Watchlist{
		{"SailPointTrustedEgress", "SailPoint: trusted egress", "Addresses that are not new: VPN, proxies, cloud egress. An address, or a range of IPv4 addresses such as 203.0.113.0/24.", []string{"Address", "Description"}},
		{"SailPointTrustedClients", "SailPoint: trusted clients", "Credentials with changing addresses, such as the connector's own: name or id of an API client, or name of the owner of a token.", []string{"Client", "Description"}},
		{"SailPointDirectorySources", "SailPoint: directory sources", "A word in the name of a source that counts as a directory, besides Active Directory, Entra, LDAP and Okta.", []string{"Source", "Description"}},
		{"SailPointVIPIdentities", "SailPoint: VIP identities", "Account names, as SailPoint has them, of people whose accounts nobody else should change.", []string{"Identity", "Description"}},
		{"SailPointPrivilegedAccess", "SailPoint: privileged access", "Names of roles, access profiles and entitlements that are privileged.", []string{"Access", "Type", "Description"}},
		{"SailPointBreakGlass", "SailPoint: break-glass accounts", "Account names, as events have them, of accounts for emergencies. Each use raises an alert, and playbooks do not act on them.", []string{"Identity", "Description"}},
	}
}

// resource makes the watchlist in the form of the solution repository, in which the workspace is part of
// the name.
func (w Watchlist) resource(version string) object {
	return object{
		"type": "Microsoft.OperationalInsights/workspaces/providers/Watchlists", "apiVersion": version,
		"name":       "[concat(parameters('workspaceName'), '/Microsoft.SecurityInsights/" + w.Alias + "')]",
		"properties": w.Properties(),
	}
}

// Properties are those of the resource. A watchlist of a workspace is
// Microsoft.SecurityInsights/watchlists with the alias as its name.
func (w Watchlist) Properties() map[string]any {
	return object{
		"displayName": w.Title, "description": w.About, "provider": "SailPoint", "source": w.Alias + ".csv", "sourceType": "Local",
		"itemsSearchKey": w.Columns[0], "watchlistAlias": w.Alias, "contentType": "text/csv", "numberOfLinesToSkip": 0,
		"rawContent": strings.Join(w.Columns, ",") + "\r\n",
	}
}

func (w Watchlist) template() object {
	return object{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"parameters": object{"workspaceName": object{"type": "string", "metadata": object{"description": "Name of the Log Analytics workspace that has Microsoft Sentinel."}}},
		"resources":  []any{w.resource(insightsVersion)},
	}
}

func watchlistFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, w := range Watchlists() {
		data, err := json.Marshal(w.template(), json.Deterministic(true), jsontext.WithIndent("  "), jsontext.EscapeForHTML(false))
		if err != nil {
			return nil, fmt.Errorf("watchlist %s: %w", w.Alias, err)
		}
		files["sentinel/Watchlists/"+w.Alias+".json"] = append(data, '\n')
	}
	return files, nil
}
