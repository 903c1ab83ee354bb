package app

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// DefaultSettle is how long a workspace may take to show what it has acknowledged. Usually
// it takes seconds, sometimes minutes, and a quarter of an hour for a new table.
const DefaultSettle = 15 * time.Minute

// lookInWorkspace makes r compare with what has arrived in the workspace. It skips windows
// that the connector wrote to recently, because the workspace may not show everything yet.
// Call unproven after r has done its audit.
func (c *Connection) lookInWorkspace(r *pipeline.Runner, s stream, q *AuditRequest) (unproven func() int64, err error) {
	client, err := c.reader()
	if err != nil {
		return nil, err
	}
	arrivals := &readback.Arrivals{Client: client, Table: s.inWorkspace(), From: q.From, To: q.To, Window: s.Window, Counted: q.Counted}
	var waits func(id string) bool
	arrivals.Waits = func(ctx context.Context, id string) (bool, error) {
		if waits == nil {
			holds, err := c.Quarantine().Holds(ctx, s.Stream().ID, quarantine.Undelivered)
			if err != nil {
				return false, err
			}
			waits = holds
		}
		return waits(id), nil
	}
	if reader, ok := s.Source.(pipeline.WindowReader); ok {
		arrivals.Sample = func(ctx context.Context) (page pipeline.Page, err error) {
			err = r.Retry.Do(ctx, nil, func(ctx context.Context) (err error) {
				page, err = reader.FetchWindow(ctx, q.From, q.To, "")
				return err
			})
			return page, err
		}
	}
	open := r.OpenLedger
	r.OpenLedger = func() pipeline.Ledger {
		arrivals.Delivered = open()
		return arrivals
	}
	q.Floor = true
	var written map[time.Time]time.Time // by start of the window
	q.NotYetVisible = func(ctx context.Context, from, _ time.Time) (bool, error) {
		if written == nil {
			times := map[time.Time]time.Time{}
			for w, err := range c.windows(ctx, s) {
				if err != nil {
					return false, err
				}
				times[w.Start.UTC()] = w.Modified
			}
			written = times
		}
		at, ok := written[from.UTC()]
		return ok && time.Since(at) < q.Settle, nil
	}
	return arrivals.Unproven, nil
}

// inWorkspace is the stream's table, as queries name it.
func (s stream) inWorkspace() readback.Table {
	of := s.Table.Stream
	return readback.Table{Name: s.Stream().Table, Time: of.Time, ID: cmp.Or(of.ID, "id")}
}

// windows lists the windows in a stream's ledger and when each was last written.
func (c *Connection) windows(ctx context.Context, s stream) iter.Seq2[ledger.Window, error] {
	return ledger.Open(ledger.Config{Store: c.store, Tenant: c.settings.Tenant, Stream: s.Stream().ID, Window: s.Window}).Windows(ctx)
}

// writtenSince reports whether any window that begins in [from, to) was written after a
// moment.
func (c *Connection) writtenSince(ctx context.Context, name string, from, to, moment time.Time) (bool, error) {
	s, err := c.stream(name)
	if err != nil {
		return false, err
	}
	for w, err := range c.windows(ctx, s) {
		if err != nil {
			return false, err
		}
		if !w.Start.Before(from) && w.Start.Before(to) && w.Modified.After(moment) {
			return true, nil
		}
	}
	return false, nil
}

// reader returns the client that queries the workspace.
func (c *Connection) reader() (*readback.Client, error) { return newReader(c.settings, c.options) }

func newReader(s config.Connection, o Options) (*readback.Client, error) {
	where := s.ReadBack
	if where.WorkspaceID == "" {
		return nil, errors.New("CUSTOMER_ID is missing: set it to the ID of the workspace to query")
	}
	cfg := readback.Config{
		URL: where.URL, Audience: where.Audience, WorkspaceID: where.WorkspaceID,
		HTTP: o.HTTP, Retry: retry.Policy{MaxAttempts: handAttempts}, Version: version.String(),
		Credential: o.Credential, Identity: where.Identity,
	}
	if cfg.Credential == nil && where.URL.Scheme == "https" {
		var err error
		if cfg.Credential, err = o.identities.Credential(where.Identity, cloudOf(where.Audience)); err != nil {
			return nil, opening("workspace", "LOG_ANALYTICS_QUERY_URL", err)
		}
	}
	return readback.New(cfg), nil
}

// cloudOf returns the cloud whose sign-in service issues tokens for an audience.
func cloudOf(audience string) cloud.Configuration {
	switch {
	case strings.HasSuffix(audience, ".us"):
		return cloud.AzureGovernment
	case strings.HasSuffix(audience, ".cn"):
		return cloud.AzureChina
	}
	return cloud.AzurePublic
}
