package readback

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

var _ pipeline.Ledger = (*Arrivals)(nil)

// derivedID is what the id begins with that the source gives a document without
// one. The row has none.
const derivedID = "sha256:"

// Arrivals is a ledger of what has arrived in the workspace, for an audit of
// [From, To). Like a ledger it is used by one goroutine, for one run.
type Arrivals struct {
	Client   *Client
	Stream   string
	From, To time.Time
	// Window is the width of the windows, on whose borders From and To are.
	Window time.Duration
	// Delivered is the ledger of what was acknowledged. What is sent again is
	// noted there; it is asked nothing.
	Delivered pipeline.Ledger

	counts map[time.Time]int64
	again  map[time.Time]int64 // sent again in this run: not to be seen for a while
	// The ids of the window that was asked for last: an audit reads one after the other.
	at      time.Time
	set     idSet
	claimed map[string]struct{}
}

// Count implements [pipeline.Ledger]. Everything is counted at the first call.
func (a *Arrivals) Count(ctx context.Context, from, to time.Time) (n int64, err error) {
	if from.Before(a.From) || to.After(a.To) {
		return 0, fmt.Errorf("count what has arrived: %s to %s is not within the audit", stamp(from), stamp(to))
	}
	if a.counts == nil {
		if a.counts, err = a.Client.Count(ctx, a.Stream, a.From, a.To, a.Window); err != nil {
			return 0, err
		}
		a.again, a.claimed = map[time.Time]int64{}, map[string]struct{}{}
	}
	for at := from.UTC(); at.Before(to); at = at.Add(a.Window) {
		n += a.counts[at] + a.again[at]
	}
	return n, nil
}

// Claim implements [pipeline.Ledger]: what the workspace has is not new.
func (a *Arrivals) Claim(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	fresh := make([]bool, len(records))
	for i, rec := range records {
		at := rec.Time.UTC().Truncate(a.Window)
		if err := a.load(ctx, at); err != nil {
			return nil, err
		}
		id := normal(rec.ID)
		if _, ok := a.claimed[id]; ok {
			continue
		}
		if strings.HasPrefix(rec.ID, derivedID) && a.set.without > 0 {
			a.set.without-- // one of them is it, as far as anybody can tell
			a.claimed[id] = struct{}{}
			continue
		}
		if _, ok := a.set.ids[id]; !ok {
			a.claimed[id] = struct{}{}
			fresh[i] = true
		}
	}
	return fresh, nil
}

// load lists the ids of a window.
func (a *Arrivals) load(ctx context.Context, at time.Time) error {
	if a.at.Equal(at) && a.set.ids != nil {
		return nil
	}
	if _, err := a.Count(ctx, a.From, a.From); err != nil { // so that the number is known
		return err
	}
	set, err := a.Client.list(ctx, a.Stream, at, at.Add(a.Window), a.counts[at])
	if err != nil {
		return err
	}
	a.at, a.set = at, set
	return nil
}

// Prove implements [pipeline.Ledger].
func (a *Arrivals) Prove(ctx context.Context, claimed []pipeline.Record) error {
	return a.Delivered.Prove(ctx, claimed)
}

// Commit implements [pipeline.Ledger].
func (a *Arrivals) Commit(ctx context.Context, delivered []pipeline.Record) error {
	if _, err := a.Delivered.Claim(ctx, delivered); err != nil {
		return err
	}
	if err := a.Delivered.Commit(ctx, delivered); err != nil {
		return err
	}
	for _, rec := range delivered {
		a.again[rec.Time.UTC().Truncate(a.Window)]++
	}
	return nil
}
