package identityiq

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// Config says how to reach a server and what to read from it.
type Config struct {
	// BaseURL is the address of the application with its context, for instance
	// https://iiq.acme.example/identityiq. Required.
	BaseURL *url.URL
	// ClientID and ClientSecret belong to an OAuth client of IdentityIQ. Required.
	ClientID     string
	ClientSecret secret.Keeper
	// Streams are the names of the streams to read: see [StreamNames].
	Streams []string

	// Settle is how long before now the range of a query for events ends: what is younger may not be
	// committed yet.
	Settle time.Duration
	// Lookback is how far before now the first run begins.
	Lookback time.Duration

	// HTTP is used without following redirects; nil means a client of package transport.
	HTTP *http.Client
	// Log gets what is reported once in a process; nil means nothing is logged.
	Log *slog.Logger
}

// Client speaks to one server as one OAuth client. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base string // without a slash at its end
	http *http.Client
	log  *slog.Logger

	// slot is held during a request: each is a query of the product's database, so there is one at a
	// time.
	slot   chan struct{}
	tokens tokens

	bodies transport.Buffers
	// bodyHint is the length of the last page, for bodies whose length is not announced.
	bodyHint  atomic.Int64
	throttled atomic.Int64
	// unsorted is set once the server has refused to sort a list.
	unsorted atomic.Bool
	// ahead is how far this machine's clock was ahead of the server's at the last answer with its time.
	ahead atomic.Int64
}

// NewClient returns a client. It sends nothing yet.
func NewClient(cfg Config) *Client {
	c := &Client{cfg: cfg, http: cfg.HTTP, log: cfg.Log, slot: make(chan struct{}, 1)}
	if cfg.BaseURL != nil {
		c.base = strings.TrimRight(cfg.BaseURL.String(), "/")
	}
	if c.cfg.ClientSecret == nil {
		c.cfg.ClientSecret = secret.String{}
	}
	if c.http == nil {
		c.http = transport.NewClient(transport.Config{})
	}
	c.http = transport.NoRedirects(c.http)
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// noteTime keeps what an answer says about the server's clock.
func (c *Client) noteTime(header http.Header) {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		c.ahead.Store(int64(time.Since(date)))
	}
}

// byServer is a moment of this machine's clock by the server's, which dates the changes in its lists.
func (c *Client) byServer(at time.Time) time.Time {
	return at.Add(-time.Duration(c.ahead.Load())).Truncate(time.Millisecond)
}

// host names the server in error texts.
func (c *Client) host() string {
	if c.cfg.BaseURL == nil {
		return "(no IIQ_URL)"
	}
	return c.cfg.BaseURL.Host
}

// peer names the server in the errors of the network.
func (c *Client) peer() transport.Peer {
	return transport.Peer{Host: c.host(), Settings: "IIQ_URL"}
}

// hidden are the secrets that an answer may repeat.
func (c *Client) hidden() []secret.String {
	return append(c.tokens.secrets(), c.cfg.ClientSecret.Known()...)
}
