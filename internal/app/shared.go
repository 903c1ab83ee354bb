package app

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// shared is what the connections of an app have together.
type shared struct {
	options Options
	state   config.State
	budget  time.Duration // of a run
	store   state.Store
	tables  []schema.Stream // what rows may be of, the health table's included
	// memory is for the pages that the runs of all connections hold; nil if there is one
	// connection, whose runs bound themselves.
	memory *pipeline.Memory

	mu    sync.Mutex
	sinks map[string]pipeline.Sink // by the settings that lead there
}

func newShared(s config.Settings, o Options) (*shared, error) {
	all := &shared{options: o, state: s.State, budget: s.RunBudget, store: o.Store, tables: tablesOf(s.Connections, o), sinks: map[string]pipeline.Sink{}}
	if len(s.Connections) > 1 {
		all.memory = pipeline.NewMemory(pageMemory + beyond(s)/2)
	}
	if all.store == nil {
		var err error
		if all.store, err = newStore(s.State, o); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tablesOf are the tables that rows of these connections go to, and the health table.
func tablesOf(connections []config.Connection, o Options) []schema.Stream {
	tables := []schema.Stream{schema.Health().Stream}
	for _, c := range connections {
		for _, s := range streamsOf(openSources(c, o)) {
			same := func(t schema.Stream) bool { return t.Name == s.Table.Stream.Name }
			if !slices.ContainsFunc(tables, same) {
				tables = append(tables, s.Table.Stream)
			}
		}
	}
	return tables
}

// sink opens the destination of a connection, or returns the one that another connection
// with the same settings writes to: what a workspace is asked in a second, what it answers
// and how large its batches may be is of one piece. What there is to say about writes is not.
func (s *shared) sink(settings config.Sink) (pipeline.Sink, error) {
	key := sinkKey(settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sink, ok := s.sinks[key]; ok {
		if s, ok := sink.(interface{ Share() pipeline.Sink }); ok {
			sink = s.Share()
		}
		return sink, nil
	}
	sink, err := newSink(settings, s.tables, s.options)
	if err != nil {
		return nil, err // whatever came with it
	}
	s.sinks[key] = sink
	return sink, nil
}

// sinkKey is the same for settings that lead to the same place in the same way. It holds secrets.
func sinkKey(s config.Sink) string {
	d, l := s.DataCollector, s.LogsIngestion
	text := func(u *url.URL) string {
		if u == nil {
			return ""
		}
		return u.String()
	}
	return strings.Join([]string{
		string(s.IngestionAPI), strconv.Itoa(s.BatchBytes), s.NDJSONPath,
		d.WorkspaceID, d.SharedKey.Reveal(), text(d.URL),
		l.RuleID, l.ClientID, text(l.Endpoint),
	}, "\n")
}
