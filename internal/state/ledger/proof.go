package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// probe is the last element of the key that is written to test for room.
const probe = "probe"

// block is the disk space that a small file may take beyond its bytes: many windows with few ids
// each fill a disk long before their bytes do. maxBlocks bounds the test object for a long backlog.
const (
	block     = 4 << 10
	maxBlocks = 2 << 20
)

// Prove implements [pipeline.Ledger]. It rewrites existing windows unchanged, each once per run
// and in place of the version that was loaded: if one is leased, on hold or changed by another
// writer, that fails here. Once per run, it stores and removes an object as large as everything
// that a Commit would write: that needs the same room and rights as new windows. A store that can
// also run out of objects is asked whether it has room for them.
func (l *Ledger) Prove(ctx context.Context, claimed []pipeline.Record) error {
	unproven := l.unproven(claimed)
	if len(unproven) == 0 {
		return nil
	}
	size := 0
	for starts := range slices.Chunk(slices.Sorted(maps.Keys(unproven)), l.together()) {
		n, err := l.rewrite(ctx, starts, unproven)
		if err != nil {
			return fmt.Errorf("prepare to store %d records in the ledger: %w", len(claimed), err)
		}
		size += n
	}
	if !l.roomy {
		for _, n := range unproven {
			size += n * idSize
		}
		size += min(len(unproven)*block, maxBlocks)
		if err := l.proveRoom(ctx, size, objects(unproven)); err != nil {
			return fmt.Errorf("prepare to store %d records in the ledger: %w", len(claimed), err)
		}
	}
	for start := range unproven {
		l.writable[start] = struct{}{}
	}
	return nil
}

// unproven returns the windows that are not known to be writable, with the number of records
// that are to be added to each.
func (l *Ledger) unproven(records []pipeline.Record) map[int64]int {
	var found map[int64]int
	for i := range records {
		start := l.startOf(records[i].Time)
		if _, ok := l.writable[start]; ok {
			continue
		}
		if found == nil {
			found = make(map[int64]int)
		}
		found[start]++
	}
	return found
}

// rewrite stores windows unchanged, if they have room for the new records, and returns their total
// size. Absent windows stay absent.
func (l *Ledger) rewrite(ctx context.Context, starts []int64, unproven map[int64]int) (size int, err error) {
	if err := l.load(ctx, starts); err != nil {
		return 0, err
	}
	var writes []*write
	for _, start := range starts {
		w := l.cache.get(start)
		size += overhead + len(w.ids)
		if err := state.CheckSize(l.key(start), int64(overhead+len(w.ids)+unproven[start]*idSize)); err != nil {
			return 0, err
		}
		if w.etag != state.Absent {
			writes = append(writes, &write{window: w, data: w.data})
		}
	}
	if err := l.put(ctx, writes); err != nil {
		return 0, err
	}
	for _, wr := range writes {
		wr.window.etag = wr.etag
	}
	l.cache.trim()
	return size, nil
}

// objects is how many objects a Commit of these windows and the checkpoint after it may create. A
// store may need one for a while to replace another, and one for each day.
func objects(windows map[int64]int) int {
	days := make(map[int64]struct{})
	for start := range windows {
		days[floor(start, secondsPerDay)] = struct{}{}
	}
	return len(windows) + len(days) + 1
}

// proveRoom stores an object and removes it. If removing is not allowed, it stays, and the next
// run overwrites it.
func (l *Ledger) proveRoom(ctx context.Context, size, objects int) error {
	key := l.prefix + probe
	if _, err := l.store.Put(ctx, key, make([]byte, size), state.Any); err != nil {
		return err
	}
	if err := state.Room(l.store, objects); err != nil {
		_ = l.store.Delete(ctx, key)
		return err
	}
	l.roomy = true
	_ = l.store.Delete(ctx, key)
	return nil
}
