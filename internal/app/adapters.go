package app

import (
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/ndjson"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// newSink is the registry of sinks. The sink accepts rows for these tables.
func newSink(s config.Sink, tables []schema.Stream, o Options) (pipeline.Sink, error) {
	switch s.IngestionAPI {
	case config.UseDataCollector:
		cfg := datacollector.Config{
			WorkspaceID: s.DataCollector.WorkspaceID, Key: o.keeper(s.DataCollector.SharedKey), Secondary: o.keeper(s.DataCollector.Secondary), URL: s.DataCollector.URL,
			BatchBytes: s.BatchBytes, TimeFields: map[string]string{}, Open: openTables(tables), HTTP: o.client(),
		}
		for _, stream := range tables {
			cfg.TimeFields[stream.Name] = stream.Time
		}
		return datacollector.New(cfg)
	case config.UseLogsIngestion:
		l := s.LogsIngestion
		cfg := logsingestion.Config{
			Endpoint: l.Endpoint, RuleID: l.RuleID, Credential: o.Credential, Identity: l.Identity, Streams: tables, BatchBytes: s.BatchBytes, HTTP: o.client(),
		}
		if cfg.Credential == nil {
			var err error
			if cfg.Credential, err = o.identities.Credential(l.Identity, logsingestion.Cloud(l.Endpoint)); err != nil {
				return nil, opening("destination", "INGESTION_API", err)
			}
		}
		return logsingestion.New(cfg)
	case config.UseNDJSON:
		out := ndjson.New(o.Out)
		if s.NDJSONPath != "" {
			var err error
			if out, err = ndjson.Open(s.NDJSONPath); err != nil {
				return nil, err
			}
		}
		if fit := fitFor(s.Previewed, tables); fit != nil && o.Look {
			return preview{out, fit}, nil
		}
		return out, nil
	default:
		return nil, fmt.Errorf("INGESTION_API: %q is not served by this version; use DataCollector, LogsIngestion or NDJSON", s.IngestionAPI)
	}
}

// preview prints rows as a destination would get them.
type preview struct {
	*ndjson.Sink
	fit func(table string, raw jsontext.Value) (jsontext.Value, []string, error)
}

// Fit implements [pipeline.Sink].
func (p preview) Fit(table string, raw jsontext.Value) (jsontext.Value, []string, error) {
	return p.fit(table, raw)
}

// fitFor returns the column rules of a destination; nil for none.
func fitFor(api config.IngestionAPI, tables []schema.Stream) func(string, jsontext.Value) (jsontext.Value, []string, error) {
	switch api {
	case config.UseDataCollector:
		return datacollector.Columns(openTables(tables))
	case config.UseLogsIngestion:
		return logsingestion.Columns(tables)
	case config.UseNDJSON:
	}
	return nil
}

// openTables are the tables that fold columns.
func openTables(tables []schema.Stream) map[string]*table.Open {
	all := map[string]*table.Open{}
	for _, stream := range tables {
		if open := stream.Open; open != nil {
			all[stream.Name] = &table.Open{Parent: open.Parent, Name: open.Name, Known: set(open.Known)}
		}
	}
	return all
}

// set is a list for looking up.
func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// newStore opens the state store.
func newStore(s config.State, o Options) (state.Store, error) {
	if s.Dir != "" {
		return file.Open(s.Dir)
	}
	a := s.Account
	cfg := azblob.Config{ServiceURL: a.BlobEndpoint, Container: s.Container, AccountName: a.Name}
	cfg.ClientOptions.Transport = o.clock.Watch(transport.NewClient(transport.Config{Version: version.String()}))
	switch a.Auth {
	case config.AccountKey:
		cfg.AccountKey = o.keeper(a.Key)
	case config.SharedAccess:
		cfg.SAS = a.SAS
	default:
		var err error
		if cfg.Credential, err = o.identities.Credential(entra.Identity{Managed: a.ClientID}, cloud.Configuration{}); err != nil {
			return nil, opening("state", a.Setting, err)
		}
	}
	return azblob.New(cfg)
}

// newLegacy opens the checkpoint of an older connector at the address in the settings.
func newLegacy(s config.Legacy, o Options) (*legacy.Account, error) {
	cfg := legacy.Config{ServiceURL: s.TableEndpoint, AccountName: s.Name, AccountKey: o.keeper(s.Key), KeySetting: s.KeySetting, Expected: s.Named}
	if s.Auth == config.ManagedIdentity {
		if cfg.Credential = o.Credential; cfg.Credential == nil {
			var err error
			if cfg.Credential, err = o.identities.Credential(entra.Identity{Managed: s.ClientID}, cloud.Configuration{}); err != nil {
				return nil, opening("checkpoint of the old connector", "LEGACY_CHECKPOINT", err)
			}
		}
	}
	return legacy.New(cfg)
}

// newIdentities returns the credentials that all connections share. It sends nothing.
func newIdentities(o Options) *azsdk.Identities {
	all := &azsdk.Identities{Person: o.Person}
	if o.HTTP != nil {
		all.Transport = transport.NoRedirects(o.HTTP) // a token must not go elsewhere
	}
	return all
}
