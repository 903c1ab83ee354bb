package checkpoint

import (
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// audit is the stored form of [pipeline.AuditState].
type audit struct {
	Through      []time.Time       `json:"through,omitempty"`
	AgeSeconds   []int64           `json:"age_seconds,omitempty"` // not in the first versions
	Accepted     []difference      `json:"accepted,omitempty"`
	Unexplained  []difference      `json:"unexplained,omitempty"`
	Acknowledged []acknowledgement `json:"acknowledged,omitempty"`
	Undated      time.Time         `json:"undated,omitzero"`
}

// difference is the stored form of [pipeline.Difference].
type difference struct {
	From    time.Time           `json:"from"`
	To      time.Time           `json:"to,omitzero"`
	Source  int64               `json:"source"`
	Ledger  int64               `json:"ledger"`
	Windows int64               `json:"windows,omitzero"`
	Reason  pipeline.Acceptance `json:"reason,omitempty"` // not in the first versions
	Checked time.Time           `json:"checked,omitzero"`
}

// acknowledgement is the stored form of [pipeline.Acknowledgement].
type acknowledgement struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Windows int64     `json:"windows"`
	Source  int64     `json:"source"`
	Ledger  int64     `json:"ledger"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Why     string    `json:"why"`
}

// auditOf returns the stored form of an audit.
func auditOf(a pipeline.AuditState) audit {
	return audit{
		Through: each(a.Through, format.UTC), AgeSeconds: slices.Clone(a.AgeSeconds), Undated: format.UTC(a.Undated),
		Accepted: each(a.Accepted, differenceOf), Unexplained: each(a.Unexplained, differenceOf),
		Acknowledged: each(a.Acknowledged, func(w pipeline.Acknowledgement) acknowledgement {
			w.From, w.To, w.At = format.UTC(w.From), format.UTC(w.To), format.UTC(w.At)
			return acknowledgement(w)
		}),
	}
}

// read returns the audit that was stored.
func (a audit) read() pipeline.AuditState {
	return pipeline.AuditState{
		Through: each(a.Through, format.UTC), AgeSeconds: a.AgeSeconds, Undated: format.UTC(a.Undated),
		Accepted: each(a.Accepted, difference.read), Unexplained: each(a.Unexplained, difference.read),
		Acknowledged: each(a.Acknowledged, func(w acknowledgement) pipeline.Acknowledgement {
			w.From, w.To, w.At = format.UTC(w.From), format.UTC(w.To), format.UTC(w.At)
			return pipeline.Acknowledgement(w)
		}),
	}
}

func differenceOf(d pipeline.Difference) difference {
	d.From, d.To, d.Checked = format.UTC(d.From), format.UTC(d.To), format.UTC(d.Checked)
	return difference(d)
}

func (d difference) read() pipeline.Difference {
	d.From, d.To, d.Checked = format.UTC(d.From), format.UTC(d.To), format.UTC(d.Checked)
	return pipeline.Difference(d)
}

// each applies f to the elements of a list. For an empty list, it returns nil.
func each[A, B any](list []A, f func(A) B) (out []B) {
	for _, a := range list {
		out = append(out, f(a))
	}
	return out
}

// writable reports whether all times that were read can be saved again.
func (t *tail) writable() bool {
	times := append([]time.Time{t.Since, t.Through, t.Pruned, t.Warned, t.Updated, t.Audit.Undated}, t.Audit.Through...)
	for _, d := range slices.Concat(t.Audit.Accepted, t.Audit.Unexplained) {
		times = append(times, d.From, d.To, d.Checked)
	}
	for _, word := range t.Audit.Acknowledged {
		times = append(times, word.From, word.To, word.At)
	}
	return !slices.ContainsFunc(times, func(at time.Time) bool { return !format.Writable(at) })
}
