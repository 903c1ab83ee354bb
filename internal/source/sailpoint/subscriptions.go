package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// The members of a subscription. The API shows secrets as null.
type (
	subscription struct {
		ID          string             `json:"id,omitzero"`
		TriggerID   string             `json:"triggerId,omitzero"`
		Name        string             `json:"name"`
		Description string             `json:"description"`
		Type        string             `json:"type"`
		Enabled     bool               `json:"enabled"`
		Filter      string             `json:"filter,omitzero"`
		HTTP        *httpConfig        `json:"httpConfig,omitzero"`
		EventBridge *eventBridgeConfig `json:"eventBridgeConfig,omitzero"`
	}
	httpConfig struct {
		URL    string        `json:"url"`
		Mode   string        `json:"httpDispatchMode"`
		Auth   string        `json:"httpAuthenticationType"`
		Basic  *basicConfig  `json:"basicAuthConfig,omitzero"`
		Bearer *bearerConfig `json:"bearerTokenAuthConfig,omitzero"`
	}
	basicConfig struct {
		UserName string `json:"userName"`
		Password string `json:"password,omitzero"`
	}
	bearerConfig struct {
		Token string `json:"bearerToken,omitzero"`
	}
	eventBridgeConfig struct {
		Account string `json:"awsAccount"`
		Region  string `json:"awsRegion"`
	}
)

// authNames are the API's names.
func authNames() map[source.Auth]string {
	return map[source.Auth]string{source.NoAuth: "NO_AUTH", source.BasicAuth: "BASIC_AUTH", source.BearerToken: "BEARER_TOKEN"}
}

// Subscriptions implements [source.EventTriggers].
func (c *Connector) Subscriptions(ctx context.Context) (list []source.Subscription, err error) {
	var rows []subscription
	if err := listAll(ctx, c.client, call{ep: c.client.events.subscriptions, query: url.Values{"sorters": {"triggerId"}}}, 0, &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		s := source.Subscription{
			ID: r.ID, TriggerID: r.TriggerID, Name: r.Name, Description: r.Description,
			Delivery: source.Delivery(r.Type), Enabled: r.Enabled, Filter: r.Filter,
		}
		if h := r.HTTP; h != nil {
			s.URL, s.HasQuery = withoutQuery(h.URL)
			s.Auth = source.NoAuth
			for auth, name := range authNames() {
				if name == h.Auth {
					s.Auth = auth
				}
			}
			if h.Basic != nil {
				s.UserName = h.Basic.UserName
			}
		}
		if e := r.EventBridge; e != nil {
			s.AWSAccount, s.AWSRegion = e.Account, e.Region
		}
		list = append(list, s)
	}
	return list, nil
}

// body is a subscription as the API takes it, and its secrets.
func body(s source.Subscription) (subscription, []secret.String) {
	b := subscription{TriggerID: s.TriggerID, Name: s.Name, Description: s.Description, Type: string(s.Delivery), Enabled: s.Enabled, Filter: s.Filter}
	if s.Delivery == source.OverEventBridge {
		b.EventBridge = &eventBridgeConfig{s.AWSAccount, s.AWSRegion}
		return b, nil
	}
	// Only triggers that wait look at the mode, and the connector answers those at once.
	b.HTTP = &httpConfig{URL: s.URL, Mode: "SYNC", Auth: authNames()[s.Auth]}
	switch s.Auth {
	case source.BearerToken:
		b.HTTP.Bearer = &bearerConfig{s.Token.Reveal()}
	case source.BasicAuth:
		b.HTTP.Basic = &basicConfig{s.UserName, s.Password.Reveal()}
	case source.NoAuth:
	}
	return b, []secret.String{s.Token, s.Password}
}

// Subscribe implements [source.EventTriggers].
func (c *Connector) Subscribe(ctx context.Context, s source.Subscription) error {
	b, secrets := body(s)
	return c.client.change(ctx, http.MethodPost, "", "", b, secrets)
}

// operation is a step of a JSON Patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitzero"`
}

// Update implements [source.EventTriggers]. A patch leaves alone what it does not name. But the
// API's document has no boolean in patches, so a subscription is enabled by replacing the whole of
// it.
func (c *Connector) Update(ctx context.Context, from, to source.Subscription) error {
	b, secrets := body(to)
	if from.Enabled != to.Enabled {
		b.TriggerID = ""
		return c.client.change(ctx, http.MethodPut, from.ID, "", b, secrets)
	}
	var patch []operation
	for _, m := range []struct{ path, from, to string }{
		{"/name", from.Name, to.Name}, {"/description", from.Description, to.Description}, {"/filter", from.Filter, to.Filter},
	} {
		switch {
		case m.from == m.to:
		case m.to == "":
			patch = append(patch, operation{Op: "remove", Path: m.path})
		case m.from == "":
			patch = append(patch, operation{"add", m.path, m.to})
		default:
			patch = append(patch, operation{"replace", m.path, m.to})
		}
	}
	switch {
	case to.Delivery == source.OverEventBridge && (from.AWSAccount != to.AWSAccount || from.AWSRegion != to.AWSRegion):
		patch = append(patch, operation{"replace", "/eventBridgeConfig", b.EventBridge})
	case to.Delivery == source.OverHTTP: // as a whole: what is left out of it would be lost
		patch = append(patch, operation{"replace", "/httpConfig", b.HTTP})
	}
	if len(patch) == 0 {
		return nil
	}
	return c.client.change(ctx, http.MethodPatch, from.ID, "application/json-patch+json", patch, secrets)
}

// Unsubscribe implements [source.EventTriggers].
func (c *Connector) Unsubscribe(ctx context.Context, id string) error {
	err := c.client.change(ctx, http.MethodDelete, id, "", nil, nil)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil // it is gone already
	}
	return err
}

// CheckFilter implements [source.EventTriggers].
func (c *Connector) CheckFilter(ctx context.Context, filter string, payload jsontext.Value) (problem string, err error) {
	ep := c.client.events.subscriptions
	b, err := json.Marshal(struct {
		Input  jsontext.Value `json:"input"`
		Filter string         `json:"filter"`
	}{payload, filter})
	if err != nil {
		return "", fmt.Errorf("validate the filter: %w", err)
	}
	answer, err := c.client.exchange(ctx, call{ep: ep, method: http.MethodPost, scope: subscribeScope, suffix: "/validate-filter", body: b})
	if err != nil {
		return "", fmt.Errorf("validate the filter: %w", err)
	}
	var verdict struct {
		Valid     *bool `json:"isValid"`
		ValidPath *bool `json:"isValidJSONPath"`
		PathExist *bool `json:"isPathExist"`
	}
	if err := decodeLenient(answer, &verdict); err != nil {
		return "", c.client.malformed(ep.name, answer, err)
	}
	no := func(b *bool) bool { return b != nil && !*b }
	switch {
	case no(verdict.ValidPath):
		return "is not a valid JSONPath", nil
	case no(verdict.PathExist), no(verdict.Valid):
		return "does not match the payload", nil
	case verdict.Valid == nil:
		return "", &pipeline.Retryable{Err: fmt.Errorf("validate the filter: the answer does not say whether it is valid: %s", c.client.excerpt(string(answer)))}
	}
	return "", nil
}

// change makes a change to the subscriptions, or to the one of an id.
func (c *Client) change(ctx context.Context, method, id, contentType string, what any, secrets []secret.String) error {
	one := call{ep: c.events.subscriptions, method: method, scope: subscribeScope, contentType: contentType, secrets: secrets}
	if id != "" {
		one.suffix = "/" + url.PathEscape(id)
	}
	if what != nil {
		var err error
		if one.body, err = json.Marshal(what); err != nil {
			return fmt.Errorf("%s: %w", one.ep.name, err)
		}
	}
	_, err := c.exchange(ctx, one)
	return err
}
