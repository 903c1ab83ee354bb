package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// modest is a ledger that counts nothing of what it has.
type modest struct{ pipeline.Ledger }

func (modest) Count(context.Context, time.Time, time.Time) (int64, error) { return 0, nil }

// Where a ledger's count is the least that it has, ids decide, and what they show is what is
// reported.
func TestInspectByIDs(t *testing.T) {
	type numbers struct{ Source, Delivered, Missing, Identified int64 }
	for _, test := range []struct {
		name      string
		arrange   func(a *archive)
		ask       pipeline.AuditRequest
		unsettled bool
		want      numbers
		windows   int // that differ
	}{
		{name: "complete", want: numbers{60, 60, 0, 60}},
		{name: "complete, each window", ask: pipeline.AuditRequest{Each: true}, want: numbers{60, 60, 0, 60}},
		{name: "missing", arrange: func(a *archive) { a.hide(17); a.hide(40) }, want: numbers{60, 58, 2, 60}, windows: 2},
		{name: "repaired", arrange: func(a *archive) { a.hide(17) }, ask: pipeline.AuditRequest{Repair: true}, want: numbers{60, 59, 1, 60}, windows: 1},
		{name: "counted and not listed", arrange: func(a *archive) { a.events[20].listed = 2 }, want: numbers{61, 61, 0, 61}},
		{name: "too early, and all there", unsettled: true, want: numbers{60, 60, 0, 60}},
		{name: "too early", unsettled: true, arrange: func(a *archive) { a.hide(17) }, want: numbers{60, 59, 0, 55}, windows: 1},
		{name: "too early to repair", unsettled: true, ask: pipeline.AuditRequest{Repair: true}, arrange: func(a *archive) { a.hide(17) }, want: numbers{60, 59, 0, 55}, windows: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := anHour(t)
				if test.arrange != nil {
					test.arrange(a)
				}
				ask := test.ask
				ask.Floor, ask.From, ask.To = true, a.begin, a.begin.Add(time.Hour)
				if test.unsettled {
					ask.NotYetVisible = func(context.Context, time.Time, time.Time) (bool, error) { return true, nil }
				}
				r := a.runner()
				open := r.OpenLedger
				r.OpenLedger = func() pipeline.Ledger { return modest{open()} }
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				proof := r.Audit(ctx, ask)
				got := numbers{proof.Source, proof.Delivered, proof.Missing, proof.Identified}
				if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" || proof.State != pipeline.Drained {
					t.Errorf("%+v: numbers (-want +got):\n%s", proof, diff)
				}
				if len(proof.Windows) != test.windows || int(proof.Mismatches) != test.windows {
					t.Errorf("%d windows differ (%d in the report), want %d: %+v", len(proof.Windows), proof.Mismatches, test.windows, proof.Windows)
				}
			})
		})
	}
}
