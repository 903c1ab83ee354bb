package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

var (
	_ pipeline.Ledger = (*Ledger)(nil)
	_ pipeline.Pruner = (*Ledger)(nil)
)

const (
	day              = 24 * time.Hour
	defaultWindow    = 5 * time.Minute
	defaultCacheSize = 4 << 20
	// atOnce bounds the number of concurrent reads.
	atOnce = 8
	// attempts bounds how often records are added to a window that another run keeps changing.
	attempts = 5
	// fewWindows and manyWindows are how many windows are processed together, which bounds
	// the memory used beyond the cache: few if they are large.
	fewWindows, manyWindows = 8, 32
	largeWindow             = 64 << 10
)

var (
	// errDamaged means that a window can't be read, and won't be at the next attempt.
	errDamaged = errors.New("damaged")
	// errBeside means that another run writes this ledger at the same time.
	errBeside = fmt.Errorf("%w: %s", state.ErrConflict, beside)
)

const beside = "another run is active on this stream; if that happens again, two apps share one state (STATE_URL)"

// Config says which ledger to open.
type Config struct {
	Store state.Store
	// Tenant is the first element of the keys, unchanged.
	Tenant string
	Stream string
	// Window is the width of a window in whole seconds, and must divide a day;
	// 0 means 5 minutes. It can't be changed for an existing ledger.
	Window time.Duration
	// CacheBytes bounds the memory for loaded windows; 0 means 4 MiB.
	CacheBytes int
}

// Ledger is the ledger of one stream, opened for one run. It is used by one
// goroutine at a time.
type Ledger struct {
	store  state.Store
	prefix string // of the keys of all windows
	width  int64  // seconds
	cache  cache
	days   days
	// claimed holds the records of this run that are not committed, and recent the latest of
	// them in order: a Commit nearly always has the same order and need not hash them again.
	claimed set
	recent  []claim
	at      int // index in recent, after the last committed claim
	// writable holds the windows that this run wrote or proved writable, or that did not exist.
	writable map[int64]struct{}
	// roomy is true once there is known to be room for new windows.
	roomy bool
	// The buffers below are reused by the next call.
	work   []item
	starts []int64
	hashes []hash
	buf    []byte
	spare  []byte // a replaced object
}

// item is a record that Claim or Commit processes.
type item struct {
	start int64 // of its window
	hash  hash
	index int
}

// Open opens the ledger for a run. It reads nothing, and starts without
// anything that an earlier run had in memory. It panics if a day is not a
// multiple of the window.
func Open(cfg Config) *Ledger {
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Window < time.Second || cfg.Window%time.Second != 0 || day%cfg.Window != 0 {
		panic(fmt.Sprintf("ledger: a day is not a multiple of the window %v", cfg.Window))
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheSize
	}
	return &Ledger{
		store:    cfg.Store,
		prefix:   cfg.Tenant + "/ledger/" + cfg.Stream + "/",
		width:    int64(cfg.Window / time.Second),
		cache:    cache{max: cfg.CacheBytes, windows: make(map[int64]*window)},
		days:     make(days),
		writable: make(map[int64]struct{}),
	}
}

// Claim implements [pipeline.Ledger]. It claims all of the new records or, on
// an error, none.
func (l *Ledger) Claim(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	fresh := make([]bool, len(records))
	err := l.byWindow(ctx, l.items(records, l.hash), func(w *window, items []item) {
		for i := range items {
			it := &items[i]
			fresh[it.index] = !w.ids.has(&it.hash) && l.claimed.add(&it.hash)
		}
	}, nil)
	if err != nil {
		for i := range l.work {
			if fresh[l.work[i].index] {
				l.claimed.remove(&l.work[i].hash)
			}
		}
		return nil, fmt.Errorf("look up %d records in the ledger: %w", len(records), err)
	}
	l.keep(records, fresh)
	return fresh, nil
}

// Commit implements [pipeline.Ledger]. After an error, some of the windows may
// have been written; repeating the same Commit writes the others. If another run has
// written a window since it was loaded, the records are added to what is there now, because they
// are delivered all the same, and the error is [state.ErrConflict], because two runs at once may
// deliver records twice.
func (l *Ledger) Commit(ctx context.Context, delivered []pipeline.Record) error {
	var writes []*write
	err := l.byWindow(ctx, l.items(delivered, l.recall), func(w *window, items []item) {
		object := encode(l.takeSpare(), w.start, l.widthOf(w.start), w.ids, l.sorted(items))
		if len(object) == overhead+len(w.ids) { // all were known already
			l.spare = object
			return
		}
		writes = append(writes, &write{window: w, data: object, items: items})
	}, func() error {
		defer func() { writes = writes[:0] }()
		return l.write(ctx, writes)
	})
	switch {
	case errors.Is(err, errBeside):
		return fmt.Errorf("%d delivered records are in the ledger, but it %w", len(delivered), err)
	case err != nil:
		return fmt.Errorf("store %d delivered records in the ledger: %w", len(delivered), err)
	}
	for i := range l.work {
		l.claimed.remove(&l.work[i].hash)
	}
	return nil
}

// sorted returns the hashes of items in ascending order. They are valid until the next call.
func (l *Ledger) sorted(items []item) []hash {
	l.hashes = l.hashes[:0]
	for i := range items {
		l.hashes = append(l.hashes, items[i].hash)
	}
	slices.SortFunc(l.hashes, hash.compare)
	return slices.Compact(l.hashes)
}

func (l *Ledger) takeSpare() []byte {
	spare := l.spare
	l.spare = nil
	return spare
}

// byWindow calls do for each window that the items touch, with the window's
// items in order. If after is not nil, it is called after each group of windows.
func (l *Ledger) byWindow(ctx context.Context, items []item, do func(*window, []item), after func() error) error {
	for rest := items; len(rest) > 0; {
		most := l.together()
		// The next group of windows: loaded together, processed, and then evictable.
		starts, n := l.starts[:0], 0
		for ; n < len(rest); n++ {
			if n > 0 && rest[n].start == rest[n-1].start {
				continue
			}
			if len(starts) == most {
				break
			}
			starts = append(starts, rest[n].start)
		}
		l.starts = starts
		if err := l.load(ctx, starts); err != nil {
			return err
		}
		for _, start := range starts {
			size := 0
			for size < n && rest[size].start == start {
				size++
			}
			do(l.cache.get(start), rest[:size])
			rest, n = rest[size:], n-size
		}
		if after != nil {
			if err := after(); err != nil {
				return err
			}
		}
		l.cache.trim()
	}
	return nil
}

// together is how many windows are processed together.
func (l *Ledger) together() int {
	if n := len(l.cache.windows); n > 0 && l.cache.size/n <= largeWindow {
		return manyWindows
	}
	return fewWindows // windows that are not loaded may have any size
}

// items turns the records into work items, ordered by window. The records of a
// page usually are in order of time already.
func (l *Ledger) items(records []pipeline.Record, hashOf func(id string) hash) []item {
	l.work = l.work[:0]
	sorted := true
	for i := range records {
		it := item{start: l.startOf(records[i].Time), index: i, hash: hashOf(records[i].ID)}
		sorted = sorted && (i == 0 || l.work[i-1].start <= it.start)
		l.work = append(l.work, it)
	}
	if !sorted {
		slices.SortStableFunc(l.work, func(a, b item) int {
			switch {
			case a.start < b.start:
				return -1
			case a.start > b.start:
				return 1
			}
			return 0
		})
	}
	return l.work
}

// startOf is the start of the window of t. A time in the year of the zero time,
// or in one that a key can't express, counts as undated.
func (l *Ledger) startOf(t time.Time) int64 {
	if !format.Dated(t) {
		return undated
	}
	return floor(t.Unix(), l.width)
}

// floor is the largest multiple of width that is at most s, also before 1970.
func floor(s, width int64) int64 {
	r := s % width
	if r < 0 {
		r += width
	}
	return s - r
}

func (l *Ledger) widthOf(start int64) uint32 {
	if start == undated {
		return 0
	}
	return uint32(l.width)
}

func (l *Ledger) key(start int64) string {
	if start == undated {
		return l.prefix + "undated"
	}
	return l.prefix + time.Unix(start, 0).UTC().Format(keyLayout)
}

// load reads the windows that are missing from the cache.
func (l *Ledger) load(ctx context.Context, starts []int64) error {
	var missing []int64
	for _, start := range starts {
		if !l.cache.has(start) {
			missing = append(missing, start)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	loaded := make([]*window, len(missing))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, start := range missing {
		g.Go(func() (err error) {
			loaded[i], err = l.read(ctx, start)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, w := range loaded {
		l.cache.put(w)
		// Another run that lost its lock may have written since the day was listed, so the
		// count must match the version that Claim uses.
		l.days.set(w.start, int64(w.ids.len()))
	}
	return nil
}

// read reads one window; an absent one is empty.
func (l *Ledger) read(ctx context.Context, start int64) (*window, error) {
	key := l.key(start)
	o, err := l.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return &window{start: start, etag: state.Absent}, nil
	}
	var gotStart int64
	var gotWidth uint32
	switch {
	case err == nil:
		gotStart, gotWidth, err = decode(o.Data)
	case !errors.Is(err, state.ErrTooLarge):
		return nil, err
	}
	switch {
	case errors.Is(err, format.ErrNewer):
		return nil, fmt.Errorf("ledger window %q: %w", key, err)
	case err == nil && (gotStart != start || gotWidth != l.widthOf(start)):
		err = fmt.Errorf("it is the window of %d s that begins at second %d", gotWidth, gotStart)
		fallthrough
	case err != nil:
		return nil, fmt.Errorf("ledger window %q: %w: %w: restore an earlier copy of it; or delete it, then those of its records that are read again are sent again", key, errDamaged, err)
	}
	return &window{start: start, ids: idsOf(o.Data), data: o.Data, etag: o.ETag}, nil
}

// write is a window with the object that is to replace it.
type write struct {
	window *window
	data   []byte
	items  []item     // what is new in it
	etag   state.ETag // of the object, once it is written
}

// write stores the objects, each in place of the version that was loaded, and
// puts those that were stored into the cache.
func (l *Ledger) write(ctx context.Context, writes []*write) error {
	err := l.put(ctx, writes)
	for _, wr := range writes {
		w := wr.window
		if wr.etag == "" { // not written, or unknown
			l.days.forget(w.start)
			continue
		}
		l.spare = l.cache.replace(w, wr.data)
		w.etag = wr.etag
		l.writable[w.start] = struct{}{}
		l.days.set(w.start, int64(w.ids.len()))
	}
	return err
}

// put stores the objects, and sets the etag of each that is stored. A failure does not stop
// the others.
func (l *Ledger) put(ctx context.Context, writes []*write) error {
	puts := make([]*state.Write, len(writes))
	for i, wr := range writes {
		puts[i] = &state.Write{Key: l.key(wr.window.start), Data: wr.data, Prev: wr.window.etag}
	}
	state.PutAll(ctx, l.store, puts)
	var failed error
	for i, wr := range writes {
		if err := l.settle(ctx, wr, puts[i]); err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		wr.etag = puts[i].ETag
	}
	return failed
}

// settle returns the outcome of a write.
func (l *Ledger) settle(ctx context.Context, wr *write, w *state.Write) error {
	if !errors.Is(w.Err, state.ErrConflict) {
		return w.Err
	}
	for range attempts {
		now, err := l.read(ctx, wr.window.start)
		switch {
		case err != nil:
			return err
		case bytes.Equal(now.data, w.Data):
			// An earlier attempt of the same commit was stored although it returned an error.
			w.ETag = now.etag
			return nil
		}
		if err = l.add(ctx, now, wr.items); err == nil {
			return errBeside
		} else if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w several times: %s", w.Err, beside)
}

// add adds items to a window as it is stored now.
func (l *Ledger) add(ctx context.Context, now *window, items []item) error {
	object := encode(nil, now.start, l.widthOf(now.start), now.ids, l.sorted(items))
	if len(object) == overhead+len(now.ids) {
		return nil
	}
	_, err := l.store.Put(ctx, l.key(now.start), object, now.etag)
	return err
}
