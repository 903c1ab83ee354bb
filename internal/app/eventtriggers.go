package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// EventTriggers returns the event triggers of a connection; nil if no source of it has any. It
// sends nothing.
func EventTriggers(c config.Connection, o Options) source.EventTriggers {
	return eventTriggersOf(openSources(c, o.prepared()))
}

// EventTriggers returns the event triggers of the connection; nil if it has none.
func (c *Connection) EventTriggers() source.EventTriggers { return eventTriggersOf(c.sources) }

func eventTriggersOf(sources []source.Connector) source.EventTriggers {
	for _, one := range sources {
		if pushes, ok := one.(source.EventTriggers); ok {
			return pushes
		}
	}
	return nil
}

// Delivered returns the first of these records that is in the ledger of its stream, which means
// that the workspace has acknowledged it.
func (c *Connection) Delivered(ctx context.Context, traces []source.Trace) (found source.Trace, ok bool, err error) {
	for _, trace := range traces {
		for _, s := range c.streams {
			if s.Stream().ID != trace.Stream {
				continue
			}
			known, err := c.inLedger(ctx, s, trace)
			if err != nil || known {
				return trace, known, err
			}
		}
	}
	return source.Trace{}, false, nil
}

// inLedger looks into the windows about the time of a record. It opens the ledger each time,
// because an open one remembers what it has read.
func (c *Connection) inLedger(ctx context.Context, s stream, trace source.Trace) (bool, error) {
	for _, at := range []time.Time{trace.Time, time.Now()} {
		l := ledger.Open(ledger.Config{Store: c.store, Tenant: c.settings.Tenant, Stream: trace.Stream, Window: s.Window})
		fresh, err := l.Claim(ctx, []pipeline.Record{{ID: trace.Record, Time: at}})
		if err != nil || !fresh[0] {
			return err == nil, err
		}
	}
	return false, nil
}

// HookCredential returns what a sender must present to the hook, which may be in a vault.
func HookCredential(ctx context.Context, o Options, setting secret.Value) (secret.String, error) {
	k := o.prepared().keeper(setting)
	text, err := k.Get(ctx)
	if flaw := gate.Flaw(text.Reveal()); err == nil && flaw != "" {
		err = fmt.Errorf("the credential of the hook %s (%s)", flaw, k.Note())
	}
	return text, err
}

// ErrHook is wrapped by the errors of [ProbeHook] that an answer of the hook proves.
var ErrHook = errors.New("the hook does not accept events")

// ProbeHook posts nothing to the hook, with the credentials that the service will present. The
// hook checks them before it looks at the body, and refuses an empty one.
func ProbeHook(ctx context.Context, o Options, t subscriptions.Target, triggerID string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Address(triggerID), http.NoBody)
	if err != nil {
		return fmt.Errorf("probe the hook: %w", transport.Redact(err))
	}
	req.Header.Set("Content-Type", "application/json")
	switch t.Auth {
	case source.BearerToken:
		req.Header.Set("Authorization", "Bearer "+t.Token.Reveal())
	case source.BasicAuth:
		req.SetBasicAuth(t.UserName, t.Password.Reveal())
	case source.NoAuth:
	}
	resp, err := o.prepared().client().Do(req)
	if err != nil {
		return fmt.Errorf("probe the hook: %w", transport.Explain(err, transport.Peer{Host: req.URL.Host, Settings: "--url"}))
	}
	_ = resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w: status %d: the app has other credentials: set the same WEBHOOK_TOKEN (or WEBHOOK_USERNAME and WEBHOOK_PASSWORD) in the app's settings and here", ErrHook, status)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: status 404 at %s: the app has no WEBHOOK_TOKEN, or the address has another connection's name, or the app is not the connector", ErrHook, t.Hook)
	case status >= 500:
		return fmt.Errorf("%w: status %d: the app can't store events, or check credentials, at the moment: look at its log", ErrHook, status)
	}
	return nil
}
