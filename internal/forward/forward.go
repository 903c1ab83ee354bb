package forward

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// startTimeout bounds a post, which no stop cuts short: that would leave it in doubt.
	startTimeout = 30 * time.Second
	// saveTimeout bounds the writing of a result, for the same reason.
	saveTimeout = 15 * time.Second
	// shown is how many reports a text names.
	shown = 5
)

// Forwarder settles what waits.
type Forwarder struct {
	Queue    Queue
	Workflow Workflow
	// ByRow starts the workflow for each row, not for each report.
	ByRow bool
	// Repeats has a start in doubt repeated.
	Repeats bool

	mu sync.Mutex
	// unposted are intents, by report, that may be stored although their writing failed. Nothing was
	// posted for them.
	unposted map[string]Span
}

// Result is what a run did.
type Result struct {
	// Starts is how many were confirmed, Waiting how many reports wait, and Kept how many wait for a
	// person.
	Starts        int64
	Waiting, Kept int
	// Oldest is when the first of those that wait was received.
	Oldest time.Time
	// Err is why the run ended before its time; nil if it did not.
	Err error
	// After is how long the service asked to wait.
	After time.Duration
	// Notes are what a person should know.
	Notes []string
}

// Run settles what waits until nothing does, ctx ends, or something fails that would fail for all.
func (f *Forwarder) Run(ctx context.Context) (res Result) {
	items, problems, err := f.Queue.Items(ctx)
	res.Notes = problems
	if err != nil {
		res.Err = err
		return res
	}
	now := time.Now()
	var kept []Item
	for i := range items {
		item := &items[i]
		if res.Err == nil && ctx.Err() == nil && item.waits() {
			res.Err = f.settle(ctx, item, &res)
		}
		switch {
		case item.Done():
			if res.Err == nil {
				res.Err = f.Queue.Finish(ctx, *item)
			}
		case item.Kept() && now.Sub(item.Since) > keepFor:
			res.Notes = append(res.Notes, fmt.Sprintf("report %s was kept for %d days and is dropped: %s", item.label(), keepFor/(24*time.Hour), item.why()))
			res.Err = errors.Join(res.Err, f.Queue.Finish(ctx, *item))
		case item.Kept():
			kept = append(kept, *item)
		default:
			if res.Waiting++; res.Oldest.IsZero() || item.Received.Before(res.Oldest) {
				res.Oldest = item.Received
			}
		}
	}
	if ctx.Err() != nil && errors.Is(res.Err, ctx.Err()) {
		res.Err = nil // what is left continues with the next run
	}
	res.Kept = len(kept)
	res.Notes = append(res.Notes, notes(kept)...)
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(res.Err, &asked) {
		res.After = asked.RetryAfter()
	}
	return res
}

// notes say what is kept, and the remedy.
func notes(kept []Item) (list []string) {
	for i, item := range kept {
		if i == shown {
			return append(list, fmt.Sprintf("%d more reports are kept: idnsentinel forwarding list", len(kept)-shown))
		}
		list = append(list, fmt.Sprintf("report %s is kept: %s", item.label(), item.why()))
	}
	return list
}

func (e *Entry) label() string { return fmt.Sprintf("%q (%s)", e.Name, e.ID) }

// why says why an entry is kept, and what to do.
func (e *Entry) why() string {
	var parts []string
	if e.Parked != "" {
		parts = append(parts, "nothing more is tried: "+e.Parked)
	}
	for _, of := range []struct {
		what string
		list []Span
	}{{"it is not known whether the workflow was started for ", e.Doubts}, {"the workflow did not take ", e.Refused}} {
		if len(of.list) == 0 {
			continue
		}
		s := of.list[0]
		text := of.what + s.String()
		if !s.At.IsZero() {
			text += " at " + s.At.UTC().Format(time.RFC3339)
		}
		text += ": " + s.Why
		if n := len(of.list) - 1; n > 0 {
			text += fmt.Sprintf(" (and %d more)", n)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ") +
		"; look at the executions of the workflow, then run: idnsentinel forwarding repeat " + e.ID + ", or: idnsentinel forwarding drop " + e.ID
}

// Why is the text for a person about an entry that is kept; "" if it is not.
func (e *Entry) Why() string {
	if !e.Kept() {
		return ""
	}
	return e.why()
}

// settle starts the workflow for what is left of a report. An error is one that would hit the next
// report as well.
func (f *Forwarder) settle(ctx context.Context, item *Item, res *Result) error {
	if f.isUnposted(item) {
		item.withdraw()
	}
	if item.leftover(f.Repeats) {
		if err := f.Queue.Save(ctx, item); err != nil {
			return err
		}
	}
	if !item.Read && item.Parked == "" {
		r := open(ctx, f.Queue, item.Entry, item.Settled)
		for !item.Read && item.Parked == "" {
			g := r.take(&item.Entry, f.ByRow, 0, 0)
			if err := f.pass(ctx, item, r, g, res); err != nil || ctx.Err() != nil {
				return err
			}
		}
	}
	for len(item.Again) > 0 && item.Parked == "" {
		again := item.Again[0]
		r := open(ctx, f.Queue, item.Entry, again.First-1)
		g := r.take(&item.Entry, f.ByRow, again.Last, again.Tries)
		g.span.First, g.span.Last = again.First, again.Last
		if err := f.pass(ctx, item, r, g, res); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// pass settles one group: intent, post, result.
func (f *Forwarder) pass(ctx context.Context, item *Item, r *reader, g group, res *Result) error {
	if err := r.fault(); err != nil {
		if !f.Queue.Damaged(err) && !errors.Is(err, errLength) {
			return err
		}
		item.Parked = "a stored part of it is missing or damaged"
		return f.Queue.Save(ctx, item)
	}
	repeated := g.span.Tries > 0
	if g.input == nil && g.span.Last == 0 { // the end
		item.Read = true
		return f.Queue.Save(ctx, item)
	}
	item.Posting = &g.span
	if g.input == nil { // nothing of it can be passed on
		item.take(repeated)
		item.settle()
		if repeated {
			return f.Queue.Save(ctx, item)
		}
		return nil // the next intent settles it
	}
	if g.large {
		item.take(repeated)
		item.refuse(fmt.Sprintf("it has more than %d KiB", 2*mostBytes>>10))
		return f.Queue.Save(ctx, item)
	}
	item.Posting = nil
	if err := f.Workflow.Ready(ctx); err != nil {
		if ctx.Err() != nil { // a stop does not count as a failure
			return ctx.Err()
		}
		return f.failed(ctx, item, err)
	}
	g.span.At, g.span.Tries = time.Now().UTC(), g.span.Tries+1
	item.Posting = &g.span
	item.take(repeated)
	if err := f.Queue.Save(ctx, item); err != nil {
		f.remember(item.ID, g.span)
		return fmt.Errorf("nothing was posted: %w", err)
	}
	return f.post(ctx, item, g, res)
}

// take takes the start under way from those to repeat.
func (e *Entry) take(repeated bool) {
	if repeated {
		e.Again = e.Again[1:]
	}
}

// remember notes that nothing was posted for an intent.
func (f *Forwarder) remember(id string, s Span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unposted == nil {
		f.unposted = map[string]Span{}
	}
	f.unposted[id] = s
}

// isUnposted reports whether nothing was posted for the intent of an entry.
func (f *Forwarder) isUnposted(item *Item) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, known := f.unposted[item.ID]
	delete(f.unposted, item.ID)
	return known && item.Posting != nil && *item.Posting == s
}

// post posts a start that is announced, and notes the result. No stop cuts it short.
func (f *Forwarder) post(ctx context.Context, item *Item, g group, res *Result) error {
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	err := f.Workflow.Start(once, g.input)
	var refused *Refused
	var doubt *Doubt
	switch {
	case err == nil:
		item.settle()
		item.Starts++
		item.Failures = 0
		res.Starts++
	case errors.As(err, &refused):
		item.refuse(refused.Error())
		err = nil
	case errors.As(err, &doubt):
		item.doubt(doubt.Error(), f.Repeats)
	default:
		item.withdraw()
		return f.failed(ctx, item, err)
	}
	return errors.Join(err, f.save(ctx, item))
}

// failed notes a start that certainly did not happen.
func (f *Forwarder) failed(ctx context.Context, item *Item, err error) error {
	item.failed(err.Error(), time.Now())
	return errors.Join(err, f.save(ctx, item))
}

// save writes a result, even after a stop.
func (f *Forwarder) save(ctx context.Context, item *Item) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	return f.Queue.Save(ctx, item)
}

func appendInt(dst []byte, n int) []byte   { return strconv.AppendInt(dst, int64(n), 10) }
func appendBool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }
