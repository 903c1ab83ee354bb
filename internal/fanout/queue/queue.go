// Package queue looks at the storage queue of FAN_OUT=queue: whether the identity or the key at hand
// may use it, what waits in it, and whether anything else uses it, too.
//
// The Functions host puts messages in and takes them out; this package does neither, so it needs no SDK
// for queues. A look is three requests, or four with an identity:
//
//	GET    …/idn-sentinel-work?comp=metadata         may it be seen, and how much waits
//	GET    …/idn-sentinel-work/messages?peekonly     what waits; the messages stay as they are
//	DELETE …/idn-sentinel-work/messages/{no such id}  may messages be completed
//	GET    …/idn-sentinel-work-poison?comp=metadata  how much was given up
//
// https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api
package queue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

const (
	apiVersion = "2021-12-02"
	// scope is what tokens of all storage services are for, in every cloud.
	scope = "https://storage.azure.com/.default"
	// role is what the host needs: it creates the queues, puts messages in and completes them.
	role = "Storage Queue Data Contributor"
	// sample is how many messages are looked at, the most that the service shows at once.
	sample = 32
	// maxAnswer is more than that many messages of 64 KiB.
	maxAnswer = 4 << 20
	// noMessage is the id of a message that does not exist.
	noMessage = "00000000-0000-0000-0000-000000000000"
)

// Config says where the queue service is and how to sign in: with exactly one of Key, SAS and
// Credential.
type Config struct {
	// Endpoint is the address of the queue service. For Azurite its path is the account.
	Endpoint *url.URL
	// Setting is the name of the setting that holds it, for errors.
	Setting string
	// AccountName and Key, in base64, sign requests.
	AccountName string
	Key         secret.String
	// SAS is the query of a shared access signature.
	SAS        secret.String
	Credential azcore.TokenCredential
	// ClientOptions contain the transport, and retries for tests.
	ClientOptions policy.ClientOptions
}

// Seen is what a look found.
type Seen struct {
	// Missing is set if there is no queue yet. The host creates it with the first message.
	Missing bool
	// Waiting and GivenUp are about how many messages there are, those at work included.
	Waiting, GivenUp int64
	// Messages are some of those that wait, the first ones. Strange counts those of them that this app
	// can't have sent.
	Messages []fanout.Message
	Strange  int
}

// DeniedError says that the identity or the key may not use the queue.
type DeniedError struct{ Text string }

func (e *DeniedError) Error() string { return e.Text }

// Client looks at the queue.
type Client struct {
	base     string // address of the service
	sas      string
	setting  string
	host     string
	identity bool
	pipeline runtime.Pipeline
}

// New returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	c := &Client{base: strings.TrimRight(cfg.Endpoint.String(), "/"), sas: strings.TrimPrefix(cfg.SAS.Reveal(), "?"), setting: cfg.Setting, host: cfg.Endpoint.Host, identity: cfg.Credential != nil}
	o := azsdk.ClientOptions(cfg.ClientOptions)
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: maxAnswer}
	o.InsecureAllowCredentialWithHTTP = address.Loopback(cfg.Endpoint.Hostname()) // stand-ins
	var sign policy.Policy
	switch {
	case cfg.Credential != nil:
		sign = runtime.NewBearerTokenPolicy(azsdk.Marked{TokenCredential: cfg.Credential}, []string{scope}, &policy.BearerTokenOptions{InsecureAllowCredentialWithHTTP: o.InsecureAllowCredentialWithHTTP})
	case !cfg.Key.IsZero():
		key, err := base64.StdEncoding.DecodeString(cfg.Key.Reveal())
		if err != nil { // it may show the key
			return nil, fmt.Errorf("%s contains an account key that is not base64: copy it from the storage account's Access keys again", cfg.Setting)
		}
		sign = sharedKey{cfg.AccountName, key}
	case c.sas == "":
		return nil, fmt.Errorf("%s contains no way to sign in", cfg.Setting)
	}
	var perRetry []policy.Policy
	if sign != nil {
		perRetry = append(perRetry, sign)
	}
	c.pipeline = runtime.NewPipeline("idn-sentinel", version.String(), runtime.PipelineOptions{PerRetry: perRetry}, &o)
	return c, nil
}

// Look looks at the queue and changes nothing. Its error is a [*DeniedError], or says why there was no
// answer.
func (c *Client) Look(ctx context.Context) (seen Seen, err error) {
	seen.Waiting, seen.Missing, err = c.count(ctx, fanout.Queue)
	if err != nil {
		return Seen{}, err
	}
	if !seen.Missing {
		if err := c.peek(ctx, &seen); err != nil {
			return Seen{}, err
		}
	}
	if c.identity { // a key may do everything
		if err := c.mayComplete(ctx); err != nil {
			return Seen{}, err
		}
	}
	seen.GivenUp, _, err = c.count(ctx, fanout.Poison)
	return seen, err
}

// count returns how many messages a queue has, and whether there is none of that name.
func (c *Client) count(ctx context.Context, name string) (n int64, missing bool, err error) {
	got, err := c.ask(ctx, http.MethodGet, name, url.Values{"comp": {"metadata"}})
	if err != nil {
		return 0, false, err
	}
	if got.missing {
		return 0, true, nil
	}
	n, err = strconv.ParseInt(got.header.Get("x-ms-approximate-messages-count"), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s does not say how many messages the queue has: check what is in between (%s, a proxy)", c.host, c.setting)
	}
	return n, false, nil
}

// peek looks at some of the messages.
func (c *Client) peek(ctx context.Context, seen *Seen) error {
	got, err := c.ask(ctx, http.MethodGet, fanout.Queue+"/messages", url.Values{"peekonly": {"true"}, "numofmessages": {strconv.Itoa(sample)}})
	if err != nil {
		return err
	}
	var list struct {
		Messages []struct {
			Text string `xml:"MessageText"`
		} `xml:"QueueMessage"`
	}
	if len(got.text) > 0 && xml.Unmarshal(bytes.TrimPrefix(got.text, []byte("\ufeff")), &list) != nil { // the error may quote a message
		return fmt.Errorf("%s answered with something other than messages: check what is in between (%s, a proxy)", c.host, c.setting)
	}
	for _, one := range list.Messages {
		body, err := base64.StdEncoding.DecodeString(one.Text)
		if err != nil {
			body = []byte(one.Text) // the host passes it on as it is
		}
		m, err := fanout.Decode(body)
		switch {
		case errors.Is(err, fanout.ErrNewer): // of this app, after an update
		case err != nil:
			seen.Strange++
		default:
			seen.Messages = append(seen.Messages, m)
		}
	}
	return nil
}

// mayComplete tries to delete a message that does not exist: who may only read is refused.
func (c *Client) mayComplete(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodDelete, fanout.Queue+"/messages/"+noMessage, url.Values{"popreceipt": {"AgAAAAMAAAAAAAAA"}})
	return err
}

// reply is an answer that says something about the queue.
type reply struct {
	header  http.Header
	text    []byte
	missing bool
}

// ask sends a request. A refusal is an error, as is an answer that says nothing about the queue; that
// the queue or the message does not exist, or that a receipt is not valid, is not.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values) (reply, error) {
	target := c.base + "/" + path + "?" + query.Encode()
	if c.sas != "" {
		target += "&" + c.sas
	}
	req, err := runtime.NewRequest(ctx, method, target)
	if err != nil {
		return reply{}, fmt.Errorf("the address of the queue service can't be used: check %s", c.setting)
	}
	req.Raw().Header["x-ms-version"] = []string{apiVersion}
	resp, err := c.pipeline.Do(req) //nolint:bodyclose // the pipeline reads and closes it
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	text, err := runtime.Payload(resp)
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	code := resp.Header.Get("x-ms-error-code")
	switch {
	case resp.StatusCode/100 == 2,
		resp.StatusCode == http.StatusNotFound && (code == "QueueNotFound" || code == "MessageNotFound"),
		resp.StatusCode == http.StatusBadRequest && (code == "PopReceiptMismatch" || code == "InvalidQueryParameterValue"):
		return reply{resp.Header, text, resp.StatusCode == http.StatusNotFound}, nil
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		if f := azsdk.Explain(runtime.NewResponseError(resp), c.peer()); f != nil { // a gateway refused it
			return reply{}, fmt.Errorf("the queue service could not be reached: %s", f.Error())
		}
		remedy := c.remedy(code)
		if code == "" {
			remedy = transport.Doubtful(c.peer()) + remedy
		}
		return reply{}, &DeniedError{fmt.Sprintf("%s refuses the queue %s: %s: %s", c.host, fanout.Queue, answered(resp.StatusCode, code), remedy)}
	}
	if f := azsdk.Explain(runtime.NewResponseError(resp), c.peer()); f != nil {
		return reply{}, fmt.Errorf("the queue service could not be reached: %s", f.Error())
	}
	remedy := "check " + c.setting
	if code == "" {
		remedy = transport.Unexpected(resp.StatusCode, c.peer())
	}
	return reply{}, fmt.Errorf("%s answered %s about the queue %s: %s", c.host, answered(resp.StatusCode, code), fanout.Queue, remedy)
}

// answered is a status with the code of the service, if there is one.
func answered(status int, code string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, azsdk.FirstLine(code)))
}

func (c *Client) peer() transport.Peer { return transport.Peer{Host: c.host, Settings: c.setting} }

// remedy says what to do about a refusal.
func (c *Client) remedy(code string) string {
	grant := fmt.Sprintf("give the app's identity the role %q on this storage account (deploying the template again with fanOut=queue does; a new assignment takes some minutes)", role)
	const network = "the account's network rules block the app or this machine, or "
	blocked := code == "AuthorizationFailure"
	switch {
	case code == "KeyBasedAuthenticationNotPermitted":
		return fmt.Sprintf("the account does not accept keys: replace %s by AzureWebJobsStorage__queueServiceUri and the other settings of an identity, and %s", c.setting, grant)
	case c.identity && blocked:
		return network + grant
	case c.identity:
		return grant
	case blocked:
		return network + c.setting + " is wrong or expired, or its signature does not include queues"
	}
	return c.setting + " is wrong or expired, or for another account, or this machine's clock is off by more than 15 minutes"
}

// unreachable says why there was no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var token *azsdk.TokenError
	if errors.As(err, &token) {
		return fmt.Errorf("no token for the queue service: %s", token.Explain("give the app a managed identity (AzureWebJobsStorage__clientId names a user-assigned one); on your own machine, sign in with az login"))
	}
	if f := azsdk.Explain(err, c.peer()); f != nil {
		return fmt.Errorf("the queue service could not be reached: %s", f.Error())
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s did not answer in time: %w", c.host, context.Cause(ctx))
	}
	return fmt.Errorf("%s: %s: check %s", c.host, azsdk.Text(err), c.setting)
}
