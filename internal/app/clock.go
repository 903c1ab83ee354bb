package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

const (
	// clockLimit is how far this machine's clock may be off for a check to pass. The
	// services reject signatures only at 15 minutes. But a search ends SETTLE_DELAY before
	// now, one minute by default: if the clock is ahead by more, the search includes what
	// has not settled.
	clockLimit = time.Minute
	// sourceLimit is how far the clock may differ from the source's before a run skips what
	// can't be undone. The source's clock dates the events, and the smallest compared
	// window is 5 minutes wide: with a smaller difference, at most one window is compared
	// too early.
	sourceLimit = 5 * time.Minute
	// witnessLimit is the limit for all other services, whose clocks date nothing that is
	// compared. A service whose own clock is off by minutes must not stop the audits; at 15
	// minutes it rejects signatures.
	witnessLimit = 15 * time.Minute
)

const setClock = "set the clock (enable time synchronisation)"

// client returns the HTTP client for services. The clock sees all of its answers.
func (o Options) client() *http.Client {
	client := o.HTTP
	if client == nil {
		client = transport.NewClient(transport.Config{Version: version.String()})
	}
	return o.clock.Watch(client)
}

// peers names the hosts whose clocks a connection can compare with.
func peers(state config.State, connection config.Connection, sources []source.Connector) map[string]string {
	names := map[string]string{}
	for _, c := range sources {
		if c.Host() != "" {
			names[c.Host()] = c.Name()
		}
	}
	if u := connection.DataCollector.URL; u != nil {
		names[u.Host] = "the workspace"
	}
	if u := connection.LogsIngestion.Endpoint; u != nil {
		names[u.Host] = "the workspace"
	}
	if u := state.Account.BlobEndpoint; u != nil {
		names[u.Host] = "the storage account"
	}
	return names
}

// compared compares this machine's clock with those of the services. off are the
// differences beyond the limit, near are the others.
func compared(skews []transport.Skew, names map[string]string, limit func(host string) time.Duration) (off, near []string) {
	for _, s := range skews {
		name := names[s.Host]
		if name == "" {
			name = s.Host
		}
		switch {
		case s.Ahead.Abs()-s.Doubt < limit(s.Host):
			near = append(near, fmt.Sprintf("within %v of %s", (s.Ahead.Abs()+s.Doubt).Round(time.Second), name))
		case s.Ahead < 0:
			off = append(off, fmt.Sprintf("%v behind %s", s.Ahead.Abs().Round(time.Second), name))
		default:
			off = append(off, fmt.Sprintf("%v ahead of %s", s.Ahead.Round(time.Second), name))
		}
	}
	return off, near
}

// clockFinding judges this machine's clock for a check.
func clockFinding(clock *transport.Clock, names map[string]string) check.Finding {
	f := check.Finding{Item: "clock", State: check.Passed}
	off, near := compared(clock.Skews(), names, func(string) time.Duration { return clockLimit })
	if len(off)+len(near) == 0 {
		f.State, f.Detail = check.Skipped, "needs an answer of the source or the workspace to compare with"
		return f
	}
	f.Detail = "this machine's clock is " + strings.Join(append(off, near...), " and ")
	if len(off) > 0 {
		f.State = check.Failed
		f.Detail += ": " + setClock + "; signatures are rejected at 15 minutes, and searches end SETTLE_DELAY before this clock"
	}
	return f
}

// runClock judges this machine's clock for the runs of a stream.
func (c *Connection) runClock(s stream) runClock {
	return runClock{skews: c.skews, names: peers(c.state, c.settings, c.sources), source: s.of.Host()}
}

// skews are the differences from the services of this connection. It may share a workspace
// and the storage account with others; the clocks of other services don't matter to it.
func (c *Connection) skews() []transport.Skew {
	names := peers(c.state, c.settings, c.sources)
	all := c.clock.Skews()
	for _, s := range c.options.clock.Skews() {
		if names[s.Host] != "" {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b transport.Skew) int { return cmp.Compare(a.Host, b.Host) })
	return all
}

// runClock judges this machine's clock for a run.
type runClock struct {
	skews  func() []transport.Skew
	names  map[string]string
	source string // the host whose clock dates the records
}

var _ pipeline.Clock = runClock{}

// Off implements [pipeline.Clock]. If services disagree, at least one of them disagrees
// with this machine too, and that is enough.
func (r runClock) Off() error {
	off, near := compared(r.skews(), r.names, func(host string) time.Duration {
		if host == r.source {
			return sourceLimit
		}
		return witnessLimit
	})
	switch {
	case len(off) == 0:
		return nil
	case len(near) == 0:
		return errors.New("this machine's clock is " + strings.Join(off, " and ") + ": " + setClock)
	}
	return fmt.Errorf("this machine's clock is %s, but %s: one of these clocks is wrong; if it is this one, %s", strings.Join(off, " and "), strings.Join(near, " and "), setClock)
}
