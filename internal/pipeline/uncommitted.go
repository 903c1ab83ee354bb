package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// maxUncommitted bounds what is kept in memory, at some 100 bytes for each.
const maxUncommitted = 100_000

// Uncommitted are records that were acknowledged although their commit to the ledger
// failed. It belongs to one stream and outlives its runs: the next run in the same process
// commits them before it does anything else, so that not even they are sent again. It also
// knows what of the spool was delivered, which the ledger does not show. The zero value is empty.
type Uncommitted struct {
	mu      sync.Mutex
	records []Record // ids and times only
	// spooled are ids of records that were delivered and may still be in the spool, or be there once
	// more: of what the spool or the ledger could not confirm, the source brings another copy. If
	// they were too many, only the latest are kept.
	spooled map[string]struct{}
}

// add notes records. What is beyond the bound may be sent again.
func (u *Uncommitted) add(records []Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range records[:min(len(records), maxUncommitted-len(u.records))] {
		// An id may be part of a whole page.
		u.records = append(u.records, Record{ID: strings.Clone(r.ID), Time: r.Time})
	}
}

// all are the records.
func (u *Uncommitted) all() []Record {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.records
}

// forget drops the first n.
func (u *Uncommitted) forget(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.records = u.records[n:]; len(u.records) == 0 {
		u.records = nil
	}
}

// sent notes that records of which there may be copies in the spool were acknowledged.
func (u *Uncommitted) sent(records []Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.spooled == nil || len(u.spooled)+len(records) > maxUncommitted {
		u.spooled = make(map[string]struct{}, len(records))
	}
	for _, r := range records {
		u.spooled[strings.Clone(r.ID)] = struct{}{}
	}
}

// unsent are the records of a batch of the spool that were not delivered before.
func (u *Uncommitted) unsent(batch []Record) (unsent []Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range batch {
		if _, sent := u.spooled[r.ID]; !sent {
			unsent = append(unsent, r)
		}
	}
	return unsent
}

// spoolIsEmpty says that nothing is left in the spool.
func (u *Uncommitted) spoolIsEmpty() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.spooled = nil
}

// recommit commits what an earlier run could not.
func (d *delivery) recommit(ctx context.Context) error {
	records := d.carried.all()
	if len(records) == 0 {
		return nil
	}
	// One that another process has sent and committed meanwhile is known, which is as good.
	_, err := d.ledger.Claim(ctx, records)
	if err == nil {
		commit, cancel := d.pace.detached(ctx)
		defer cancel()
		err = d.ledger.Commit(commit, records)
	}
	if err != nil {
		return fmt.Errorf("%d records that an earlier run sent can't be recorded as delivered, so nothing more was sent: %w", len(records), err)
	}
	d.carried.forget(len(records))
	d.log.Info("records of an earlier run are recorded as delivered", "stream", d.report.Stream, "records", len(records))
	return nil
}
