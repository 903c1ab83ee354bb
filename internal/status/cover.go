package status

import (
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Days is how far back completeness is shown.
const Days = 7

// Cover is how complete a span of event time is.
type Cover string

// The covers. Where several apply to a span, the last of them counts.
const (
	// Before: before the stream began.
	Before Cover = "before"
	// Proven: delivered, and the source counts no more than was delivered.
	Proven Cover = "proven"
	// Delivered: everything that the source listed is delivered.
	Delivered Cover = "delivered"
	// Open: not delivered yet.
	Open Cover = "open"
	// Unexplained: the source counts more than it lists.
	Unexplained Cover = "unexplained"
)

func (c Cover) order() int {
	return slices.Index([]Cover{Before, Proven, Delivered, Open, Unexplained}, c)
}

// Span is a span of event time, [From, To).
type Span struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cover Cover     `json:"cover"`
}

// cover returns how complete the last [Days] are, in ascending order and without gaps; nil for a
// stream that does not know up to when it is delivered.
func cover(cp pipeline.Checkpoint, s Stream, now time.Time) []Span {
	if cp.Through.IsZero() {
		return nil
	}
	now = now.UTC().Truncate(time.Second)
	begin := now.Truncate(time.Hour).Add(-Days*24*time.Hour + time.Hour)
	proven := cp.Since
	if s.AuditAge > 0 && len(cp.Audit.Through) > 0 && cp.Audit.Through[0].After(proven) {
		proven = cp.Audit.Through[0]
	}
	spans := cut(begin, now, []Span{
		{To: cp.Since, Cover: Before},
		{To: earlier(proven, cp.Through), Cover: Proven},
		{To: cp.Through, Cover: Delivered},
		{To: now, Cover: Open},
	})
	for _, d := range cp.Audit.Unexplained {
		to := d.To
		if to.IsZero() {
			to = d.From.Add(s.Window)
		}
		spans = over(spans, Span{d.From, to, Unexplained})
	}
	return spans
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// cut turns spans of which only the ends are given into those between two moments.
func cut(from, to time.Time, ends []Span) (spans []Span) {
	for _, s := range ends {
		end := earlier(s.To, to)
		if end.After(from) {
			spans = append(spans, Span{from.UTC(), end.UTC(), s.Cover})
			from = end
		}
	}
	return spans
}

// over lays a span over others.
func over(spans []Span, top Span) (all []Span) {
	for _, s := range spans {
		from, to := s.From, s.To
		if top.From.After(from) {
			from = top.From
		}
		to = earlier(top.To, to)
		if !to.After(from) { // they do not overlap
			all = append(all, s)
			continue
		}
		for _, part := range []Span{{s.From, from, s.Cover}, {from.UTC(), to.UTC(), top.Cover}, {to, s.To, s.Cover}} {
			if part.To.After(part.From) {
				all = append(all, part)
			}
		}
	}
	return all
}

// Hour is an hour of the completeness bar.
type Hour struct {
	From  time.Time
	Cover Cover
}

// Hours returns the worst cover of each hour, up to the one that is under way. What is not delivered
// yet counts as delivered as long as the stream is not late.
func (s *Status) Hours(now time.Time) (hours []Hour) {
	normal := time.Duration(s.LateAfterSeconds * float64(time.Second))
	for _, span := range s.Completeness {
		if span.Cover == Open && now.Sub(span.From) <= normal {
			span.Cover = Delivered
		}
		for at := span.From.Truncate(time.Hour); at.Before(span.To); at = at.Add(time.Hour) {
			if n := len(hours); n > 0 && hours[n-1].From.Equal(at) {
				if span.Cover.order() > hours[n-1].Cover.order() {
					hours[n-1].Cover = span.Cover
				}
				continue
			}
			hours = append(hours, Hour{at, span.Cover})
		}
	}
	return hours
}
