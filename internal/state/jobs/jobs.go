// Package jobs keeps the backfills of a stream: {tenant}/jobs/{stream}.json, a line of JSON.
//
// A job is a range of event time to deliver once more from the source, how far that is, and what
// came of it. A process that works on a job holds the lock of the stream; a person may add or cancel a job
// at any time. Both replace only the version that they have read, so a job that was cancelled is
// never brought back by the one who works on it.
//
// The place of a job moves like a checkpoint: only after what was acknowledged and is in the
// ledger.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// MaxOpen is how many unfinished jobs a stream may have.
	MaxOpen = 20
	// maxFinished is how many finished ones are kept.
	maxFinished = 20
	// attempts is how often a write is tried while others write.
	attempts = 5
)

var (
	// ErrDamaged means that an object can't be read.
	ErrDamaged = errors.New("is damaged")
	// ErrGone means that a job is no longer there, or finished.
	ErrGone = errors.New("the job was cancelled or is gone")
	// ErrMoved means that another process works on the job.
	ErrMoved = errors.New("another process works on the same job")
)

// Store is the place of one tenant.
type Store struct {
	store  state.Store
	tenant string
}

// New returns the place of a tenant, which is the first element of the keys. It does not access
// the store.
func New(store state.Store, tenant string) *Store { return &Store{store, tenant} }

// Key is where the jobs of a stream are.
func (s *Store) Key(stream string) string { return s.tenant + "/jobs/" + stream + ".json" }

// Load returns the jobs of a stream; the zero File if there are none. Its error is
// [format.ErrNewer], [ErrDamaged], or one of the store.
func (s *Store) Load(ctx context.Context, stream string) (File, state.ETag, error) {
	key := s.Key(stream)
	o, err := s.store.Get(ctx, key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return File{}, state.Absent, nil
	case err != nil:
		return File{}, "", fmt.Errorf("read the backfills: %w", err)
	}
	f, err := Decode(o.Data)
	switch {
	case errors.Is(err, format.ErrNewer):
		return File{}, "", fmt.Errorf("backfills in %q: %w", key, err)
	case err == nil && (f.Tenant != s.tenant || f.Stream != stream):
		err = fmt.Errorf("it belongs to %q of %q", f.Stream, f.Tenant)
		fallthrough
	case err != nil:
		return File{}, "", fmt.Errorf("backfills in %q: the object %w: %w: delete it, then they begin anew; what they delivered stays delivered", key, ErrDamaged, err)
	}
	return f, o.ETag, nil
}

// Change replaces the jobs of a stream by what do makes of them. If do fails, nothing is written.
func (s *Store) Change(ctx context.Context, stream string, do func(*File) error) error {
	for n := 1; ; n++ {
		f, etag, err := s.Load(ctx, stream)
		if err != nil {
			return err
		}
		if err := do(&f); err != nil {
			return err
		}
		_, err = s.put(ctx, stream, f, etag)
		if err == nil || !errors.Is(err, state.ErrConflict) || n == attempts {
			return err
		}
	}
}

func (s *Store) put(ctx context.Context, stream string, f File, etag state.ETag) (state.ETag, error) {
	f.Tenant, f.Stream = s.tenant, stream
	f.tidy()
	data, err := Encode(f)
	if err == nil {
		etag, err = s.store.Put(ctx, s.Key(stream), data, etag)
	}
	if err != nil {
		return "", fmt.Errorf("store the backfills: %w", err)
	}
	return etag, nil
}

// tidy brings the jobs into order, and drops the oldest finished ones.
func (f *File) tidy() {
	var open, finished []Job
	for _, j := range f.Jobs {
		if j.Finished() {
			finished = append(finished, j)
		} else {
			open = append(open, j)
		}
	}
	slices.SortStableFunc(finished, func(a, b Job) int { return b.Ended.Compare(a.Ended) })
	f.Jobs = slices.Concat(open, finished[:min(len(finished), maxFinished)])
}

// Find returns a job; nil if there is none with that id.
func (f *File) Find(id string) *Job {
	for i := range f.Jobs {
		if f.Jobs[i].ID == id {
			return &f.Jobs[i]
		}
	}
	return nil
}

// Open are the unfinished jobs.
func (f *File) Open() (open []Job) {
	for _, j := range f.Jobs {
		if !j.Finished() {
			open = append(open, j)
		}
	}
	return open
}

// Percent is how much of a job is done: by its events, or by its time if those can't be counted.
func (j *Job) Percent() int {
	share := 0.0
	switch {
	case j.State == Done, j.State == Proving:
		share = 1
	case j.Events > 0:
		share = min(0.99, float64(j.Counts.Fetched)/float64(j.Events))
	case j.Events < 0 && j.Through.After(j.From):
		share = min(0.99, float64(j.Through.Sub(j.From))/float64(j.To.Sub(j.From)))
	}
	return int(100 * share)
}

// Progress says how far a job is.
func (j *Job) Progress() string {
	switch j.State {
	case Proving:
		return "everything is read, the range is compared with the source"
	case Done, Cancelled:
		return string(j.State)
	case Delivering:
	}
	text := fmt.Sprintf("%d%%, %d", j.Percent(), j.Counts.Fetched)
	if j.Events >= 0 {
		text += fmt.Sprintf(" of %d", j.Events)
	}
	text += " events read"
	if !j.Through.IsZero() {
		text += ", through " + j.Through.UTC().Format(time.RFC3339)
	}
	return text
}

// Needed is the moment from which on unfinished jobs need the ledger; zero if none does.
func (f *File) Needed() (from time.Time) {
	for _, j := range f.Jobs {
		if !j.Finished() && (from.IsZero() || j.From.Before(from)) {
			from = j.From
		}
	}
	return from
}

// Work is a job under way. It belongs to one goroutine.
type Work struct {
	Job
	store  *Store
	stream string
	file   File
	etag   state.ETag
	saved  Job
}

// Begin loads a job in order to work on it. Its error is [ErrGone] if there is nothing to do.
func (s *Store) Begin(ctx context.Context, stream, id string) (*Work, error) {
	w := &Work{store: s, stream: stream}
	return w, w.load(ctx, id)
}

func (w *Work) load(ctx context.Context, id string) (err error) {
	if w.file, w.etag, err = w.store.Load(ctx, w.stream); err != nil {
		return err
	}
	j := w.file.Find(id)
	if j == nil || j.Finished() {
		return ErrGone
	}
	w.Job, w.saved = *j, *j
	return nil
}

// Tag names the stored version.
func (w *Work) Tag() string { return string(w.etag) }

// Save stores the job as it is now. A person may have changed other jobs, and who works on this
// one, meanwhile; but a job that was cancelled is left as it is ([ErrGone]), and so is one that another
// process has moved ([ErrMoved]).
func (w *Work) Save(ctx context.Context) error {
	for n := 1; ; n++ {
		*w.file.Find(w.ID) = w.Job
		etag, err := w.store.put(ctx, w.stream, w.file, w.etag)
		switch {
		case err == nil:
			w.etag, w.saved = etag, w.Job
			w.file.tidy()
			return nil
		case !errors.Is(err, state.ErrConflict) || n == attempts:
			return err
		}
		next, before := w.Job, w.saved
		if err := w.load(ctx, w.ID); err != nil {
			return err
		}
		if w.Place != before.Place || w.State != before.State {
			if w.Place == next.Place && w.State == next.State { // an answer that was lost
				return nil
			}
			return ErrMoved
		}
		next.Left = w.Left
		w.Job = next
	}
}
