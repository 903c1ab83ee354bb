package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout/queue"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/state/queuenote"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

const (
	// lookEvery is how often the app looks at its queue while nothing is wrong with it. Otherwise it
	// does at each tick.
	lookEvery = time.Hour
	// queueTimeout limits one look, and what is written about it.
	queueTimeout = 20 * time.Second
)

// newQueue opens the queue of FAN_OUT, to look at it. Its address is known.
func newQueue(s config.Queue, o Options) (*queue.Client, error) {
	cfg := queue.Config{Endpoint: s.Endpoint, Setting: s.Setting, AccountName: s.Name}
	cfg.ClientOptions.Transport = transport.NoRedirects(o.client()) // a token must not go elsewhere
	switch s.Auth {
	case config.AccountKey:
		cfg.Key = s.Key.Text()
	case config.SharedAccess:
		cfg.SAS = s.SAS
	default:
		if cfg.Credential = o.Credential; cfg.Credential == nil {
			var err error
			if cfg.Credential, err = o.identities.Credential(entra.Identity{Managed: s.ClientID}, cloud.Configuration{}); err != nil {
				return nil, opening("queue", s.Setting, err)
			}
		}
	}
	return queue.New(cfg)
}

// queueWatch is what the process with the timer knows about the queue.
type queueWatch struct {
	mu      sync.Mutex
	next    time.Time // of the next look
	problem string
}

// watchQueue looks at the queue when it is time, or at once, and leaves in the state, the log and the
// health table what is wrong with it. That the app can't use its queue is otherwise known only to the
// host, and to people who read its log.
func (a *App) watchQueue(ctx context.Context, atOnce bool) {
	w := &a.queue
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if a.queueAt.Endpoint == nil || !atOnce && now.Before(w.next) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	problem := a.queueProblem(ctx, now)
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) { // the process ends
		return
	}
	changed := problem != w.problem
	w.problem, w.next = problem, now.Add(lookEvery)
	if problem != "" {
		w.next = now
	}
	if err := queuenote.Write(ctx, a.connections[0].store, queuenote.Note{At: now, Problem: problem}); err != nil {
		a.options.Log.Warn("what the queue is like was not noted", "error", err.Error())
	}
	switch {
	case !changed:
	case problem == "":
		a.options.Log.Info("the queue can be used again", "queue", fanout.Queue)
	default:
		a.options.Log.Error("the queue can't be relied on", "queue", fanout.Queue, "problem", problem)
		if err := a.tellWork(ctx, "", problem, now); err != nil {
			a.options.Log.Warn("health row about the queue could not be written", "error", err.Error())
		}
	}
}

// queueProblem says what is wrong with the queue, or "".
func (a *App) queueProblem(ctx context.Context, now time.Time) string {
	client, err := newQueue(a.queueAt, a.options)
	if err != nil {
		return err.Error()
	}
	seen, err := client.Look(ctx)
	if err != nil {
		return err.Error()
	}
	if err := suspicious(seen, a.options.Site, now); err != nil {
		return err.Error()
	}
	return ""
}

// suspicious says what is wrong with a queue that can be used. site is the app's own name, "" if it is
// unknown.
func suspicious(seen queue.Seen, site string, now time.Time) error {
	var apps []string
	if site != "" {
		apps = append(apps, site)
	}
	old := 0
	for _, m := range seen.Messages {
		if m.App != "" && !slices.Contains(apps, m.App) {
			apps = append(apps, m.App)
		}
		if m.Stale(now) {
			old++
		}
	}
	switch {
	case len(apps) > 1:
		return fmt.Errorf("two apps share the queue %s: messages of %s wait in it%s", fanout.Queue, strings.Join(apps, " and "), ownAccount)
	case seen.Strange > 0:
		return fmt.Errorf("something else writes to the queue %s: %d of the messages that wait are not of this app: remove it, and delete them", fanout.Queue, seen.Strange)
	case old > 0 && old == len(seen.Messages):
		return fmt.Errorf("%d messages wait in the queue %s, and those in front are of %s and earlier: no instance works them off; look whether the function work is there and enabled, and at its invocations", seen.Waiting, fanout.Queue, seen.Messages[old-1].Tick.UTC().Format(time.RFC3339))
	}
	return nil
}

// queue checks the queue of FAN_OUT=queue.
func (c *checkup) queue(ctx context.Context) {
	const item = "queue"
	at := c.settings.Queue
	if at.Endpoint == nil {
		c.Skip(item, "these settings don't say where the queue of FAN_OUT is: AzureWebJobsStorage, which the function app has, is missing")
		return
	}
	now := time.Now()
	var refused *queue.DeniedError
	works := func(ctx context.Context) (string, error) {
		client, err := newQueue(at, c.options)
		if err != nil {
			return "", err
		}
		seen, err := client.Look(ctx)
		if c.options.Person && at.Auth == config.ManagedIdentity && errors.As(err, &refused) {
			return c.queueOfApp(ctx, now)
		}
		if err == nil {
			err = suspicious(seen, c.options.Site, now)
		}
		return describeQueue(seen), err
	}
	c.Try(ctx, item, works)
}

// queueOfApp is what the app itself has noted, for a person whom the queue refuses.
func (c *checkup) queueOfApp(ctx context.Context, now time.Time) (string, error) {
	const own = "the queue refuses your own identity, which says nothing about the app"
	if c.options.Store == nil {
		return "", errors.New(own + ", and the state, where the app notes what it finds, can't be opened")
	}
	n, err := queuenote.Read(ctx, c.options.Store)
	switch {
	case err != nil || n.At.IsZero():
		return "", fmt.Errorf("%s, and the app has not noted yet whether it may use it: run this check again after its next tick, or take the role Storage Queue Data Reader on %s", own, c.settings.Queue.Endpoint.Host)
	case n.Problem != "":
		return "", fmt.Errorf("%s ago the app found: %s", status.Age(now.Sub(n.At)), n.Problem)
	}
	return fmt.Sprintf("%s; the app itself could use it %s ago", own, status.Age(now.Sub(n.At))), nil
}

// describeQueue says what a look found where nothing is wrong.
func describeQueue(seen queue.Seen) string {
	text := fmt.Sprintf("%s can be used; %d messages are in it", fanout.Queue, seen.Waiting)
	if seen.Missing {
		text = fanout.Queue + " does not exist yet: the host creates it with the first message"
	}
	if seen.GivenUp > 0 {
		text += fmt.Sprintf("; %d were given up (%s): idnsentinel status says why", seen.GivenUp, fanout.Poison)
	}
	return text
}
