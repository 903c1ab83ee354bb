package deployed

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Site is a function app, or one of its slots.
type Site struct {
	Name
	// ID is its resource ID.
	ID string
	// Kind is a list, for instance "functionapp,linux". Location is the region.
	Kind, Location string
	// State is Running or Stopped. Plan is the kind of its plan, for instance FlexConsumption.
	State, Plan string
	// Host is its name in the DNS.
	Host string
	// Exceeded means that the platform has stopped it because it used up a quota.
	Exceeded bool
}

// Label names the app, with its slot.
func (s Site) Label() string {
	if s.Slot != "" {
		return s.App + "/" + s.Slot
	}
	return s.App
}

// Running reports whether the app can run functions.
func (s Site) Running() bool { return strings.EqualFold(s.State, "Running") && !s.Exceeded }

// Start is the command that starts the app.
func (s Site) Start() string { return "az functionapp start --ids " + s.ID }

// get reads an app.
func (c *Client) get(ctx context.Context, name Name) (Site, error) {
	var found struct {
		ID         string `json:"id"`
		Kind       string `json:"kind"`
		Location   string `json:"location"`
		Properties struct {
			State           string `json:"state"`
			UsageState      string `json:"usageState"`
			SKU             string `json:"sku"`
			DefaultHostName string `json:"defaultHostName"`
		} `json:"properties"`
	}
	if err := c.call(ctx, http.MethodGet, name.path(), webVersion, nil, &found); err != nil {
		return Site{}, err
	}
	if m := appID.FindStringSubmatch(found.ID); m != nil { // as Azure spells it
		name = Name{App: m[3], Slot: m[4], Group: m[2], Subscription: m[1]}
	}
	p := found.Properties
	return Site{
		Name: name, ID: name.path(), Kind: found.Kind, Location: found.Location, State: p.State, Plan: p.SKU, Host: p.DefaultHostName,
		Exceeded: strings.EqualFold(p.UsageState, "Exceeded"),
	}, nil
}

func (n Name) path() string {
	p := fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Web/sites/%s", n.Subscription, url.PathEscape(n.Group), n.App)
	if n.Slot != "" {
		p += "/slots/" + n.Slot
	}
	return p
}

// Settings returns the app settings, as they are written there: a reference to a vault is not
// resolved. They hold secrets.
// https://learn.microsoft.com/rest/api/appservice/web-apps/list-application-settings
func (c *Client) Settings(ctx context.Context, s Site) (map[string]string, error) {
	var found struct {
		Properties map[string]string `json:"properties"`
	}
	if err := c.call(ctx, http.MethodPost, s.ID+"/config/appsettings/list", webVersion, nil, &found); err != nil {
		return nil, err
	}
	if found.Properties == nil {
		found.Properties = map[string]string{}
	}
	return found.Properties, nil
}

// Change replaces the settings that were read by others. Azure replaces all of them at once and knows
// no condition for that, so they are read again right before: if they are not the ones that were read,
// nothing is written. Afterwards it checks that they are what was written. The app restarts.
// https://learn.microsoft.com/rest/api/appservice/web-apps/update-application-settings
func (c *Client) Change(ctx context.Context, s Site, read, want map[string]string) error {
	if err := c.Unchanged(ctx, s, read); err != nil {
		return err
	}
	type settings struct {
		Properties map[string]string `json:"properties"`
	}
	var written settings
	if err := c.call(ctx, http.MethodPut, s.ID+"/config/appsettings", webVersion, settings{want}, &written); err != nil {
		return err
	}
	now, err := c.Settings(ctx, s)
	if err != nil {
		return &Error{Text: "the settings were written, but could not be read again: " + err.Error()}
	}
	if names := differ(want, now); len(names) > 0 {
		return &Error{Text: fmt.Sprintf("the settings of %s were written, and are not what was written (%s): another change came at the same moment; look at them in the portal", s.Label(), strings.Join(names, ", "))}
	}
	return nil
}

// Unchanged returns an error if the settings are no longer the ones that were read.
func (c *Client) Unchanged(ctx context.Context, s Site, read map[string]string) error {
	now, err := c.Settings(ctx, s)
	if err != nil {
		return err
	}
	if names := differ(read, now); len(names) > 0 {
		return &Error{Text: fmt.Sprintf("the settings of %s were changed meanwhile (%s), so nothing was written: look at them, and run the command again", s.Label(), strings.Join(names, ", "))}
	}
	return nil
}

// differ lists the names of settings that are not equal.
func differ(a, b map[string]string) (names []string) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one, in := a[name]
		other, too := b[name]
		if in != too || one != other {
			names = append(names, name)
		}
	}
	return names
}

// Reference is a setting whose value the platform takes from a vault.
type Reference struct {
	Setting string
	// Status is Resolved, or why not: AccessToKeyVaultDenied, SecretNotFound, VaultNotFound, ...
	Status string
}

// Resolved reports whether the platform could read the secret.
func (r Reference) Resolved() bool { return strings.EqualFold(r.Status, "Resolved") }

// Remedy says what to do about a reference that is not resolved.
// https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#troubleshoot-key-vault-references
func (r Reference) Remedy() string {
	switch strings.ToLower(r.Status) {
	case "accesstokeyvaultdenied", "unauthorizedclient":
		return "give the app's managed identity the role Key Vault Secrets User on the vault"
	case "secretnotfound", "secretversionnotfound":
		return "store the secret, or correct its name"
	case "vaultnotfound":
		return "correct the name of the vault, or let the app resolve it"
	case "msinotenabled":
		return "give the app a managed identity"
	case "invalidsyntax":
		return "correct the reference"
	case "initialized", "fetchtimedout":
		return "try again in a minute"
	}
	return "look at the setting in the portal"
}

// References returns how the platform fared with the references in the app settings, in the order of
// their names.
// https://learn.microsoft.com/rest/api/appservice/web-apps/get-app-settings-key-vault-references
func (c *Client) References(ctx context.Context, s Site) (list []Reference, err error) {
	type one struct {
		ID         string `json:"id"`
		Properties struct {
			Status string `json:"status"`
		} `json:"properties"`
	}
	err = pages(ctx, c, s.ID+"/config/configreferences/appsettings", func(o one) {
		list = append(list, Reference{Setting: path.Base(o.ID), Status: o.Properties.Status})
	})
	slices.SortFunc(list, func(a, b Reference) int { return strings.Compare(a.Setting, b.Setting) })
	return list, err
}

// Function is one function of the app's package.
type Function struct {
	Name     string
	Disabled bool
}

// Functions returns the functions that the platform has found in the package. It fails if the host
// of the functions can't start.
// https://learn.microsoft.com/rest/api/appservice/web-apps/list-functions
func (c *Client) Functions(ctx context.Context, s Site) (list []Function, err error) {
	type one struct {
		Name       string `json:"name"` // APP/FUNCTION
		Properties struct {
			Name     string `json:"name"`
			Disabled bool   `json:"isDisabled"`
		} `json:"properties"`
	}
	err = pages(ctx, c, s.ID+"/functions", func(o one) {
		name := o.Properties.Name
		if name == "" {
			name = path.Base(o.Name)
		}
		list = append(list, Function{Name: name, Disabled: o.Properties.Disabled})
	})
	return list, err
}

// maxPages is more than any app has.
const maxPages = 50

// pages reads a list that comes in pages.
func pages[T any](ctx context.Context, c *Client, at string, each func(T)) error {
	next := c.endpoint + at + "?api-version=" + webVersion
	for range maxPages {
		var page struct {
			Value []T    `json:"value"`
			Next  string `json:"nextLink"`
		}
		if err := c.exchange(ctx, http.MethodGet, next, nil, &page); err != nil {
			return err
		}
		for _, one := range page.Value {
			each(one)
		}
		if page.Next == "" {
			return nil
		}
		if hostOf(page.Next) != c.host { // the token is for no one else
			return &Error{Text: c.host + " points to another host for the rest of a list: check what is in between (a proxy, a gateway)"}
		}
		next = page.Next
	}
	return &Error{Text: c.host + " answers with a list that does not end"}
}
