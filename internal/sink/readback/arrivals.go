package readback

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

var _ pipeline.Ledger = (*Arrivals)(nil)

// derivedID is the prefix of the id that the source derives for a document without
// one. Its row has no id.
const derivedID = "sha256:"

// Arrivals is a ledger of what has arrived in the workspace, for an audit of
// [From, To). Like any ledger, it is used by one goroutine, for one run.
//
// Several connectors may write to one table, so not every row belongs to this one. The
// column org names the tenant, as do the source's records. Count counts only rows of this
// tenant, and only rows that can be distinguished, so the count may be less than what has
// arrived, but never more. Claim compares ids.
type Arrivals struct {
	Client   *Client
	Table    Table
	From, To time.Time
	// Window is the width of the windows. From and To are on the borders of windows.
	Window time.Duration
	// Sample returns a page of the source's records of this time, to find out which org they
	// name. Nil if they name none.
	Sample func(context.Context) (pipeline.Page, error)
	// Waits, if set, reports whether a record could not be delivered and waits in quarantine. Such
	// a record does not count as missing; it is sent again when a user resends it from there.
	Waits func(ctx context.Context, id string) (bool, error)
	// Counted, if set, is called with the moment up to which the rows are counted.
	Counted func(through time.Time)
	// Delivered is the ledger of what was acknowledged. What is sent again is
	// recorded there; it is not used for lookups.
	Delivered pipeline.Ledger

	orgs     []string // the orgs that the source's records name
	all      bool     // one of the orgs can't be put into a query
	counts   map[time.Time]counted
	again    map[time.Time]int64 // records sent again in this run, which are not visible for a while
	unproven int64
	// The ids of the last window that was listed: an audit reads one window after the other.
	at      time.Time
	set     idSet
	claimed map[string]struct{}
}

// Unproven is how many records count as arrived without proof: they have no id, and a row
// without an id has the same time; or their time is outside of the audit, whose rows alone
// are looked at.
func (a *Arrivals) Unproven() int64 { return a.unproven }

// Count implements [pipeline.Ledger]. The first call counts the whole range.
func (a *Arrivals) Count(ctx context.Context, from, to time.Time) (n int64, err error) {
	if from.Before(a.From) || to.After(a.To) {
		return 0, fmt.Errorf("count what has arrived: %s to %s is not within the audit", stamp(from), stamp(to))
	}
	if a.counts == nil {
		if err := a.count(ctx); err != nil {
			return 0, err
		}
	}
	for at := from.UTC(); at.Before(to); at = at.Add(a.Window) {
		n += a.counts[at].own + a.again[at]
	}
	return n, nil
}

// count counts the whole range of the audit.
func (a *Arrivals) count(ctx context.Context) (err error) {
	if a.Sample != nil {
		page, err := a.Sample(ctx)
		if err != nil {
			return fmt.Errorf("find the rows of this source in the workspace: %w", err)
		}
		a.learn(page.Records)
		if page.Release != nil {
			page.Release()
		}
	}
	a.again = map[time.Time]int64{}
	a.counts, err = a.Client.count(ctx, a.Table, a.orgs, a.From, a.To, a.Window, a.Counted)
	return err
}

// plain matches a name that needs no quoting in a query.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// learn adds the orgs that records name. A new one makes the current list of ids incomplete,
// so it is dropped.
func (a *Arrivals) learn(records []pipeline.Record) {
	for _, rec := range records {
		var named struct {
			Org string `json:"org"`
		}
		if rec.Flaw != "" || json.Unmarshal(rec.Raw, &named, jsontext.AllowDuplicateNames(true)) != nil || named.Org == "" {
			continue
		}
		switch {
		case slices.Contains(a.orgs, named.Org):
		case plain.MatchString(named.Org):
			a.orgs = append(a.orgs, named.Org)
			a.set.ids = nil
		case !a.all:
			a.all = true
			a.set.ids = nil
		}
	}
}

// Claim implements [pipeline.Ledger]: a record is new if the workspace does not have it.
func (a *Arrivals) Claim(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	a.learn(records)
	if a.claimed == nil {
		a.claimed = map[string]struct{}{}
	}
	fresh := make([]bool, len(records))
	for i, rec := range records {
		if rec.Time.Before(a.From) || !rec.Time.Before(a.To) {
			// A source may return records outside the range, whose rows are not queried.
			if id := normal(rec.ID); !has(a.claimed, id) {
				a.claimed[id] = struct{}{}
				a.unproven++
			}
			continue
		}
		at := rec.Time.UTC().Truncate(a.Window)
		if err := a.load(ctx, at); err != nil {
			return nil, err
		}
		id := normal(rec.ID)
		if has(a.claimed, id) || has(a.set.ids, id) {
			continue
		}
		a.claimed[id] = struct{}{}
		if when := moment(rec.Time); strings.HasPrefix(rec.ID, derivedID) && a.set.without[when] > 0 {
			a.set.without[when]-- // one of these rows may be the record's
			a.unproven++
			continue
		}
		if a.Waits != nil {
			waits, err := a.Waits(ctx, rec.ID)
			if err != nil {
				return nil, err
			}
			if waits {
				continue
			}
		}
		fresh[i] = true
	}
	return fresh, nil
}

func has(ids map[string]struct{}, id string) bool {
	_, ok := ids[id]
	return ok
}

// load lists the ids of a window.
func (a *Arrivals) load(ctx context.Context, at time.Time) error {
	if a.at.Equal(at) && a.set.ids != nil {
		return nil
	}
	if _, err := a.Count(ctx, a.From, a.From); err != nil { // to know the number of rows
		return err
	}
	set, err := a.Client.list(ctx, a.Table, a.orgs, a.all, at, at.Add(a.Window), a.counts[at].rows)
	if err != nil {
		return err
	}
	a.at, a.set = at, set
	return nil
}

// Forget drops what Claim has noted of records that the workspace does not have. A caller that knows
// them needs it no longer, and it would grow.
func (a *Arrivals) Forget() { clear(a.claimed) }

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
