// Package deployed reads what Azure knows about a function app that runs the connector: its
// settings, its functions, and which Key Vault references the platform could resolve. A person's
// identity asks, and needs a role on the app for it.
//
//	client, err := deployed.New(deployed.Config{Cloud: cloud, Credential: credential})
//	site, err := client.Find(ctx, deployed.Name{App: "func-acme"})
//	settings, err := client.Settings(ctx, site)
//
// A few calls of Azure Resource Manager are all that is needed, so this is the SDK's pipeline for it,
// with its sign-in and its retries, and not the SDK's client of App Service
// (docs/adr/0035-settings-of-a-deployed-app.md).
//
// Each error is one sentence that says what to do. None shows a token or the value of a setting.
package deployed

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

const (
	// webVersion is the newest version of Microsoft.Web that all clouds serve.
	webVersion = "2024-04-01"
	// graphVersion is the same of Microsoft.ResourceGraph.
	graphVersion = "2021-03-01"
	// maxAnswer is far more than the settings of an app: App Service limits all of them together.
	maxAnswer = 8 << 20
	// patience is the longest wait that the service may ask for.
	patience = 20 * time.Second
)

// Config is how to reach Azure Resource Manager.
type Config struct {
	Cloud      Cloud
	Credential azcore.TokenCredential
	// ClientOptions contain the transport, and retries for tests.
	ClientOptions policy.ClientOptions
}

// Client asks Azure Resource Manager.
type Client struct {
	endpoint string
	host     string
	pipeline runtime.Pipeline
}

// New returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	o := azsdk.ClientOptions(cfg.ClientOptions)
	o.Cloud = cfg.Cloud.sdk
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: maxAnswer}
	manager := o.Cloud.Services[cloud.ResourceManager]
	host := hostOf(manager.Endpoint)
	o.InsecureAllowCredentialWithHTTP = address.Loopback(hostName(manager.Endpoint)) // stand-ins
	o.Retry.ShouldRetry = worthwhile
	pipeline, err := armruntime.NewPipeline("idn-sentinel", version.String(), azsdk.Marked{TokenCredential: cfg.Credential}, runtime.PipelineOptions{},
		&arm.ClientOptions{ClientOptions: o, DisableRPRegistration: true}) // a look must not register anything
	if err != nil {
		return nil, err
	}
	return &Client{endpoint: manager.Endpoint, host: host, pipeline: pipeline}, nil
}

// worthwhile repeats what may succeed soon. Else the answer is what the person sees.
func worthwhile(resp *http.Response, err error) bool {
	if err != nil {
		return transport.IsNetwork(err)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		after := transport.RetryAfter(resp.Header, time.Now())
		return after <= patience
	}
	return false
}

// call sends a request and decodes the answer. body may be nil.
func (c *Client) call(ctx context.Context, method, path, apiVersion string, body, into any) error {
	return c.exchange(ctx, method, c.endpoint+path+"?api-version="+apiVersion, body, into)
}

func (c *Client) exchange(ctx context.Context, method, url string, body, into any) error {
	req, err := runtime.NewRequest(ctx, method, url)
	if err != nil {
		return &Error{Text: "the address of Azure Resource Manager can't be used: check --cloud"}
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		text, err := json.Marshal(body, json.Deterministic(true))
		if err != nil {
			return &Error{Text: "the request can't be encoded"} // the error may show a value
		}
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(text)), "application/json"); err != nil {
			return &Error{Text: "the request can't be sent"}
		}
	}
	resp, err := c.pipeline.Do(req) //nolint:bodyclose // the pipeline reads and closes it
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return c.refused(resp)
	}
	text, err := runtime.Payload(resp)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if err := json.Unmarshal(text, into); err != nil { // the error may show a value
		return &Error{Text: c.host + " answered with something unexpected: check what is in between (a proxy, a gateway)"}
	}
	return nil
}
