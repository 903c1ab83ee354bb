package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"
)

// Quarantined is an original that waits in quarantine.
type Quarantined struct {
	Key    string // where it is
	Record Record
}

// ResendHooks are called by [Runner.Resend] for each original. All but Prove are required.
type ResendHooks struct {
	// Prove, if set, fails if the original could not be removed. It is called once, before
	// the first record is sent.
	Prove func(ctx context.Context, h Quarantined) error
	// Delivered is called once the record is acknowledged; it removes the original.
	// It is called by several goroutines at a time, and not cut by the run's end.
	Delivered func(ctx context.Context, h Quarantined) error
	// Kept is called for a record that still can't be delivered.
	Kept func(h Quarantined, why Reason, detail string)
}

// resendChunk is the maximum number of originals that are processed together.
const resendChunk = 1000

// Resend delivers records that an earlier run had to put into quarantine, by today's
// column rules and holding the lock of the stream. Those that are refused again stay;
// the report counts them as quarantined.
func (r *Runner) Resend(ctx context.Context, originals iter.Seq2[Quarantined, error], with ResendHooks) Report {
	return r.locked(ctx, func(ctx context.Context, session *session) (State, error) {
		s := &resend{session: session, delivery: newDelivery(session, session.OpenLedger()), ResendHooks: with}
		s.delivery.refusals.expected = true // refusals are what put these into quarantine
		s.delivery.quarantine = keepInQuarantine{s, session.Quarantine}
		s.delivery.spool.store = nil // what is in quarantine is as safe as it would be there
		err := s.all(ctx, originals)
		s.report.Retries = s.retries.Load()
		switch {
		case err == nil:
			return Drained, nil
		case ctx.Err() == nil && errors.Is(err, errNoTime):
			return Budget, nil
		}
		return s.outcome(ctx, err, len(s.delivery.rows))
	})
}

// resend is a Resend under way. It has the originals of a chunk in hand; each
// record id occurs once among them.
type resend struct {
	*session
	ResendHooks
	delivery *delivery
	chunk    []Quarantined
	byID     map[string]int
	fresh    map[string]bool // records that the ledger does not know
	kept     map[string]bool
	// removable: an original of this run can be removed.
	removable bool
}

// keepInQuarantine is a quarantine that notes which originals have to stay there.
type keepInQuarantine struct {
	resend *resend
	Quarantine
}

func (q keepInQuarantine) Put(ctx context.Context, stream string, rec Record, reason Reason, detail string) error {
	if reason != Conformed {
		s := q.resend
		s.kept[rec.ID] = true
		s.Kept(s.chunk[s.byID[rec.ID]], reason, detail)
	}
	return q.Quarantine.Put(ctx, stream, rec, reason, detail)
}

func (s *resend) all(ctx context.Context, originals iter.Seq2[Quarantined, error]) error {
	s.begin()
	size := 0
	for h, err := range originals {
		if err != nil {
			return err
		}
		_, twice := s.byID[h.Record.ID]
		length := len(h.Record.Raw) + 1
		if twice || len(s.chunk) == resendChunk || size+length > s.delivery.sizes.first() {
			if err := s.deliverChunk(ctx); err != nil {
				return err
			}
			size = 0
		}
		s.byID[h.Record.ID] = len(s.chunk)
		s.chunk = append(s.chunk, h)
		size += length
	}
	return s.deliverChunk(ctx)
}

func (s *resend) begin() {
	s.chunk, s.byID, s.fresh, s.kept = nil, map[string]int{}, map[string]bool{}, map[string]bool{}
	s.delivery.rows, s.delivery.originals, s.delivery.quarantined = nil, nil, nil
}

// deliverChunk keeps to the order of [delivery.deliver]: originals, rows, ledger.
func (s *resend) deliverChunk(ctx context.Context) error {
	if len(s.chunk) == 0 {
		return nil
	}
	if !s.pace.timeLeft(ctx) {
		return errNoTime
	}
	begin := time.Now()
	defer func() { s.pace.step(time.Since(begin)) }()
	ctx, cancel := graceful(ctx)
	defer cancel()
	records := make([]Record, len(s.chunk))
	for i, h := range s.chunk {
		records[i] = h.Record
	}
	fresh, err := s.delivery.ledger.Claim(ctx, records)
	if err != nil {
		return err
	}
	for i, rec := range records {
		s.fresh[rec.ID] = fresh[i]
		s.delivery.add(rec)
	}
	// What is unfit is in quarantine already, and stays.
	d := s.delivery
	conformed := d.originals[:0]
	for _, o := range d.originals {
		if o.reason == Conformed {
			conformed = append(conformed, o)
			continue
		}
		s.Kept(s.chunk[s.byID[o.rec.ID]], o.reason, o.detail)
	}
	d.originals = conformed
	if err := s.proveChunk(ctx); err != nil {
		return err
	}
	if err := d.keepOriginals(ctx); err != nil {
		return err
	}
	for rest := d.rows; len(rest) > 0; {
		n := d.sizes.fill(rest)
		if err := d.deliverBatch(ctx, rest[:n], false, s.acknowledged); err != nil {
			return err
		}
		rest = rest[n:]
	}
	s.begin()
	if s.Progress != nil {
		s.Progress(s.report)
	}
	return nil
}

// proveChunk proves that what is about to be sent can be remembered as delivered, and,
// once, that its original can be let go.
func (s *resend) proveChunk(ctx context.Context) error {
	if err := s.delivery.prove(ctx, s.delivery.rows); err != nil {
		return err
	}
	if s.removable || len(s.delivery.rows) == 0 || s.Prove == nil {
		return nil
	}
	h := s.chunk[s.byID[s.delivery.rows[0].ID]]
	if err := s.Prove(ctx, h); err != nil {
		return fmt.Errorf("the original of record %.100q can't be removed from quarantine, so it was not sent: %w", h.Record.ID, err)
	}
	s.removable = true
	return nil
}

// acknowledged remembers records in the ledger, should it not know them, and lets
// their originals go.
func (s *resend) acknowledged(ctx context.Context, done []Record) error {
	ctx, cancel := s.pace.detached(ctx)
	defer cancel()
	var news []Record
	for _, rec := range done {
		if s.fresh[rec.ID] && !s.kept[rec.ID] {
			news = append(news, rec)
		}
	}
	if err := s.delivery.remember(ctx, news); err != nil {
		return err
	}
	var g errgroup.Group // one that stays does not keep the others there: they would be sent again
	g.SetLimit(8)
	for _, rec := range done {
		if s.kept[rec.ID] {
			continue
		}
		h := s.chunk[s.byID[rec.ID]]
		g.Go(func() error {
			if err := s.Delivered(ctx, h); err != nil {
				return fmt.Errorf("record %.100q was delivered, but its original stays in quarantine, and would be sent twice by another resend: %w", h.Record.ID, err)
			}
			return nil
		})
	}
	return g.Wait()
}
