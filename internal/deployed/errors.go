package deployed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// Error says in one sentence what went wrong and what to do.
type Error struct {
	Text string
	// Usage means that the command line is wrong.
	Usage bool

	status int
	code   string
}

func (e *Error) Error() string { return e.Text }

// Denied reports whether an error is a missing permission.
func Denied(err error) bool {
	refused := new(Error)
	return errors.As(err, &refused) && refused.status == http.StatusForbidden
}

// unreachable says why there was no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var token *azsdk.TokenError
	if errors.As(err, &token) {
		return &Error{Text: "you are not signed in to Azure, or the sign-in failed: " + token.Explain("sign in with az login (on a machine without a browser: az login --use-device-code), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal")}
	}
	if f := azsdk.Explain(err, transport.Peer{Host: c.host, Settings: "--cloud"}); f != nil {
		return &Error{Text: "Azure Resource Manager could not be reached: " + f.Error()}
	}
	if ctx.Err() != nil {
		return &Error{Text: "there was no answer from " + c.host + " in time: try again, or check the network between this machine and it"}
	}
	return &Error{Text: c.host + ": " + azsdk.Text(err)}
}

// refusedAction matches what a refusal says about the missing permission.
var refusedAction = regexp.MustCompile(`perform action '([A-Za-z0-9./*]{1,200})'(?: over scope '([^']{1,500})')?`)

// refused says what an answer other than 200 means. Of its text only the action and the scope are
// shown: the rest names people.
func (c *Client) refused(resp *http.Response) error {
	err := runtime.NewResponseError(resp)
	if f := azsdk.Explain(err, transport.Peer{Host: c.host, Settings: "--cloud"}); f != nil {
		return &Error{Text: "Azure Resource Manager could not be reached: " + f.Error(), status: resp.StatusCode}
	}
	var form struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		Code    string `json:"Code"` // App Service
		Message string `json:"Message"`
	}
	body, _ := runtime.Payload(resp) // kept in memory by the SDK
	_ = json.Unmarshal(body, &form)  // anything else is not shown
	code, said := form.Error.Code, form.Error.Message
	if code == "" {
		code, said = form.Code, form.Message
	}
	if failed := new(azcore.ResponseError); code == "" && errors.As(err, &failed) {
		code = failed.ErrorCode
	}
	code = transport.Excerpt(code, transport.Sent(resp.Request)...)
	return &Error{Text: c.remedy(resp, code, said), status: resp.StatusCode, code: code}
}

// remedy turns a refusal into a sentence.
func (c *Client) remedy(resp *http.Response, code, said string) string {
	status := strings.TrimSpace(fmt.Sprintf("%s answered %d %s", c.host, resp.StatusCode, code))
	switch {
	case resp.StatusCode == http.StatusForbidden:
		what, scope := "Microsoft.Web/sites/read", "the app"
		if m := refusedAction.FindStringSubmatch(said); m != nil {
			what = m[1]
			if m[2] != "" {
				scope = text.Line(m[2], 500)
			}
		}
		return fmt.Sprintf("you may not do %s (%s): ask for the role %s on %s; a new assignment takes some minutes, and az account show says who you are", what, status, roleFor(what), scope)
	case resp.StatusCode == http.StatusUnauthorized && strings.Contains(code, "Tenant"), code == "InvalidAuthenticationTokenTenant":
		return "you are signed in to another tenant than that of the subscription (" + status + "): sign in with az login --tenant TENANT"
	case resp.StatusCode == http.StatusUnauthorized:
		return "Azure does not accept the sign-in (" + status + "): sign in again with az login; for another cloud than the public one, also set --cloud"
	case resp.StatusCode == http.StatusTooManyRequests:
		wait := "a minute"
		if after := transport.RetryAfter(resp.Header, time.Now()); after > 0 {
			wait = text.Duration(after.Round(time.Second))
		}
		return "Azure Resource Manager limits the number of requests (" + status + "): try again in " + wait
	case resp.StatusCode >= http.StatusInternalServerError:
		return "Azure Resource Manager is not available (" + status + "): try again in some minutes"
	case code == "ScopeLocked":
		return "a read-only lock on the app, its resource group or its subscription prevents this (" + status + "): the owner can remove the lock"
	case code == "DisallowedOperation", code == "ReadOnlyDisabledSubscription":
		return "the subscription is disabled (" + status + "): its owner can enable it again"
	}
	return status
}

// roleFor names the smallest built-in role that contains an action.
func roleFor(action string) string {
	switch action = strings.ToLower(action); {
	case strings.HasSuffix(action, "/read"):
		return "Reader"
	case strings.HasPrefix(action, "microsoft.web/"): // config/list/action, config/write
		return "Website Contributor"
	}
	return "Contributor"
}
