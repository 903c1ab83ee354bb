package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// staticToken is a credential with one token.
type staticToken string

// GetToken implements [azcore.TokenCredential].
func (t staticToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// ours sends with a whole run of the pipeline over a source and a state in memory.
//
// That is more than a sink: it looks every record up in the ledger, makes it fit
// the columns, and after each batch commits ledger and checkpoint, none of which
// the others do. It is measured all the same, and not the sink with a loop around
// it, because the pipeline decides what a sink is given and when, and because a
// comparison should rather be unkind to oneself.
func ours(ctx context.Context, j job, records []pipeline.Record) error {
	const tenant = "bench"
	endpoint, err := address.Parse(j.Endpoint)
	if err != nil {
		return err
	}
	sink, err := logsingestion.New(logsingestion.Config{
		Endpoint: endpoint, RuleID: j.Rule, Credential: staticToken(j.Token), Streams: schema.Streams(schema.SailPoint()),
		HTTP: transport.NewClient(transport.Config{Version: version.String()}),
	})
	if err != nil {
		return err
	}
	store := &mem.Store{}
	run := pipeline.Runner{
		Source:      preloaded{j.Stream, records},
		Sink:        sink,
		Locks:       streamlock.New(store, tenant),
		Checkpoints: checkpoint.New(store, tenant),
		OpenLedger: func() pipeline.Ledger {
			return ledger.Open(ledger.Config{Store: store, Tenant: tenant, Stream: j.Stream})
		},
		Quarantine: quarantine.New(store, tenant),
	}
	report := run.Run(ctx)
	if report.State != pipeline.Drained || report.Sent != int64(len(records)) || report.Retries != 0 {
		return fmt.Errorf("the run has sent %d of %d records: %+v", report.Sent, len(records), report)
	}
	return nil
}

// preloaded is a source whose records are there already.
type preloaded struct {
	stream  string
	records []pipeline.Record
}

var _ pipeline.Source = preloaded{}

// Stream implements [pipeline.Source].
func (m preloaded) Stream() pipeline.Stream { return pipeline.Stream{ID: m.stream, Table: m.stream} }

// Fetch implements [pipeline.Source]. The cursor is the number of the next record.
func (m preloaded) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	const size = 1000 // LIMIT
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(string(after)); err != nil {
			return pipeline.Page{}, fmt.Errorf("cursor %q: %w", after, err)
		}
	}
	to := min(from+size, len(m.records))
	return pipeline.Page{Records: m.records[from:to:to], Next: pipeline.Cursor(strconv.Itoa(to)), More: to < len(m.records)}, nil
}
