package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// checkedAtOnce is how many connections are checked at the same time. Most of a check is waiting
// for services, and one that does not answer takes half a minute.
const checkedAtOnce = 8

// Check tests each part of the connector separately, in order of dependency, and reports
// each result at once. It reads little and ingests nothing. It writes only a probe object
// to the state, which it removes, and briefly holds the lock of each stream.
//
// Several connections are checked at the same time. Their findings include their names and are
// reported in the order of the settings.
func Check(ctx context.Context, s config.Settings, o Options, report func(check.Finding)) {
	o.identities = newIdentities(o) // connections may share them
	o.vaults = newVaults(o)
	queue := check.NewQueue(len(s.Connections), report)
	var g errgroup.Group
	g.SetLimit(checkedAtOnce)
	for i, connection := range s.Connections {
		g.Go(func() error {
			defer queue.Done(i)
			c := &checkup{settings: s, connection: connection, options: o.prepared(), reported: map[string]bool{}, Report: func(f check.Finding) {
				f.Connection = connection.Name
				queue.Report(i, f)
			}}
			c.options.keeps = func(s *keyvault.Secret) { c.kept = append(c.kept, s) }
			c.sources = openSources(connection, c.options)
			c.streams = streamsOf(c.sources)
			c.describe()
			if i == 0 {
				describeProcess(s, func(f check.Finding) { queue.Report(i, f) })
			}
			c.run(ctx)
			if i == 0 && s.FanOut {
				c.Report = func(f check.Finding) { queue.Report(i, f) }
				c.queue(ctx)
			}
			return nil
		})
	}
	_ = g.Wait() // findings are the errors
}

// run does all checks after the description of the settings.
func (c *checkup) run(ctx context.Context) {
	c.checkSecrets(ctx)
	for _, one := range c.sources {
		one.Check(ctx, c.Report)
	}
	c.state(ctx)
	c.destination(ctx)
	if daily := c.connection.ReadBack.Daily; daily == config.ReportReadBack || daily == config.RepairReadBack {
		c.Try(ctx, "read-back", c.readBack)
	}
	c.Report(clockFinding(c.options.clock, peers(c.settings.State, c.connection, c.sources)))
}

// checkup is a Check in progress.
type checkup struct {
	check.Report
	settings   config.Settings
	connection config.Connection
	options    Options
	sources    []source.Connector
	streams    []stream
	// kept are the secrets in vaults that are needed, reported the settings of those checked.
	kept     []*keyvault.Secret
	reported map[string]bool
}

// state checks that the store provides what delivery relies on: durable objects,
// conditional writes and locks. It also reads the checkpoints.
func (c *checkup) state(ctx context.Context) {
	store := c.options.Store
	works := c.Try(ctx, "state", func(ctx context.Context) (string, error) {
		if store == nil {
			var err error
			if store, err = newStore(c.settings.State, c.options); err != nil {
				return "", err
			}
			c.options.Store = store
			c.checkSecrets(ctx)
		}
		return "a probe was locked, written, protected, read and removed", probeStore(ctx, store, c.connection.Tenant)
	})
	for _, s := range c.streams {
		name := s.Stream().ID
		item, lock := "checkpoint "+s.Short, "lock "+s.Short
		if !works {
			c.Skip(item, "needs state")
			c.Skip(lock, "needs state")
			continue
		}
		c.Try(ctx, item, func(ctx context.Context) (string, error) {
			saved, err := checkpoint.New(store, c.connection.Tenant).Load(ctx, name)
			switch {
			case err != nil || saved.Tag != "":
				return c.progress(saved), err
			case s.StartAt == nil:
				return "none yet: the first run reads all that " + s.of.Name() + " still lists", nil
			}
			return c.beginning(ctx, s)
		})
		c.Try(ctx, lock, func(ctx context.Context) (string, error) { return c.lock(ctx, store, name) })
		c.backfills(ctx, store, s)
	}
	if !works {
		c.Skip("function", "needs state")
		return
	}
	c.Try(ctx, "function", func(ctx context.Context) (string, error) { return c.function(ctx, store) })
}

// backfills looks at the jobs of a stream. A stream without jobs, or with finished ones only, has no
// finding.
func (c *checkup) backfills(ctx context.Context, store state.Store, s stream) {
	if !s.audited() {
		return
	}
	item := "backfills " + s.Short
	detail, err := check.Attempt(ctx, check.Attempts, func(ctx context.Context) (string, error) {
		f, _, err := jobs.New(store, c.connection.Tenant).Load(ctx, s.Stream().ID)
		if err != nil {
			return "", err
		}
		return c.judgeJobs(f)
	})
	switch {
	case ctx.Err() != nil:
		c.Skip(item, "stopped")
	case err != nil:
		c.Fail(item, err)
	case detail != "":
		c.Pass(item, detail)
	}
}

// judgeJobs says how far jobs are; "" if none is unfinished. The error is about those that a person has to
// see to.
func (c *checkup) judgeJobs(f jobs.File) (string, error) {
	now := time.Now()
	silent := status.SilentAfter(interval(c.settings)(now), longest(c.settings.RunBudget))
	var bad, good []string
	for i := range f.Jobs {
		job := &f.Jobs[i]
		if what, remedy := status.BackfillProblem(job, now, silent); what != "" {
			bad = append(bad, strings.TrimSuffix(what, ".")+": "+remedy)
		} else if !job.Finished() {
			good = append(good, job.ID+": "+job.Progress())
		}
	}
	if len(bad) > 0 {
		return "", errors.New(strings.Join(bad, " "))
	}
	return strings.Join(good, "; "), nil
}

// function says when a run was last seen that was not started by hand. None is normal before the
// function is deployed.
func (c *checkup) function(ctx context.Context, store state.Store) (string, error) {
	var last runs.Seen
	for _, s := range c.streams {
		f, err := runs.New(store, c.connection.Tenant).Load(ctx, s.Stream().ID)
		if errors.Is(err, runs.ErrDamaged) || errors.Is(err, runs.ErrForeign) {
			err = fmt.Errorf("%w: the next run replaces it; if it comes again, two apps share one state (STATE_URL)", err)
		}
		if err != nil {
			return "", err
		}
		if seen := f.ByItself(); seen.At.After(last.At) {
			last = seen
		}
	}
	if last.At.IsZero() {
		return "no run of the function is in this state yet", nil
	}
	now := time.Now()
	age := status.Age(now.Sub(last.At))
	if now.Sub(last.At) > status.SilentAfter(interval(c.settings)(now), longest(c.settings.RunBudget)) {
		return "", fmt.Errorf("the function has not run for %s: start it if it is stopped, or compare STATE_URL, AZURE_STORAGE_… and TENANT_ID with the settings of the app: it may use another state; idnsentinel status says more", age)
	}
	text := fmt.Sprintf("the last run of the %s was %s ago, version %s; idnsentinel status says more", program(last.By), age, last.Version)
	if own := version.String(); c.options.Person && last.Version != own {
		text += "; this command is version " + own + ": use that of the same release"
	}
	return text, nil
}

// progress says how far a stream has been delivered.
func (c *checkup) progress(saved pipeline.Checkpoint) string {
	switch {
	case saved.Tag == "":
		return "none yet: the first run begins " + text.Duration(c.connection.InitialLookback) + " back (INITIAL_LOOKBACK)"
	case saved.Through.IsZero():
		return "can be read"
	}
	text := fmt.Sprintf("delivered through %s, %s ago", saved.Through.UTC().Format(time.RFC3339), text.Duration(time.Since(saved.Through).Round(time.Second)))
	if n := saved.Audit.Open(); n > 0 {
		text += fmt.Sprintf("; %d windows of the source are unexplained: idnsentinel audit accept lists them", n)
	}
	return text
}

// beginning says where a stream without a checkpoint begins.
func (c *checkup) beginning(ctx context.Context, s stream) (string, error) {
	if c.connection.Legacy.TableEndpoint == nil || s.Inherits == nil {
		return c.progress(pipeline.Checkpoint{}), nil
	}
	old, err := newLegacy(c.connection.Legacy, c.options)
	if err != nil {
		return "", err
	}
	begin, err := beginning(ctx, s, c.streams, old, c.connection.Legacy.Named)
	switch {
	case err != nil:
		return "", err
	case begin.Cursor == "":
		return c.progress(pipeline.Checkpoint{}) + "; no older connector left a checkpoint at " + old.Host(), nil
	}
	return "none yet: the first run begins " + begin.Says + " (LEGACY_CHECKPOINT)", nil
}

// probeLines make the probe a megabyte: what a run has to store of a backlog. A small one would pass on
// a disk that is too full for any run.
const probeLines = 16_500

// probeStore uses a store as a run does, with its own object and lock.
func probeStore(ctx context.Context, store state.Store, tenant string) (err error) {
	lock, key := tenant+"/locks/check", tenant+"/check/probe"
	ctx, release, err := store.Lock(ctx, lock)
	if errors.Is(err, state.ErrLocked) {
		return fmt.Errorf("%w: another check is running, or was killed less than a minute ago: try again in a minute", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		clean := context.WithoutCancel(ctx)
		err = errors.Join(err, release(clean), store.Delete(clean, lock))
	}()
	if _, _, err := store.Lock(ctx, lock); !errors.Is(err, state.ErrLocked) {
		return fmt.Errorf("state lock %q could be taken twice (%w), so two runs would not exclude each other; use another location for STATE_URL", lock, errOr(err))
	}
	data := bytes.Repeat([]byte("probe of a check, may be deleted: "+rand.Text()+"\n"), probeLines)
	if _, err := store.Put(ctx, key, data, state.Any); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Delete(context.WithoutCancel(ctx), key)) }()
	if _, err := store.Put(ctx, key, nil, state.Absent); !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("state object %q was overwritten although it exists (%w): the location does not support conditional writes; use another one for STATE_URL", key, errOr(err))
	}
	o, err := store.Get(ctx, key)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(o.Data, data):
		return fmt.Errorf("state object %q contains different bytes from those written: use another location for STATE_URL", key)
	}
	return nil
}

var errNone = errors.New("no error")

// errOr names what occurred instead of the expected error.
func errOr(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// destination checks the sink without writing to it.
func (c *checkup) destination(ctx context.Context) {
	item := "workspace"
	if c.connection.IngestionAPI == config.UseNDJSON {
		item = "output"
	}
	refused := false
	try := func(ctx context.Context) (string, error) {
		sink, err := newSink(c.connection.Sink, tablesOf([]config.Connection{c.connection}, c.options), c.options)
		if err != nil {
			return "", err
		}
		if closer, ok := sink.(interface{ Close() error }); ok {
			defer closer.Close()
		}
		c.checkSecrets(ctx)
		switch s := sink.(type) {
		case *datacollector.Sink:
			if err := s.Check(ctx); err != nil {
				return "", err
			}
			return s.Keys(ctx) + "; nothing was ingested", nil
		case *logsingestion.Sink:
			err := s.Check(ctx)
			who := c.connection.LogsIngestion.Identity
			if refused = c.options.Person && (logsingestion.Denied(err) || who.Abroad() && logsingestion.Unsigned(err)); refused {
				return "", nil
			}
			if who.Abroad() && !c.options.Person {
				return "the data collection rule accepts " + who.String() + " and has every stream; nothing was ingested", err
			}
			return "the data collection rule accepts this identity and has every stream; nothing was ingested", err
		}
		return "records can be written", nil
	}
	switch detail, err := check.Attempt(ctx, check.Attempts, try); {
	case ctx.Err() != nil:
		c.Skip(item, "stopped")
	case err != nil:
		c.Fail(item, err)
	case refused:
		c.Skip(item, refusedPerson(c.connection))
	default:
		c.Pass(item, detail)
	}
}

// refusedPerson says why a check as a person does not answer whether the app may send.
func refusedPerson(s config.Connection) string {
	const take = "to test the rule from here, take the role Monitoring Metrics Publisher on it"
	if who := s.LogsIngestion.Identity; who.Abroad() {
		return "your own identity may not send to the data collection rule, which says nothing about the app: it sends as " + who.String() + "; " + take + ", as a guest of that directory (az login --tenant " + who.Directory + ")"
	}
	return "the data collection rule refuses your own identity, which says nothing about the app: it sends with another one; " + take
}

// readBack checks that the workspace can be queried for what has arrived.
func (c *checkup) readBack(ctx context.Context) (string, error) {
	reader, err := newReader(c.connection, c.options)
	if err != nil {
		return "", err
	}
	for _, s := range c.streams {
		if !s.audited() {
			continue
		}
		err = reader.MayAsk(ctx, s.inWorkspace())
		if errors.Is(err, readback.ErrNoTable) {
			return "the workspace can be queried for what has arrived; it has no table " + s.Table.Name + " yet", nil
		}
		if err != nil {
			return "", err
		}
	}
	return "the workspace can be queried for what has arrived (role Log Analytics Reader)", nil
}

// program is what runs streams, in a sentence.
func program(by string) string {
	if by == ByServe {
		return "service"
	}
	return by
}
