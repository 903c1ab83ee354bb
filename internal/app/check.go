package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/pythonfn"
)

// Verdict is how a check ended.
type Verdict string

// The verdicts. Skipped: it could not be tried, because it needs something that failed.
const (
	Passed  Verdict = "ok"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// Finding is the outcome of one check. The JSON names are what scripts rely on.
type Finding struct {
	// Item is a short name, for instance "token".
	Item  string  `json:"item"`
	State Verdict `json:"state"`
	// Detail is one line: what was found, or what is wrong and what to do.
	Detail string `json:"detail"`
}

const (
	// probeTimeout bounds one check, its repetitions included.
	probeTimeout = 30 * time.Second
	// probeAttempts are made when an error may pass: a person is waiting.
	probeAttempts = 3
)

// Check tries every part of the connector by itself, in the order in which they
// depend on each other, and reports each as it goes. It reads little and ingests
// nothing; what it writes is a probe object in the state, which it removes again. It holds
// the lock of each stream for a moment.
func Check(ctx context.Context, s config.Settings, o Options, report func(Finding)) {
	o.clock = new(transport.Clock)
	c := &checkup{settings: s, options: o, client: newSource(s, o), report: report}
	for _, f := range Describe(s, o) {
		report(f)
	}
	if c.tenant(ctx) {
		c.probe(ctx, "search", c.search)
		c.probe(ctx, "triggers", func(ctx context.Context) (string, error) {
			return "trigger invocations can be read (scope sp:trigger-service-invocation-status:read)", c.client.CheckTriggers(ctx)
		})
	} else {
		c.skip("search", "needs token")
		c.skip("triggers", "needs token")
	}
	c.state(ctx)
	c.destination(ctx)
	if daily := s.ReadBack.Daily; daily == config.ReportReadBack || daily == config.RepairReadBack {
		c.probe(ctx, "read-back", c.readBack)
	}
	report(clockFinding(o.clock, peers(s)))
}

// checkup is a Check under way.
type checkup struct {
	settings config.Settings
	options  Options
	client   *sailpoint.Client
	report   func(Finding)
}

func (c *checkup) skip(item, why string) { c.report(Finding{item, Skipped, why}) }

// probe tries one thing and reports whether it works.
func (c *checkup) probe(ctx context.Context, item string, try func(context.Context) (string, error)) bool {
	detail, err := c.attempt(ctx, probeAttempts, try)
	switch {
	case ctx.Err() != nil:
		c.skip(item, "stopped")
		return false
	case err != nil:
		c.report(Finding{item, Failed, err.Error()})
		return false
	}
	c.report(Finding{item, Passed, detail})
	return true
}

// attempt repeats what may pass, within a time that a person can wait.
func (c *checkup) attempt(ctx context.Context, most int, try func(context.Context) (string, error)) (detail string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	policy := retry.Policy{MaxAttempts: most}
	err = policy.Do(ctx, nil, func(ctx context.Context) (err error) {
		detail, err = try(ctx)
		return err
	})
	return detail, err
}

// tenant checks the host and the credentials. What a tenant says about itself
// tells a wrong host from wrong credentials, but it is documented loosely: a host
// that gives tokens is right even if it says nothing.
func (c *checkup) tenant(ctx context.Context) bool {
	const item, next = "tenant", "token"
	host := c.settings.BaseURL.Host
	detail, infoErr := c.attempt(ctx, probeAttempts, func(ctx context.Context) (string, error) {
		info, err := c.client.Info(ctx)
		switch {
		case err != nil:
			return "", err
		case info.TenantName == "":
			return host + " answers", nil
		}
		return fmt.Sprintf("%s answers for the tenant %s, pod %s", host, printable(info.TenantName), printable(info.Pod)), nil
	})
	attempts := probeAttempts
	if infoErr != nil {
		attempts = 1 // the host had its chances
	}
	_, tokenErr := c.attempt(ctx, attempts, func(ctx context.Context) (string, error) { return "", c.client.Token(ctx) })
	switch {
	case ctx.Err() != nil:
		c.skip(item, "stopped")
		c.skip(next, "stopped")
		return false
	case infoErr == nil:
		c.report(Finding{item, Passed, detail})
	case tokenErr == nil:
		c.report(Finding{item, Passed, host + " gives tokens, but does not tell who it is: " + infoErr.Error()})
	default:
		c.report(Finding{item, Failed, infoErr.Error()})
		c.skip(next, "needs tenant")
		return false
	}
	if tokenErr != nil {
		c.report(Finding{next, Failed, tokenErr.Error()})
		return false
	}
	c.report(Finding{next, Passed, "CLIENT_ID and CLIENT_SECRET are accepted"})
	return true
}

// search reads one event, and counts those of a day for the reader's sake.
func (c *checkup) search(ctx context.Context) (string, error) {
	if err := c.client.CheckSearch(ctx); err != nil {
		return "", err
	}
	now := time.Now()
	n, err := c.client.Count(ctx, now.Add(-24*time.Hour), now)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("events can be read (scope sp:search:read); the last 24 hours have %d", n), nil
}

// state checks that the store keeps what the promises rest on: durable objects,
// conditional writes, locks; and that the checkpoints can be read.
func (c *checkup) state(ctx context.Context) {
	store := c.options.Store
	works := c.probe(ctx, "state", func(ctx context.Context) (string, error) {
		if store == nil {
			var err error
			if store, err = newStore(c.settings.State, c.options); err != nil {
				return "", err
			}
		}
		return "a probe was locked, written, protected, read and removed", probeStore(ctx, store, c.settings.Tenant)
	})
	for _, s := range newStreams(c.client, c.settings.InitialLookback) {
		name := s.source.Stream().ID
		short := strings.TrimPrefix(name, "SailPointIDN_")
		item, lock := "checkpoint "+short, "lock "+short
		if !works {
			c.skip(item, "needs state")
			c.skip(lock, "needs state")
			continue
		}
		c.probe(ctx, item, func(ctx context.Context) (string, error) {
			saved, err := checkpoint.New(store, c.settings.Tenant).Load(ctx, name)
			switch {
			case err != nil || saved.Tag != "":
				return c.progress(saved), err
			case s.startAt == nil:
				return "none yet: the first run reads all that SailPoint still lists", nil
			}
			return c.beginning(ctx)
		})
		c.probe(ctx, lock, func(ctx context.Context) (string, error) { return c.lock(ctx, store, name) })
	}
}

// progress says how far a stream is.
func (c *checkup) progress(saved pipeline.Checkpoint) string {
	switch {
	case saved.Tag == "":
		return "none yet: the first run begins " + brief(c.settings.InitialLookback) + " back (INITIAL_LOOKBACK)"
	case saved.Through.IsZero():
		return "can be read"
	}
	text := fmt.Sprintf("delivered through %s, %s ago", saved.Through.UTC().Format(time.RFC3339), brief(time.Since(saved.Through).Round(time.Second)))
	if n := saved.Audit.Open(); n > 0 {
		text += fmt.Sprintf("; %d windows of the source are unexplained: idnsentinel audit accept lists them", n)
	}
	return text
}

// beginning says where a stream without a checkpoint begins.
func (c *checkup) beginning(ctx context.Context) (string, error) {
	if c.settings.Legacy.TableEndpoint == nil {
		return c.progress(pipeline.Checkpoint{}), nil
	}
	old, err := newLegacy(c.settings.Legacy, c.options)
	if err != nil {
		return "", err
	}
	at, err := old.CreatedTime(ctx)
	switch {
	case err != nil:
		return "", err
	case at.IsZero():
		return c.progress(pipeline.Checkpoint{}) + "; no older connector left a checkpoint at " + old.Host(), nil
	}
	return fmt.Sprintf("none yet: the first run begins at %s, since the old connector stopped at %s (LEGACY_CHECKPOINT)",
		pythonfn.Begin(at).Format(time.RFC3339), at.Format(time.RFC3339)), nil
}

// probeStore uses a store as a run does, with an object and a lock of its own.
func probeStore(ctx context.Context, store state.Store, tenant string) (err error) {
	lock, key := tenant+"/locks/check", tenant+"/check/probe"
	ctx, release, err := store.Lock(ctx, lock)
	if errors.Is(err, state.ErrLocked) {
		return fmt.Errorf("%w: another check is under way, or was killed less than a minute ago: try again in a minute", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		clean := context.WithoutCancel(ctx)
		err = errors.Join(err, release(clean), store.Delete(clean, lock))
	}()
	if _, _, err := store.Lock(ctx, lock); !errors.Is(err, state.ErrLocked) {
		return fmt.Errorf("state lock %q could be taken twice (%w): two runs would not see each other; use another place for STATE_URL", lock, errOr(err))
	}
	data := []byte("probe of a check, may be deleted: " + rand.Text() + "\n")
	if _, err := store.Put(ctx, key, data, state.Any); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Delete(context.WithoutCancel(ctx), key)) }()
	if _, err := store.Put(ctx, key, nil, state.Absent); !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("state object %q was overwritten although it exists (%w): the place does not know conditional writes; use another one for STATE_URL", key, errOr(err))
	}
	o, err := store.Get(ctx, key)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(o.Data, data):
		return fmt.Errorf("state object %q holds other bytes than were written: use another place for STATE_URL", key)
	}
	return nil
}

var errNone = errors.New("no error")

// errOr names what came instead of the error that had to come.
func errOr(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// destination checks the sink without writing to it.
func (c *checkup) destination(ctx context.Context) {
	item := "workspace"
	if c.settings.IngestionAPI == config.UseNDJSON {
		item = "output"
	}
	c.probe(ctx, item, func(ctx context.Context) (string, error) {
		sink, err := newSink(c.settings, c.options)
		if err != nil {
			return "", err
		}
		if closer, ok := sink.(interface{ Close() error }); ok {
			defer closer.Close()
		}
		switch s := sink.(type) {
		case *datacollector.Sink:
			return "CUSTOMER_ID and SHARED_KEY are accepted; nothing was ingested", s.Check(ctx)
		case *logsingestion.Sink:
			return "the data collection rule takes this identity and has every stream; nothing was ingested", s.Check(ctx)
		}
		return "records can be written", nil
	})
}

// readBack asks the workspace what the last minutes have brought.
func (c *checkup) readBack(ctx context.Context) (string, error) {
	reader, err := newReader(c.settings, c.options)
	if err != nil {
		return "", err
	}
	now := time.Now().Truncate(5 * time.Minute)
	_, err = reader.Count(ctx, c.client.Events().Stream().Table, now.Add(-5*time.Minute), now, 5*time.Minute)
	if errors.Is(err, readback.ErrNoTable) {
		return "the workspace may be asked what has arrived; it has no table of events yet", nil
	}
	return "the workspace may be asked what has arrived (role Log Analytics Reader)", err
}
