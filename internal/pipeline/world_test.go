package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The stream of most tests; its id and its table are kept apart.
const (
	stream = "events"
	table  = "SailPointIDN_Events"
)

// world is everything around a Runner. It survives the runner, as a state
// store and a workspace do, and checks on every step what must always hold.
type world struct {
	t  *testing.T
	mu sync.Mutex

	records  []pipeline.Record
	pageSize int

	delivered  map[string]int // acknowledged rows by id
	kept       map[string]pipeline.Reason
	ledger     map[string]bool
	checkpoint pipeline.Checkpoint
	version    int
	held       bool

	released                                int // pages
	fetches, writes, proofs, commits, saves int

	// What goes wrong; nil means nothing.
	onFetch  func(n int) error
	onWrite  func(n int, batch []pipeline.Record) (stored bool, err error)
	onProve  func(n int) error
	onCommit func(n int) error
	onSave   func(n int) error
	keepErr  error // of keeping an original
	limits   pipeline.Limits
	fit      func(jsontext.Value) (jsontext.Value, []string, error) // column rules
	takes    time.Duration                                          // of a fetch and of a write
	loseLock chan struct{}
	since    time.Time // of a lock that is held
	sinceErr error
	// sinkTakes is how much longer a write takes.
	sinkTakes time.Duration

	src      pipeline.Source // instead of the list of records
	auditing pipeline.AuditPolicy
	pruned   []time.Time
	spool    pipeline.Spool
	spooled  map[string]bool
}

func newWorld(t *testing.T, n int) *world {
	w := &world{t: t, pageSize: 10, delivered: map[string]int{}, kept: map[string]pipeline.Reason{}, ledger: map[string]bool{}, spooled: map[string]bool{}}
	base := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		id := fmt.Sprintf("e%05d", i)
		w.records = append(w.records, pipeline.Record{ID: id, Time: base.Add(time.Duration(i) * time.Second), Raw: jsontext.Value(`{"id":"` + id + `"}`)})
	}
	return w
}

func (w *world) runner() *pipeline.Runner {
	src := w.src
	if src == nil {
		src = source{w}
	}
	return &pipeline.Runner{
		Source: src, AuditPolicy: w.auditing, Spool: w.spool, Sink: sink{w}, Locks: locks{w}, Checkpoints: checkpoints{w}, Quarantine: quarantine{w},
		OpenLedger: func() pipeline.Ledger { return &ledger{world: w, claimed: map[string]bool{}} },
	}
}

// named fails the test if what belongs to the stream is kept under another name than its id.
func (w *world) named(name string) {
	if name != stream {
		w.t.Errorf("the state is asked for stream %q, want %q", name, stream)
	}
}

// settled says whether a record needs no further work.
func (w *world) settled(id string) bool {
	return w.delivered[id] > 0 || w.spooled[id] || w.kept[id] == pipeline.RejectedBySink || w.kept[id] == pipeline.Unfit || w.kept[id] == pipeline.Unreadable
}

func (w *world) times(id string) int { return w.delivered[id] }

// complete fails the test unless every record was delivered exactly once or,
// if it is among these, is in quarantine.
func (w *world) complete(quarantined ...string) {
	w.t.Helper()
	want := map[string]bool{}
	for _, id := range quarantined {
		want[id] = true
	}
	for _, r := range w.records {
		if n := w.times(r.ID); n != 1 && !want[r.ID] || n != 0 && want[r.ID] {
			w.t.Fatalf("%s delivered %d times, quarantine %q", r.ID, n, w.kept[r.ID])
		}
	}
}

type source struct{ *world }

func (s source) Stream() pipeline.Stream { return pipeline.Stream{ID: stream, Table: table} }

func (s source) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if err := pause(ctx, s.takes); err != nil {
		return pipeline.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	if s.onFetch != nil {
		if err := s.onFetch(s.fetches); err != nil {
			return pipeline.Page{}, err
		}
	}
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(string(after)); err != nil {
			return pipeline.Page{}, err
		}
	}
	to := min(from+s.pageSize, len(s.records))
	page := pipeline.Page{
		Records: slices.Clone(s.records[from:to]), Next: pipeline.Cursor(strconv.Itoa(to)), More: to-from == s.pageSize,
		Through: time.Now().Add(-time.Minute),
	}
	s.lend(&page)
	return page, nil
}

// lend gives a page memory of its own, which turns to rubbish when it is released: so
// every test shows that nobody needs it any more.
func (w *world) lend(page *pipeline.Page) {
	for i := range page.Records {
		page.Records[i].Raw = page.Records[i].Raw.Clone()
	}
	released := false
	page.Release = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if released {
			w.t.Error("a page was released twice")
		}
		released = true
		w.released++
		for _, r := range page.Records {
			for i := range r.Raw {
				r.Raw[i] = rubbish
			}
		}
	}
}

const rubbish = 0xff

// sound fails the test if the record's memory has been taken back.
func (w *world) sound(r pipeline.Record) {
	if bytes.IndexByte(r.Raw, rubbish) >= 0 {
		w.t.Errorf("%s is used after its page was released", r.ID)
	}
}

type sink struct{ *world }

func (s sink) Limits() pipeline.Limits { return s.limits }

func (s sink) Fit(name string, raw jsontext.Value) (jsontext.Value, []string, error) {
	if name != table {
		s.t.Errorf("Fit(%q)", name)
	}
	if s.fit == nil {
		return raw, nil, nil
	}
	return s.fit(raw)
}

func (s sink) Write(ctx context.Context, name string, batch []pipeline.Record) error {
	if err := pause(ctx, s.takes+s.sinkTakes); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if name != table || len(batch) == 0 {
		s.t.Errorf("Write(%q) of %d records", name, len(batch))
	}
	size := 0
	for _, r := range batch {
		size += len(r.Raw) + 1
		s.sound(r)
		defer s.sound(r)
	}
	if s.limits.BatchBytes > 0 && size > s.limits.BatchBytes && len(batch) > 1 {
		s.t.Errorf("batch of %d records has %d bytes, limit %d", len(batch), size, s.limits.BatchBytes)
	}
	stored, err := true, error(nil)
	if s.onWrite != nil {
		stored, err = s.onWrite(s.writes, batch)
	}
	if stored {
		for _, r := range batch {
			s.delivered[r.ID]++
		}
	}
	return err
}

type ledger struct {
	*world
	claimed map[string]bool
}

func (l *ledger) Claim(_ context.Context, records []pipeline.Record) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := make([]bool, len(records))
	for i, r := range records {
		fresh[i] = !l.ledger[r.ID] && !l.claimed[r.ID]
		l.claimed[r.ID] = true
	}
	return fresh, nil
}

func (l *ledger) Prove(ctx context.Context, claimed []pipeline.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proofs++
	for _, r := range claimed {
		if !l.claimed[r.ID] {
			l.t.Errorf("%s proven without a claim", r.ID)
		}
	}
	if l.onProve != nil {
		return l.onProve(l.proofs)
	}
	return nil
}

func (l *ledger) Commit(ctx context.Context, delivered []pipeline.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits++
	if l.onCommit != nil {
		if err := l.onCommit(l.commits); err != nil {
			return err
		}
	}
	for _, r := range delivered {
		if !l.claimed[r.ID] {
			l.t.Errorf("%s committed without a claim", r.ID)
		}
		if !l.settled(r.ID) {
			l.t.Errorf("%s is in the ledger before it was acknowledged or quarantined", r.ID)
		}
		l.ledger[r.ID] = true
	}
	return nil
}

type checkpoints struct{ *world }

func (c checkpoints) Load(_ context.Context, name string) (pipeline.Checkpoint, error) {
	c.named(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checkpoint, nil
}

func (c checkpoints) Save(ctx context.Context, name string, next pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	c.named(name)
	if err := ctx.Err(); err != nil {
		return next, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saves++
	if c.onSave != nil {
		if err := c.onSave(c.saves); err != nil {
			return next, err
		}
	}
	if next.Tag != c.checkpoint.Tag {
		return next, errors.New("checkpoint conflict")
	}
	if c.src == nil {
		c.behindDelivery(next)
	}
	c.version++
	next.Tag = strconv.Itoa(c.version)
	c.checkpoint = next
	return next, nil
}

// behindDelivery is the promise: nothing in front of the checkpoint is undelivered.
func (c checkpoints) behindDelivery(next pipeline.Checkpoint) {
	n, err := strconv.Atoi(string(next.Cursor))
	if err != nil {
		c.t.Errorf("cursor %q: %v", next.Cursor, err)
		return
	}
	for _, r := range c.records[:n] {
		if !c.settled(r.ID) {
			c.t.Errorf("checkpoint %d is ahead of %s, which was not acknowledged", n, r.ID)
		}
		if !c.ledger[r.ID] {
			c.t.Errorf("checkpoint %d is ahead of the ledger at %s", n, r.ID)
		}
	}
}

type quarantine struct{ *world }

func (q quarantine) Put(_ context.Context, name string, rec pipeline.Record, why pipeline.Reason, detail string) error {
	q.named(name)
	q.mu.Lock()
	defer q.mu.Unlock()
	if detail == "" {
		q.t.Errorf("%s quarantined without a detail", rec.ID)
	}
	if q.keepErr != nil {
		return q.keepErr
	}
	q.sound(rec)
	for _, r := range q.records {
		if r.ID == rec.ID && string(r.Raw) != string(rec.Raw) {
			q.t.Errorf("%s in quarantine is not the original: %s", rec.ID, rec.Raw)
		}
	}
	q.kept[rec.ID] = why
	return nil
}

type locks struct{ *world }

func (l locks) Lock(ctx context.Context, name string) (context.Context, func(context.Context) error, error) {
	l.named(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return nil, nil, fmt.Errorf("stream: %w", pipeline.ErrLocked)
	}
	l.held = true
	held, cancel := context.WithCancelCause(ctx)
	if l.loseLock != nil {
		go func() {
			select {
			case <-l.loseLock:
				cancel(errLost)
			case <-held.Done():
			}
		}()
	}
	return held, func(ctx context.Context) error {
		if ctx.Err() != nil {
			l.t.Error("the lock is released with a context that has ended: it would stay")
		}
		cancel(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = false
		return ctx.Err()
	}, nil
}

func (l locks) Since(context.Context, string, string) (time.Time, error) { return l.since, l.sinceErr }

var errLost = errors.New("lease was lost")

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *ledger) Prune(_ context.Context, before time.Time) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruned = append(l.pruned, before)
	for _, r := range l.records {
		if !r.Time.IsZero() && r.Time.Before(before) { // the undated have no window to prune
			delete(l.ledger, r.ID)
		}
	}
	return 1, nil
}

func (l *ledger) Count(_ context.Context, from, to time.Time) (n int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if l.ledger[r.ID] && !r.Time.Before(from) && r.Time.Before(to) {
			n++
		}
	}
	return n, nil
}
