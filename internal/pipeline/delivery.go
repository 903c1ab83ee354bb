package pipeline

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// delivery brings records to where they are safe: each ends in the sink, in quarantine or in the
// spool, and then in the ledger. Rows are queued, and delivered together.
type delivery struct {
	*session
	ledger     Ledger
	quarantine Quarantine
	sizes      sizes
	refusals   refusals
	spool      spooler
	pages      pages

	rows        []Record   // fitted, in order, not yet sent
	originals   []original // of rows that were changed, and of what can't be sent
	quarantined []Record   // not to be sent: in quarantine instead
	oldest      time.Time  // event time of the oldest record that was seen
}

// original is a record that was changed to fit the table, or that can't be sent, as it was.
type original struct {
	rec    Record
	reason Reason
	detail string
}

// newDelivery delivers with what the runner has.
func newDelivery(s *session, ledger Ledger) *delivery {
	d := &delivery{session: s, ledger: ledger, quarantine: s.Quarantine, sizes: sizes{s.Sink, s.Sink.Limits()}}
	d.refusals.d = d
	d.spool = spooler{d: d, store: s.Spool}
	return d
}

// enqueue drops what the ledger knows, makes the rest fit the table and queues it. fresh says
// which records the ledger did not know.
func (d *delivery) enqueue(ctx context.Context, records []Record) (fresh []bool, err error) {
	if fresh, err = d.ledger.Claim(ctx, records); err != nil {
		return nil, err
	}
	for i, rec := range records {
		if !rec.Time.IsZero() && (d.oldest.IsZero() || rec.Time.Before(d.oldest)) {
			d.oldest = rec.Time
		}
		switch {
		case !fresh[i]:
		case rec.Flaw != "":
			d.warnOfUnreadable(rec)
			fallthrough
		default:
			d.add(rec)
		}
	}
	return fresh, nil
}

// add queues a new record for the sink, or for quarantine if no row can be made of it.
func (d *delivery) add(rec Record) {
	f := Fit(d.Sink, d.table, rec)
	if f.Reason != "" {
		d.originals = append(d.originals, original{rec, f.Reason, f.Detail})
		d.quarantined = append(d.quarantined, rec)
		d.report.Quarantined++
		return
	}
	if f.Changes != "" {
		d.report.Conformed++
		d.originals = append(d.originals, original{rec, Conformed, f.Changes})
	}
	d.rows = append(d.rows, f.Row)
}

// warnOfUnreadable says so once in a run; the log has each.
func (d *delivery) warnOfUnreadable(rec Record) {
	d.warn("the source sent records that can't be read; what was received is in quarantine, and the stream continues: " +
		`inspect them with "idnsentinel quarantine list --reason unreadable"`)
	d.log.Warn("record can't be read", "stream", d.report.Stream, "record_id", shown(rec.ID), "reason", rec.Flaw, "bytes", len(rec.Raw))
}

// shown is an id for a log: one from outside may be of any length.
func shown(id string) string { return fmt.Sprintf("%.100q", id) }

// deliver delivers what is queued.
//
// The order is what the promises rest on: a proof that the state can be written,
// originals into quarantine, rows to the sink, each acknowledged batch into the ledger, and only then, by the
// caller, the checkpoint. A step that fails leaves all later ones undone.
func (d *delivery) deliver(ctx context.Context) error {
	begin := time.Now()
	defer func() { d.pace.step(time.Since(begin)) }()
	ctx, cancel := graceful(ctx)
	defer cancel()

	if err := d.prove(ctx, d.rows); err != nil {
		return err
	}
	if err := d.keepOriginals(ctx); err != nil {
		return err
	}
	if err := d.sendRows(ctx); err != nil {
		return err
	}
	if err := d.remember(ctx, d.quarantined); err != nil {
		return err
	}
	clear(d.rows) // releases the pages
	d.rows, d.originals, d.quarantined = d.rows[:0], nil, nil
	d.pages.release(d.Memory)
	return nil
}

// prove makes sure, before rows are sent, that it can be remembered that they were: a
// state that takes no writes would have the same batches sent with every run. The first
// delivery of a run rewrites the checkpoint as it is; the ledger proves each of its
// windows once.
func (d *delivery) prove(ctx context.Context, rows []Record) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := d.ledger.Prove(ctx, rows)
	if err == nil {
		err = d.proveCheckpoint(ctx)
	}
	if err != nil {
		return fmt.Errorf("the state can't be written, so nothing was sent that could not be recorded: %w", err)
	}
	return nil
}

// keepOriginals stores the untouched originals of this delivery.
func (d *delivery) keepOriginals(ctx context.Context) error {
	if len(d.originals) > 0 {
		d.pages.keep()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, o := range d.originals {
		g.Go(func() error {
			return d.quarantine.Put(ctx, d.report.Stream, o.rec, o.reason, o.detail)
		})
	}
	return g.Wait()
}

// remember commits delivered records to the ledger. The run's end does not cut it.
func (d *delivery) remember(ctx context.Context, delivered []Record) error {
	if len(delivered) == 0 {
		return nil
	}
	ctx, cancel := d.pace.detached(ctx)
	defer cancel()
	return d.ledger.Commit(ctx, delivered)
}
