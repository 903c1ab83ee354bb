package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// refusedLimit is how many single records may be refused in a row before the
	// run concludes that the setup is at fault rather than the records.
	refusedLimit = 100
	// maxPending bounds the bytes of pending records.
	maxPending = 8 << 20
	// proofs is how many records of a batch are tried by themselves in search of one that
	// the sink takes.
	proofs = 4
	// again is how often a record that was refused is sent once more before it goes into quarantine:
	// one instance of several may refuse what the others take.
	again = 2
)

// refusals are single records that the sink refuses. A refusal alone does not prove that
// the record is at fault: a workspace or a proxy that takes nothing at all refuses
// each record by itself, too, and would empty a quiet tenant into quarantine. The
// proof is a record that it takes in the same run. Until then refusals are pending:
// the run reads and sends on, and its checkpoint stays before them.
type refusals struct {
	d        *delivery
	inRow    int // with no acknowledgement between them
	pending  []refusal
	expected bool // they say nothing new, see resend
}

// refusal is one of them.
type refusal struct {
	row      Record // as it was sent
	original Record
	why      error
	onDone   func(context.Context, []Record) error
}

// proven reports whether this run has seen the sink take a record, or needs no proof.
func (r *refusals) proven() bool { return r.expected || r.d.report.Batches > 0 }

// add notes a record that the sink refuses.
func (r *refusals) add(ctx context.Context, row Record, why error, onDone func(context.Context, []Record) error) error {
	if r.inRow++; r.inRow > refusedLimit && !r.expected {
		if !r.proven() {
			return newUnproven(r.inRow, why)
		}
		return fmt.Errorf("the service rejected %d records in a row, which points to a configuration error: fix it, then resend "+
			"the records already in quarantine with idnsentinel quarantine resend --all: %w", r.inRow, why)
	}
	one := refusal{row, row, why, onDone}
	for _, o := range r.d.originals {
		if o.rec.ID == row.ID {
			one.original = o.rec
		}
	}
	switch {
	case r.expected:
		return r.quarantine(ctx, one)
	case r.proven():
		return r.retry(ctx, one)
	}
	// Copies: a record is a part of its page, which would stay in memory.
	one.row, one.original = clone(one.row), clone(one.original)
	size := len(one.row.Raw)
	for _, p := range r.pending {
		size += len(p.row.Raw)
	}
	if r.pending = append(r.pending, one); size > maxPending {
		return r.decide(ctx)
	}
	return nil
}

func clone(r Record) Record {
	r.ID, r.Raw = strings.Clone(r.ID), slices.Clone(r.Raw)
	return r
}

// lookForProof tries single records of a refused batch, and returns those that are left
// to be delivered. Without it a batch that begins with more bad records than may be
// refused in a row would end each run before the first good one.
func (r *refusals) lookForProof(ctx context.Context, batch []Record, onDone func(context.Context, []Record) error) ([]Record, error) {
	for n := proofs; n > 0; n-- {
		i := len(batch)*n/proofs - 1
		one := batch[i : i+1]
		err := r.d.write(ctx, one)
		var rejected *Rejected
		switch {
		case err == nil:
			rest := slices.Concat(batch[:i], batch[i+1:])
			return rest, r.d.resolve(ctx, one, nil, false, onDone)
		case !errors.As(err, &rejected):
			return nil, err
		}
	}
	return batch, nil
}

// retryPending puts pending records into quarantine if there is proof by now.
func (r *refusals) retryPending(ctx context.Context) error {
	if !r.proven() {
		return nil
	}
	for len(r.pending) > 0 {
		if err := r.retry(ctx, r.pending[0]); err != nil {
			return err
		}
		r.pending = r.pending[1:]
	}
	return nil
}

// retry sends a refused record again, now that there is proof, and puts it into quarantine if it is
// refused each time. A workspace that refused everything when the run began may have been repaired
// meanwhile, and then the proof says nothing about what it refused before.
func (r *refusals) retry(ctx context.Context, one refusal) error {
	batch := []Record{one.row}
	for range again {
		err := r.d.write(ctx, batch)
		var rejected *Rejected
		switch {
		case err == nil:
			return r.d.resolve(ctx, batch, nil, false, one.onDone)
		case !errors.As(err, &rejected) || rejected.Ambiguous:
			return err
		}
		one.why = err
	}
	return r.quarantine(ctx, one)
}

// decide ends what is pending: without proof it is an [unproven] error.
func (r *refusals) decide(ctx context.Context) error {
	if err := r.retryPending(ctx); err != nil || len(r.pending) == 0 {
		return err
	}
	err := newUnproven(len(r.pending), r.pending[0].why)
	r.pending = nil
	return err
}

// quarantine keeps a single record that the sink refuses, and lets the
// rest of the stream pass.
func (r *refusals) quarantine(ctx context.Context, one refusal) error {
	d, rec := r.d, one.original
	d.pages.keep()
	if err := d.quarantine.Put(ctx, d.report.Stream, rec, RejectedBySink, one.why.Error()); err != nil {
		return err
	}
	d.report.Quarantined++
	d.log.Warn("record quarantined", "stream", d.report.Stream, "record_id", rec.ID, "reason", string(RejectedBySink), "error", one.why.Error())
	return one.onDone(ctx, []Record{one.row})
}

// unproven is the error of refusals that nothing proves to be the records' fault. The
// checkpoint stays where it is, and the next run sends the records again.
type unproven struct{ error }

func newUnproven(records int, why error) error {
	return &unproven{fmt.Errorf("the service rejected every record of this run (%d), which may be a configuration error: "+
		"nothing was put into quarantine, and the next run sends them again. A faulty record goes into quarantine as soon as the service accepts another one: %w",
		records, why)}
}

func (e *unproven) Unwrap() error { return e.error }
