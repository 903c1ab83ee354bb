package deployed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Name says which app is meant.
type Name struct {
	// App is its name, or its resource ID, which holds all the rest.
	App string
	// Slot is one of its deployment slots; "" for the app itself.
	Slot string
	// Group and Subscription say where it is; "" for wherever there is one of that name.
	Group, Subscription string
}

var (
	appName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,59}$`)
	groupName = regexp.MustCompile(`^[\pL\pN_.()-]{1,90}$`)
	guid      = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	appID     = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Web/sites/([^/]+)(?:/slots/([^/]+))?/?$`)
)

// Parse checks a name, and takes a resource ID apart.
func (n Name) Parse() (Name, error) {
	if m := appID.FindStringSubmatch(n.App); m != nil {
		for _, given := range [][3]string{{"--subscription", n.Subscription, m[1]}, {"--resource-group", n.Group, m[2]}, {"--slot", n.Slot, m[4]}} {
			if given[1] != "" && !strings.EqualFold(given[1], given[2]) {
				return n, wrongName("%s is %q, and the resource ID of --app says something else: omit %s", given[0], given[1], given[0])
			}
		}
		n = Name{App: m[3], Slot: m[4], Group: m[2], Subscription: m[1]}
	}
	n.App = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(n.App, "https://"), "/"), ".azurewebsites.net")
	switch {
	case !appName.MatchString(n.App):
		return n, wrongName("--app is %q: use the name of the function app, letters, digits and dashes, or its resource ID", n.App)
	case n.Slot != "" && !appName.MatchString(n.Slot):
		return n, wrongName("--slot is %q: use the name of a deployment slot", n.Slot)
	case n.Group != "" && !groupName.MatchString(n.Group):
		return n, wrongName("--resource-group is %q: use the name of a resource group", n.Group)
	case n.Subscription != "" && !guid.MatchString(n.Subscription):
		return n, wrongName("--subscription is %q: use the ID of a subscription, a GUID; az account list shows it", n.Subscription)
	}
	if strings.EqualFold(n.Slot, "production") {
		n.Slot = ""
	}
	return n, nil
}

func wrongName(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Usage: true}
}

// Find returns the app of this name. It asks for it where the name says, or searches for it in all
// subscriptions that the person can see.
func (c *Client) Find(ctx context.Context, name Name) (Site, error) {
	name, err := name.Parse()
	if err != nil {
		return Site{}, err
	}
	if name.Group == "" || name.Subscription == "" {
		if name, err = c.search(ctx, name); err != nil {
			return Site{}, err
		}
	}
	site, err := c.get(ctx, name)
	if refused := new(Error); errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return Site{}, notFound(name, refused)
	}
	if err != nil {
		return Site{}, err
	}
	if !slices.Contains(strings.Split(strings.ToLower(site.Kind), ","), "functionapp") {
		return Site{}, &Error{Text: fmt.Sprintf("%s is not a function app (its kind is %q): check --app", site.Name, site.Kind)}
	}
	return site, nil
}

// notFound says what is not there.
func notFound(name Name, refused *Error) error {
	switch {
	case strings.EqualFold(refused.code, "SubscriptionNotFound"):
		return &Error{Text: fmt.Sprintf("there is no subscription %s in the tenant that you are signed in to: check --subscription, or sign in with az login --tenant", name.Subscription)}
	case strings.EqualFold(refused.code, "ResourceGroupNotFound"):
		return &Error{Text: fmt.Sprintf("there is no resource group %s in the subscription %s: check --resource-group", name.Group, name.Subscription)}
	case name.Slot != "":
		return &Error{Text: fmt.Sprintf("the app %s has no slot %s, or there is no such app: check --slot; az functionapp deployment slot list shows the slots (Flex Consumption has none)", name.App, name.Slot)}
	}
	return &Error{Text: fmt.Sprintf("there is no app %s in the resource group %s: check --app; az functionapp list shows those that you can see", name.App, name.Group)}
}

// search finds out in which group and subscription an app is, with Azure Resource Graph.
// https://learn.microsoft.com/rest/api/azureresourcegraph/resourcegraph/resources/resources
func (c *Client) search(ctx context.Context, name Name) (Name, error) {
	type query struct {
		Query         string   `json:"query"`
		Subscriptions []string `json:"subscriptions,omitempty"`
	}
	// What is inserted has no quotation marks: Parse has checked it.
	q := query{Query: "resources | where type =~ 'microsoft.web/sites' and name =~ '" + name.App + "'"}
	if name.Group != "" {
		q.Query += " and resourceGroup =~ '" + name.Group + "'"
	}
	q.Query += " | project id, name, kind | order by id asc | limit 20"
	if name.Subscription != "" {
		q.Subscriptions = []string{name.Subscription}
	}
	var found struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := c.call(ctx, http.MethodPost, "/providers/Microsoft.ResourceGraph/resources", graphVersion, q, &found); err != nil {
		return name, err
	}
	var places []Name
	var texts []string
	for _, one := range found.Data {
		if m := appID.FindStringSubmatch(one.ID); m != nil {
			places = append(places, Name{App: m[3], Slot: name.Slot, Group: m[2], Subscription: m[1]})
			texts = append(texts, fmt.Sprintf("--resource-group %s --subscription %s", m[2], m[1]))
		}
	}
	switch len(places) {
	case 1:
		return places[0], nil
	case 0:
		where := ""
		if name.Group != "" {
			where = " in a resource group " + name.Group
		}
		if name.Subscription != "" {
			where += " in the subscription " + name.Subscription
		}
		return name, &Error{Text: fmt.Sprintf("there is no function app %s%s that you can see: check --app; az functionapp list shows those that you can see, and az login --tenant signs in elsewhere; "+
			"an app that was created a moment ago is found with --resource-group and --subscription", name.App, where)}
	}
	return name, &Error{Text: fmt.Sprintf("there are %d apps %s: choose one with %s", len(places), name.App, strings.Join(texts, ", or ")), Usage: true}
}
