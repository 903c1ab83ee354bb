package okta

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// newCredentials returns how a client signs in.
func newCredentials(c *Client) credentials {
	if c.cfg.ClientID != "" {
		return newServiceApp(c)
	}
	token := c.cfg.Token
	if token == nil {
		token = secret.String{}
	}
	return &apiToken{token: token}
}

// apiToken is an API token, which an administrator of the org has made.
type apiToken struct {
	token secret.Keeper
}

// authorize implements credentials.
func (a *apiToken) authorize(ctx context.Context, req *http.Request) error {
	now, err := a.token.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the System Log: %w", err)
	}
	req.Header.Set("Authorization", "SSWS "+now.Reveal())
	return nil
}

// refused implements credentials.
func (a *apiToken) refused(ctx context.Context, req *http.Request, resp *http.Response, _ *apiError) (again bool, remedy string) {
	if resp.StatusCode == http.StatusForbidden {
		return false, "the token of OKTA_API_TOKEN works, but the administrator who made it may not read the System Log: " +
			"make the token as a user with the role Read-only Administrator or Report Administrator"
	}
	remedy = "OKTA_API_TOKEN is wrong, revoked, or has expired because it was not used for 30 days, or it belongs to another org than OKTA_ORG_URL, or the org does not accept it from this network: " +
		"create a token in Okta's Admin Console under Security > API > Tokens and set OKTA_API_TOKEN"
	used := secret.New(strings.TrimPrefix(req.Header.Get("Authorization"), "SSWS "))
	next, err := a.token.Renew(ctx, used)
	switch {
	case err != nil:
		return false, remedy + "; it could not be read again: " + err.Error()
	case next.Reveal() != used.Reveal():
		return true, remedy
	}
	if note := a.token.Note(); note != "" {
		remedy += "; " + note
	}
	return false, remedy
}

// hidden implements credentials.
func (a *apiToken) hidden() []secret.String { return a.token.Known() }
