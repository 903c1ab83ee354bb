package tenant

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bus is the AWS side of the EventBridge subscriptions: the bus of the partner event source, a
// rule that takes everything, and an API destination that posts to an address. It keeps to what
// Amazon documents of API destinations: an answer within 5 s; repeated are 429, 5xx and timeouts,
// nothing else; the longer of its own wait and Retry-After counts.
type Bus struct {
	// URL is the address of the destination.
	URL string
	// Header and Value are the API key of the connection.
	Header, Value string
	// Attempts is how often a repeated event is sent again at most. 0 means 185.
	Attempts int
	// For is how long an event is tried. 0 means 24 hours.
	For time.Duration
	// Shape turns the envelope into what is sent, as an input transformer does; nil sends the
	// envelope.
	Shape func(envelope, detail []byte) []byte
}

const busWithin = 5 * time.Second

// envelope is the event as it is on the bus.
func envelope(t *Tenant, p Push) []byte {
	e := p.Subscription.EventBridge
	return fmt.Appendf(nil, `{"version":"0","id":%q,"detail-type":%q,"source":"aws.partner/sailpoint.com/%s/idn/%s","account":%q,"time":%q,"region":%q,"resources":[],"detail":%s}`,
		t.uuid("envelope"), p.trigger.ID, p.Subscription.ID, strings.TrimPrefix(p.trigger.ID, "idn:"), e.Account, p.Invocation.Created.Format(time.RFC3339), e.Region, p.Body)
}

// sendEnvelope puts a push on the bus, which ends its invocation for the tenant, and delivers it
// from there.
func (t *Tenant) sendEnvelope(ctx context.Context, p Push) error {
	if !p.trigger.RequestResponse {
		t.finish(p.Invocation.ID, t.now(), "", nil)
		t.forget(p.Invocation.ID)
	} else {
		t.finish(p.Invocation.ID, p.deadline, "The subscriber did not answer before the deadline.", nil)
	}
	if t.Bus == nil {
		return nil // nothing listens on the bus
	}
	body := envelope(t, p)
	if t.Bus.Shape != nil {
		body = t.Bus.Shape(body, p.Body)
	}
	end := time.Now().Add(cmp.Or(t.Bus.For, 24*time.Hour))
	for attempt := 0; ; attempt++ {
		wait, err := t.destination(ctx, body)
		if err == nil || wait < 0 || attempt >= cmp.Or(t.Bus.Attempts, 185) {
			return err
		}
		wait = max(wait, min(time.Second<<min(attempt, 12), time.Hour))
		if time.Now().Add(wait).After(end) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// destination makes one attempt. wait is how long the answer asks to wait; negative for never
// again.
func (t *Tenant) destination(ctx context.Context, body []byte) (wait time.Duration, err error) {
	attempt, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, t.Bus.URL, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	for name, value := range map[string]string{
		"User-Agent": "Amazon/EventBridge/ApiDestinations", "Content-Type": "application/json; charset=utf-8",
		"Range": "bytes=0-1048575", "Accept-Encoding": "gzip,deflate", "Connection": "close",
	} {
		req.Header.Set(name, value)
	}
	if t.Bus.Header != "" {
		req.Header.Set(t.Bus.Header, t.Bus.Value)
	}
	resp, err := t.exchange(req)
	switch {
	case ctx.Err() != nil:
		return -1, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return 0, errors.New("the destination did not answer in 5 s")
	case err != nil:
		return 0, errors.New("the destination could not be reached")
	}
	defer resp.Body.Close()
	err = fmt.Errorf("the destination answered with status %d", resp.StatusCode)
	switch {
	case resp.StatusCode/100 == 2:
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		after, bad := strconv.Atoi(resp.Header.Get("Retry-After"))
		if bad != nil {
			return 0, err
		}
		return time.Duration(after) * time.Second, err
	}
	return -1, err
}
