package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"
)

// readAtOnce is how many windows are read as one where the source can't count: few requests
// where little happens, and little to repeat where time runs out.
const readAtOnce = 12

// byReading audits a source that can't count: it reads what has come to each age since
// the last audit, and delivers what the ledger lacks. Each window is read once for each age.
// How far it came is kept, also when it could not come to its end.
func (a *auditor) byReading(ctx context.Context, src WindowReader) error {
	spans, _ := a.spans(time.Now())
	if spans == nil {
		return nil
	}
	through := make([]time.Time, len(spans))
	for i, s := range spans {
		through[i] = s.from
	}
	err := a.readSpans(ctx, src, spans, through)
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		a.warnOfNoEnd()
	case errors.As(err, &f):
		a.warn("audit was not possible: " + f.Error())
	case err != nil:
		return err
	}
	a.next.Audit.Through, a.next.Audit.AgeSeconds = through, seconds(a.AuditPolicy.Ages)
	return a.saveCheckpoint(ctx)
}

// readSpans reads the spans, each moment of them once, and notes in through how far each is
// audited then.
func (a *auditor) readSpans(ctx context.Context, src WindowReader, spans []span, through []time.Time) error {
	for _, piece := range pieces(spans, readAtOnce*a.AuditPolicy.Window) {
		err := a.readAgain(ctx, src, piece)
		var refused *unproven
		switch {
		case errors.As(err, &refused): // the other windows need not wait for it
			a.undecided = err
			continue
		case err != nil:
			return err
		}
		for i, s := range spans {
			if !through[i].Before(piece.from) && through[i].Before(piece.to) && s.to.After(through[i]) {
				through[i] = piece.to
			}
		}
	}
	return nil
}

// pieces cuts what the spans cover, in order and each moment once, into pieces of at most that
// length. A piece belongs to a span as a whole or not at all.
func pieces(spans []span, most time.Duration) (out []span) {
	var borders []time.Time
	for _, s := range spans {
		borders = append(borders, s.from, s.to)
	}
	slices.SortFunc(borders, time.Time.Compare)
	for i := 1; i < len(borders); i++ {
		from, to := borders[i-1], borders[i]
		if !slices.ContainsFunc(spans, func(s span) bool { return !s.from.After(from) && s.to.After(from) }) {
			continue // between two spans
		}
		for ; from.Before(to); from = from.Add(most) {
			end := from.Add(most)
			if end.After(to) {
				end = to
			}
			out = append(out, span{from, end})
		}
	}
	return out
}

// readAgain delivers what the ledger lacks of a few windows.
func (a *auditor) readAgain(ctx context.Context, src WindowReader, s span) error {
	differ := map[time.Time]bool{} // windows that lack something
	err := a.delivery.reread(ctx, window(src, s.from, s.to), func(records []Record, missing []bool) {
		for i, rec := range records {
			if missing[i] {
				differ[rec.Time.Truncate(a.AuditPolicy.Window)] = true
			}
		}
	})
	a.report.Mismatches += int64(len(differ))
	if err == nil {
		a.report.WindowsChecked += int64(s.to.Sub(s.from) / a.AuditPolicy.Window)
	}
	return err
}
