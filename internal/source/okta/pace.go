package okta

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	// assumed is the limit for the log, in requests a minute, as long as no answer has stated one:
	// that of the smallest org.
	assumed = 20
	// burst is how many requests may follow each other at once: what a run of a quiet org needs.
	burst = 3
	// maxHold is the longest pause that is kept after a refusal for the rate.
	maxHold = 2 * time.Minute
	// slack is added to the moment at which a limit begins anew, which is stated in whole seconds.
	slack = 1 * time.Second
	// unknownHold is the pause after a refusal that does not say when the limit begins anew.
	unknownHold = 10 * time.Second
)

// pace keeps requests to half of the limit, and to a tenth while others use more than the other
// half.
type pace struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	limit int       // requests a minute that the limiter is set for
	until time.Time // no request before then
}

// quota is the state of a limit as an answer states it.
type quota struct {
	limit, remaining int
	reset            time.Duration // until it begins anew; negative if that is past
	known            bool
}

// newPace starts with one request: the process before this one, which may have been killed a moment
// ago, used the same limit.
func newPace() *pace {
	p := &pace{limiter: rate.NewLimiter(0, burst)}
	p.limiter.ReserveN(time.Now(), burst-1)
	p.set(assumed / 2)
	return p
}

// set keeps requests to a number in a minute. The caller holds the lock, or is alone.
func (p *pace) set(perMinute int) {
	perMinute = max(perMinute, 1)
	if perMinute != p.limit {
		p.limit = perMinute
		p.limiter.SetLimit(rate.Limit(float64(perMinute) / 60))
	}
}

// wait waits until a request may be sent, but not past the deadline of ctx.
func (p *pace) wait(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if left := p.held(); left > 0 {
		return &pipeline.Retryable{Err: fmt.Errorf("%s: not sent: the org's rate limit is used up", what), After: left}
	}
	if err := p.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
		if deadline, ok := ctx.Deadline(); ok {
			return &pipeline.Retryable{
				Err:   fmt.Errorf("%s: half of the org's rate limit lets no request through before the deadline: %w", what, retry.ErrNoTime),
				After: time.Until(deadline),
			}
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// held is how long no request may be sent.
func (p *pace) held() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}

// note reads what an answer says about the rate limit.
func (p *pace) note(status int, header http.Header, now time.Time) {
	q := quotaOf(header, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.known {
		// A burst on top of the rate still stays below the half.
		if share := max(q.limit/2-burst, q.limit/10); q.remaining >= q.limit/2 {
			p.set(share)
		} else {
			p.set(q.limit / 10)
		}
	}
	switch {
	case status == http.StatusTooManyRequests:
		after := transport.RetryAfter(header, now)
		if q.known && q.reset > 0 {
			after = q.reset + slack
		}
		if after <= 0 {
			after = unknownHold
		}
		p.until = now.Add(min(after, maxHold))
	case q.known && q.remaining == 0 && q.reset > 0:
		p.until = now.Add(min(q.reset+slack, maxHold))
	}
}

// quotaOf reads the headers of the limit. The reset is measured by the clock of the answer: that of
// this machine may be off.
func quotaOf(header http.Header, now time.Time) quota {
	limit, err1 := strconv.Atoi(header.Get("X-Rate-Limit-Limit"))
	remaining, err2 := strconv.Atoi(header.Get("X-Rate-Limit-Remaining"))
	if err1 != nil || err2 != nil || limit <= 0 || remaining < 0 {
		return quota{}
	}
	q := quota{limit: limit, remaining: remaining, known: true}
	if reset, err := strconv.ParseInt(header.Get("X-Rate-Limit-Reset"), 10, 64); err == nil {
		if date, err := http.ParseTime(header.Get("Date")); err == nil {
			now = date
		}
		q.reset = time.Unix(reset, 0).Sub(now)
	}
	return q
}
