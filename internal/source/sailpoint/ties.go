package sailpoint

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// fetchSplit reads a millisecond that holds more events than the largest page: one type after the
// other, then all others. A filter and its opposite cover everything, however the service compares
// types. If the service ignores the filter, pages stay full and this ends in an error, not in a
// gap.
func (e *Events) fetchSplit(ctx context.Context, at place, from time.Time) (pipeline.Page, error) {
	s := *at.Split
	q := query{from: from, to: from.Add(time.Millisecond), order: byCreated, limit: maxPage, types: s.Types, exclude: true}
	single := s.Done < len(s.Types)
	if single {
		q.types, q.exclude = s.Types[s.Done:s.Done+1], false
	}
	r, err := e.run(ctx, q, !single)
	if err != nil {
		return pipeline.Page{}, err
	}
	page := pipeline.Page{Records: r.records, More: true, Warnings: e.warnings(r)}
	full, err := e.cut(ctx, q, r)
	if err != nil {
		return pipeline.Page{}, err
	}
	switch {
	case single && !full:
		page.Next = encode(place{Created: at.Created, Split: &split{Types: s.Types, Done: s.Done + 1}})
	case !single && !full:
		page.Next = encode(place{Created: formatMilli(q.to)})
		page.From, page.Through = from, q.to
	default:
		seen := slices.Clone(s.Types)
		if !single {
			seen = append(seen, slices.DeleteFunc(r.types, func(t string) bool { return slices.Contains(s.Types, t) })...)
		}
		if len(seen) == len(s.Types) {
			return pipeline.Page{}, fmt.Errorf("search: more than %d events of one type were created at %s (known types: %q), and search can't page through them", min(len(r.records), maxPage), at.Created, s.Types)
		}
		page.Records = nil // they come again, type by type
		page.Next = encode(place{Created: at.Created, Split: &split{Types: seen, Done: s.Done}})
	}
	return page, nil
}

// cut reports whether q finds more than r, its first page, holds.
func (e *Events) cut(ctx context.Context, q query, r *rows) (bool, error) {
	switch {
	case len(r.records) == 0:
		return false, nil
	case len(r.records) >= maxPage:
		return true, nil
	}
	q.offset, q.limit = len(r.records), 1
	rest, err := e.run(ctx, q, false)
	if err != nil {
		return false, err
	}
	return len(rest.records) > 0, nil
}
