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

// shared is what the connections of an app share.
type shared struct {
	options Options
	state   config.State
	budget  time.Duration                     // of a run
	every   func(now time.Time) time.Duration // the interval between two runs
	ticks   func(time.Time) time.Time         // the second tick after one; zero if there is none
	store   state.Store
	tables  []schema.Stream // allowed for rows, including the health table
	// memory limits the pages that the runs of all sources hold; nil with one source, whose
	// runs limit themselves.
	memory *pipeline.Memory

	// forwards has a slot for each forwarding that runs: one holds a part of a report and some rows.
	forwards chan struct{}

	mu    sync.Mutex
	sinks map[string]pipeline.Sink // by sinkKey
}

func newShared(s config.Settings, o Options) (*shared, error) {
	all := &shared{options: o, state: s.State, budget: s.RunBudget, every: interval(s), ticks: secondTick(s), store: o.Store, tables: tablesOf(s.Connections, o), sinks: map[string]pipeline.Sink{}, forwards: make(chan struct{}, forwardsAtOnce)}
	if n := sourcesOf(s); n > 1 {
		// Further connections have memory of their own; further sources of a connection do not.
		further := int64(n - len(s.Connections))
		all.memory = pipeline.NewMemory(max(pageMemory-further*sourceMemory, 0) + beyond(s)/2)
	}
	if all.store == nil {
		var err error
		if all.store, err = newStore(s.State, o); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sourcesOf is how many sources are read.
func sourcesOf(s config.Settings) (n int) {
	for _, c := range s.Connections {
		n += len(c.Sources)
	}
	return n
}

// tablesOf returns the health table and the tables that rows of these connections go to.
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

// sink opens the destination of a connection, or shares one with the same settings, because
// request rate, findings about the service and batch size are per workspace. Notices about
// writes are not shared.
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
		return nil, err // an error never comes with a sink
	}
	s.sinks[key] = sink
	return sink, nil
}

// sinkKey is equal for settings with the same destination and options. It contains secrets.
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
		d.WorkspaceID, d.SharedKey.Key(), d.Secondary.Key(), text(d.URL),
		l.RuleID, l.Identity.Key(), text(l.Endpoint),
	}, "\n")
}
