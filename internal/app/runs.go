package app

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

// The programs that run streams, see [Options.By].
const (
	ByFunction = runs.ByFunction
	ByServe    = runs.ByServe
	ByCommand  = runs.ByHand
)

const (
	// outcomeTimeout limits the writing of outcomes: the run is over, and a store that is down has
	// already delayed it enough.
	outcomeTimeout = 3 * time.Second
	// longestError is how much of a failure's text is searched for secrets; less of it is stored.
	longestError = 8000
)

// journal leaves in the state what the runs of a connection came to. Nothing that it does fails or
// delays a delivery.
type journal struct {
	mu    sync.Mutex
	noted map[string]bool // by stream: this process has noted that its first run began
}

// first reports whether the stream has not had a run in this process.
func (j *journal) first(stream string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.noted[stream] {
		return false
	}
	if j.noted == nil {
		j.noted = map[string]bool{}
	}
	j.noted[stream] = true
	return true
}

// begins notes, besides the run, that the first one of this process begins. wait returns once that
// is done or given up.
func (c *Connection) begins(ctx context.Context, streams []stream) (wait func()) {
	var notes sync.WaitGroup
	at := time.Now()
	for _, s := range streams {
		stream := s.Stream().ID
		if c.settings.Tenant == "" || !c.journal.first(stream) {
			continue
		}
		notes.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
			defer cancel()
			c.noted(stream, func() error { return c.Runs().Begin(ctx, stream, at) })
		})
	}
	return notes.Wait
}

// ends leaves the outcomes of runs in the state.
func (c *Connection) ends(ctx context.Context, reports []pipeline.Report) {
	if c.settings.Tenant == "" { // unknown, because of invalid settings
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	by := runs.Program{By: cmp.Or(c.options.By, ByCommand), Version: version.String()}
	at := time.Now()
	var all sync.WaitGroup
	for _, rep := range reports {
		all.Go(func() {
			c.noted(rep.Stream, func() error { return c.Runs().End(ctx, c.masked(rep), by, at) })
		})
	}
	all.Wait()
}

// noted logs what went wrong with a note.
func (c *Connection) noted(stream string, note func() error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Warn("outcome of the run was not stored", "stream", stream, "error", fmt.Sprintf("internal error: %v", p))
		}
	}()
	if err := note(); err != nil {
		c.log.Warn("outcome of the run was not stored", "stream", stream, "error", err.Error())
	}
}

// Runs is where the outcomes of the runs are.
func (c *Connection) Runs() *runs.Store { return runs.New(c.store, c.settings.Tenant) }

// masked is a report without secrets. No error should show one; but what is stored is shown to
// more people than a log, and later.
func (c *Connection) masked(rep pipeline.Report) pipeline.Report {
	if rep.Error == "" && len(rep.Warnings) == 0 {
		return rep
	}
	hidden := c.secrets()
	rep.Error = secret.Mask(text.Cut(rep.Error, longestError), hidden...)
	warnings := make([]string, len(rep.Warnings))
	for i, w := range rep.Warnings {
		warnings[i] = secret.Mask(text.Cut(w, longestError), hidden...)
	}
	rep.Warnings = warnings
	return rep
}

// secrets are the texts of all secrets of the connection, as far as they are known.
func (c *Connection) secrets() (all []secret.String) {
	keepers := c.keepers.all()
	values := []secret.Value{c.state.Account.Key, c.settings.Legacy.Key}
	if c.settings.IngestionAPI == config.UseDataCollector {
		values = append(values, c.settings.DataCollector.SharedKey, c.settings.DataCollector.Secondary)
	}
	for _, v := range values {
		keepers = append(keepers, c.options.vaults.Keeper(v))
	}
	for _, k := range keepers {
		all = append(all, k.Known()...)
	}
	return append(all, c.state.Account.SAS)
}

// keepers are those that the sources of a connection have been given.
type keepers struct {
	mu   sync.Mutex
	list []secret.Keeper
}

func (k *keepers) add(one secret.Keeper) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, one)
}

func (k *keepers) all() []secret.Keeper {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]secret.Keeper(nil), k.list...)
}
