package pipeline

import (
	"context"
	"fmt"
)

// refusal is a single record that the sink refuses. That alone does not prove that
// the record is at fault: a workspace or a proxy that takes nothing at all refuses
// each record by itself, too, and would empty a quiet tenant into quarantine. The
// proof is a record that it takes in the same run. Until then refusals are pending.
type refusal struct {
	row     Record
	why     error
	settled func(context.Context, []Record) error
}

// takesOthers reports whether this run has seen the sink take a record, or needs no proof.
func (t *run) takesOthers() bool { return t.expected || t.report.Batches > 0 }

// settleRefusals ends what is pending of a delivery. With proof the records go into
// quarantine, and the rest of the stream passes. Without it nothing is decided: they
// are returned with an [unproven] error.
func (t *run) settleRefusals(ctx context.Context) (undecided []Record, err error) {
	pending := t.pending
	t.pending = nil
	if len(pending) == 0 {
		return nil, nil
	}
	if t.takesOthers() {
		for _, r := range pending {
			if err := t.quarantineRefused(ctx, r); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	for _, r := range pending {
		undecided = append(undecided, r.row)
	}
	return undecided, newUnproven(len(pending), pending[0].why)
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
	rec := r.row
	for _, o := range t.originals {
		if o.rec.ID == rec.ID {
			rec = o.rec
		}
	}
	if err := t.Quarantine.Put(ctx, t.report.Stream, rec, RejectedBySink, r.why.Error()); err != nil {
		return err
	}
	t.report.Quarantined++
	t.log.Warn("record quarantined", "stream", t.report.Stream, "record_id", rec.ID, "reason", string(RejectedBySink), "error", r.why.Error())
	return r.settled(ctx, []Record{r.row})
}
