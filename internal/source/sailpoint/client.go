package sailpoint

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// Config says how to reach a tenant and what to read from it.
type Config struct {
	// Tenant is the name of the tenant for texts.
	Tenant string
	// BaseURL is the address of the API and the token endpoint, for instance
	// https://acme.api.identitynow.com. Required.
	BaseURL *url.URL
	// ClientID and ClientSecret belong to a personal access token or an API client. Required.
	ClientID     string
	ClientSecret secret.Keeper
	// Settings are the names of the settings above, for texts.
	Settings Settings
	// APIVersion is "v1", with one path for each service, or the legacy prefix to try first:
	// "v2026", "v2025", "v2024", "v3", "beta". "" means "v1".
	APIVersion string

	// PageSize is the largest search page to ask for, 1 to 10000; 0 means 1000.
	PageSize int
	// Settle is how long before now the range of a search ends: younger events may not be visible
	// in order yet.
	Settle time.Duration
	// Lookback is how far before now the first run begins.
	Lookback time.Duration

	// HTTP must not follow redirects; nil means a client of package transport.
	HTTP *http.Client
	// Limiter is shared by all requests of the client, including those for tokens. nil means 7
	// requests a second with bursts of 10; see newLimiter.
	Limiter *rate.Limiter
	// Log gets what is reported once in a process; nil means nothing is logged.
	Log *slog.Logger
}

// Settings are names of settings. Those that are empty have the names of a tenant's.
type Settings struct {
	// Address is the setting, or the settings, with the address.
	Address, ClientID, ClientSecret string
	// Remedy says where credentials come from.
	Remedy string
}

func (s Settings) prepared() Settings {
	return Settings{
		Address:      cmp.Or(s.Address, "TENANT_ID or SAILPOINT_BASE_URL"),
		ClientID:     cmp.Or(s.ClientID, "CLIENT_ID"),
		ClientSecret: cmp.Or(s.ClientSecret, "CLIENT_SECRET"),
		Remedy:       cmp.Or(s.Remedy, "create a personal access token or an API client with the grant CLIENT_CREDENTIALS and set both settings"),
	}
}

// Client speaks to one tenant as one OAuth client. It is safe for concurrent use.
type Client struct {
	cfg     Config
	base    string // without a slash at its end
	http    *http.Client
	limiter *rate.Limiter
	log     *slog.Logger

	tokens tokens
	hold   hold
	size   pageSize

	search, count, triggers *endpoint
	events                  eventTriggers
	// idSortRefused is set once the tenant has refused to sort by id.
	idSortRefused atomic.Bool
	// bodyHint is the length of the last large body, for bodies whose length is not announced.
	bodyHint atomic.Int64
	pages    transport.Buffers

	requests, throttled, tokenRequests atomic.Int64
}

// NewClient returns a client. It sends nothing yet.
func NewClient(cfg Config) *Client {
	c := &Client{cfg: cfg, http: cfg.HTTP, limiter: cfg.Limiter, log: cfg.Log}
	c.cfg.Settings = cfg.Settings.prepared()
	if cfg.BaseURL != nil {
		c.base = strings.TrimRight(cfg.BaseURL.String(), "/")
	}
	if c.cfg.ClientSecret == nil {
		c.cfg.ClientSecret = secret.String{}
	}
	if c.http == nil {
		c.http = transport.NewClient(transport.Config{})
	}
	if c.limiter == nil {
		c.limiter = newLimiter()
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	size := cfg.PageSize
	if size <= 0 {
		size = 1000
	}
	c.size.init(min(size, maxPage))
	c.search = newEndpoint("search", http.MethodPost, searchScope, searchPaths(cfg.APIVersion, ""))
	c.count = newEndpoint("search count", http.MethodPost, searchScope, searchPaths(cfg.APIVersion, "/count"))
	c.triggers = newEndpoint("trigger invocation status", http.MethodGet, triggersScope, triggersPaths(cfg.APIVersion, "trigger-invocations", "/status"))
	c.triggers.experimental = true
	c.events = newEventTriggers(cfg.APIVersion)
	return c
}

// SailPoint's limit is 100 requests in any 10 s for each client id, whatever processes use it. The
// whole rate is for the one that runs the streams: 7 a second and a burst of 10 are at most 80. What
// runs besides takes 1 a second and a burst of 6, at most 16.
const (
	wholeRate, wholeBurst = 7, 10
	smallRate, smallBurst = 1, 6
)

// newLimiter keeps to the whole rate. It starts with only two tokens, because the process before
// this one, which may have been killed a moment ago, used the same client id: so five restarts within
// 10 s stay below the limit.
func newLimiter() *rate.Limiter {
	l := rate.NewLimiter(wholeRate, wholeBurst)
	l.ReserveN(time.Now(), wholeBurst-2)
	return l
}

// share makes the client keep to the small rate, beside another process that runs the streams, or to
// the whole one. It changes nothing if the limiter is not the client's own.
func (c *Client) share(beside bool) {
	limit, burst := rate.Limit(wholeRate), wholeBurst
	if beside {
		limit, burst = smallRate, smallBurst
	}
	if c.cfg.Limiter == nil && c.limiter.Limit() != limit {
		c.limiter.SetLimit(limit)
		c.limiter.SetBurst(burst)
	}
}

// Stats is what a client has done since it was made.
type Stats struct {
	Requests      int64 // sent, including those for tokens
	Throttled     int64 // answered with 429
	TokenRequests int64
	Deprecated    bool // the tenant marked an endpoint in use as deprecated
}

// Stats returns the numbers so far.
func (c *Client) Stats() Stats {
	return Stats{
		Requests:      c.requests.Load(),
		Throttled:     c.throttled.Load(),
		TokenRequests: c.tokenRequests.Load(),
		Deprecated:    c.search.deprecated.Load() || c.count.deprecated.Load() || c.triggers.deprecated.Load(),
	}
}

// Events is the stream of audit events.
func (c *Client) Events() *Events { return &Events{c: c} }

// Triggers is the stream of trigger invocations.
func (c *Client) Triggers() *Triggers { return &Triggers{c: c} }
