package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// refusal is a single record that the sink refuses. That alone does not prove that
// the record is at fault: a workspace or a proxy that takes nothing at all refuses
// each record by itself, too, and would empty a quiet tenant into quarantine. The
// proof is a record that it takes in the same run. Until then refusals are pending:
// the run reads and sends on, and its checkpoint stays in front of them.
type refusal struct {
	row      Record // as it was sent
	original Record
	why      error
	settled  func(context.Context, []Record) error
}

// maxPending bounds the bytes of pending records.
const maxPending = 8 << 20

// refuse notes a record that the sink refuses.
func (t *run) refuse(ctx context.Context, row Record, why error, settled func(context.Context, []Record) error) error {
	if t.refused++; t.refused > refusedLimit && !t.expected {
		if !t.takesOthers() {
			return newUnproven(t.refused, why)
		}
		return fmt.Errorf("the service refused %d records in a row, so the setup is at fault rather than the records: fix it, and then send "+
			"those that are in quarantine already with idnsentinel quarantine resend --all: %w", t.refused, why)
	}
	r := refusal{row, row, why, settled}
	for _, o := range t.originals {
		if o.rec.ID == row.ID {
			r.original = o.rec
		}
	}
	if t.takesOthers() {
		return t.quarantineRefused(ctx, r)
	}
	// Copies: a record is a part of its page, which would stay in memory.
	r.row, r.original = clone(r.row), clone(r.original)
	size := len(r.row.Raw)
	for _, p := range t.pending {
		size += len(p.row.Raw)
	}
	if t.pending = append(t.pending, r); size > maxPending {
		return t.decide(ctx)
	}
	return nil
}

func clone(r Record) Record {
	r.ID, r.Raw = strings.Clone(r.ID), slices.Clone(r.Raw)
	return r
}

// proofs is how many records of a batch are tried by themselves in search of one that
// the sink takes.
const proofs = 4

// lookForProof tries single records of a refused batch, and returns those that are left
// to be delivered. Without it a batch that begins with more bad records than may be
// refused in a row would end each run before the first good one.
func (t *run) lookForProof(ctx context.Context, batch []Record, settled func(context.Context, []Record) error) ([]Record, error) {
	for n := proofs; n > 0; n-- {
		i := len(batch)*n/proofs - 1
		one := batch[i : i+1]
		err := t.write(ctx, one)
		var rejected *Rejected
		switch {
		case err == nil:
			rest := slices.Concat(batch[:i], batch[i+1:])
			return rest, t.conclude(ctx, one, nil, false, settled)
		case !errors.As(err, &rejected):
			return nil, err
		}
	}
	return batch, nil
}

// takesOthers reports whether this run has seen the sink take a record, or needs no proof.
func (t *run) takesOthers() bool { return t.expected || t.report.Batches > 0 }

// settleRefusals puts pending records into quarantine if there is proof by now. Each is sent
// once more before that: a workspace that refused everything when the run began may have
// been set right meanwhile, and then the proof says nothing about what it refused before.
func (t *run) settleRefusals(ctx context.Context) error {
	if !t.takesOthers() {
		return nil
	}
	for len(t.pending) > 0 {
		if err := t.tryAgain(ctx, t.pending[0]); err != nil {
			return err
		}
		t.pending = t.pending[1:]
	}
	return nil
}

// tryAgain sends a record that was refused before the sink took any.
func (t *run) tryAgain(ctx context.Context, r refusal) error {
	batch := []Record{r.row}
	err := t.write(ctx, batch)
	var rejected *Rejected
	switch {
	case err == nil:
		return t.conclude(ctx, batch, nil, false, r.settled)
	case !errors.As(err, &rejected) || rejected.Ambiguous:
		return err
	}
	r.why = err
	return t.quarantineRefused(ctx, r)
}

// decide ends what is pending: without proof it is an [unproven] error.
func (t *run) decide(ctx context.Context) error {
	if err := t.settleRefusals(ctx); err != nil || len(t.pending) == 0 {
		return err
	}
	err := newUnproven(len(t.pending), t.pending[0].why)
	t.pending = nil
	return err
}

// finish is the flush at the end of the tail. What is pending then goes into the spool,
// where there is one; otherwise the run fails and the next one sends it again.
func (t *run) finish(ctx context.Context) error {
	if err := t.flush(ctx); err != nil || len(t.pending) == 0 {
		return err
	}
	rows := make([]Record, len(t.pending))
	for i, r := range t.pending {
		rows[i] = r.row
	}
	err := t.decide(ctx)
	if t.Spool == nil {
		return err
	}
	if t.down == nil {
		t.down = err
	}
	if err := t.spool(ctx, rows); err != nil {
		return err
	}
	return t.flush(ctx)
}

// unproven is the error of refusals that nothing proves to be the records' fault. The
// checkpoint stays where it is, and the next run sends the records again.
type unproven struct{ error }

func newUnproven(records int, why error) error {
	return &unproven{fmt.Errorf("the service refused every record that it was sent in this run (%d), so the setup may be at fault rather than the records: "+
		"nothing was put into quarantine, and the next run sends them again. A record that is at fault goes into quarantine as soon as the service takes another one: %w",
		records, why)}
}

func (e *unproven) Unwrap() error { return e.error }

// quarantineRefused keeps a single record that the sink refuses, and lets the
// rest of the stream pass.
func (t *run) quarantineRefused(ctx context.Context, r refusal) error {
	t.kept = true
	rec := r.original
	if err := t.Quarantine.Put(ctx, t.report.Stream, rec, RejectedBySink, r.why.Error()); err != nil {
		return err
	}
	t.report.Quarantined++
	t.log.Warn("record quarantined", "stream", t.report.Stream, "record_id", rec.ID, "reason", string(RejectedBySink), "error", r.why.Error())
	return r.settled(ctx, []Record{r.row})
}
