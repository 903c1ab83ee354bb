package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/idn-sentinel/idn-sentinel/internal/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/version"
)

// DefaultSettle is how long a workspace may take to show what it has acknowledged.
// Seconds are usual, some minutes normal; for a new table it is a quarter of an hour.
const DefaultSettle = 15 * time.Minute

// lookInWorkspace makes r compare with what has arrived in the workspace. A window
// that the connector wrote to a short while ago is left for later: the workspace may
// not show yet what it has.
func (a *App) lookInWorkspace(r *pipeline.Runner, s stream, q *Question) error {
	client, err := a.reader()
	if err != nil {
		return err
	}
	open := r.OpenLedger
	r.OpenLedger = func() pipeline.Ledger {
		return &readback.Arrivals{Client: client, Stream: s.source.Stream(), From: q.From, To: q.To, Window: s.window, Delivered: open()}
	}
	var written map[time.Time]time.Time // by start of the window
	q.Unsettled = func(ctx context.Context, from, _ time.Time) (bool, error) {
		if written == nil {
			written = map[time.Time]time.Time{}
			known := ledger.Open(ledger.Config{Store: a.store, Tenant: a.settings.Tenant, Stream: s.source.Stream(), Window: s.window})
			for w, err := range known.Windows(ctx) {
				if err != nil {
					return false, err
				}
				written[w.Start.UTC()] = w.Modified
			}
		}
		at, ok := written[from.UTC()]
		return ok && time.Since(at) < q.Settle, nil
	}
	return nil
}

// reader is the client that asks the workspace.
func (a *App) reader() (*readback.Client, error) {
	where := a.settings.ReadBack
	if where.WorkspaceID == "" {
		return nil, errors.New("CUSTOMER_ID is missing: set it to the id of the workspace that is to be asked")
	}
	cfg := readback.Config{
		URL: where.URL, Audience: where.Audience, WorkspaceID: where.WorkspaceID,
		HTTP: a.options.HTTP, Retry: retry.Policy{MaxAttempts: handAttempts}, Version: version.String(),
		Credential: a.options.Credential,
	}
	if cfg.Credential == nil && where.URL.Scheme == "https" {
		var err error
		if cfg.Credential, err = identity(where.ClientID, cloudOf(where.Audience)); err != nil {
			return nil, opening("workspace", "LOG_ANALYTICS_QUERY_URL", err)
		}
	}
	return readback.New(cfg), nil
}

// cloudOf is the cloud whose sign-in service gives tokens for an audience.
func cloudOf(audience string) cloud.Configuration {
	switch {
	case strings.HasSuffix(audience, ".us"):
		return cloud.AzureGovernment
	case strings.HasSuffix(audience, ".cn"):
		return cloud.AzureChina
	}
	return cloud.AzurePublic
}
