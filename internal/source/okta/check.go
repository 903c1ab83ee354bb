package okta

import (
	"context"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
)

// lowLimit is a limit, in requests a minute, below which a backlog takes long.
const lowLimit = 50

// Check implements [source.Connector]: one page of the last hour. A request for it needs the address,
// the credentials and the right to read; its answer shows the rate limit and the org's clock.
func (c *Connector) Check(ctx context.Context, report check.Report) {
	var got answer
	ok := report.Try(ctx, itemLog, func(ctx context.Context) (string, error) {
		now := time.Now()
		at := place{Newest: now.Add(-time.Hour).Truncate(time.Millisecond)}
		logs := c.client.Logs()
		page, err := logs.tail(ctx, at, "")
		if err != nil {
			return "", err
		}
		got = logs.last
		if ahead := got.asked.Sub(got.date); !got.date.IsZero() && ahead.Abs() > clockOff {
			return "", fmt.Errorf("the System Log can be read, but this machine's clock is %v off the org's: set the clock, because times of events and signatures depend on it", ahead.Abs().Round(time.Second))
		}
		return fmt.Sprintf("the System Log of %s can be read; a page of the last hour has %d events", c.Host(), len(page.Records)), nil
	})
	if !ok {
		report.Skip(itemLimit, "needs "+itemLog)
		return
	}
	q := quotaOf(got.header, time.Now())
	switch {
	case !q.known:
		report.Pass(itemLimit, fmt.Sprintf("the org does not state its rate limit: %d requests a minute are sent at most", assumed/2))
	case q.remaining < q.limit/2:
		report.Pass(itemLimit, fmt.Sprintf("%d requests a minute, of which other clients of the org have used %d in this one: %d are sent at most until they use less", q.limit, q.limit-q.remaining, max(1, q.limit/10)))
	case q.limit < lowLimit:
		report.Pass(itemLimit, fmt.Sprintf("%d requests a minute, and half of them are used: after an outage, %d,000 events are read in a minute", q.limit, q.limit/2))
	default:
		report.Pass(itemLimit, fmt.Sprintf("%d requests a minute, and half of them are used at most", q.limit))
	}
}
