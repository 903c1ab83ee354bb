package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// PutAll implements [state.Batcher]. It writes all files before it waits for the first: then
// the disk takes them together, and one commit of the file system's journal makes all of
// them durable.
func (s *Store) PutAll(ctx context.Context, writes []*state.Write) {
	puts := make([]*put, len(writes))
	for i, w := range writes {
		puts[i] = &put{key: w.Key, parts: [][]byte{w.Data}, prev: w.Prev}
	}
	s.putAll(ctx, puts)
	for i, p := range puts {
		writes[i].ETag, writes[i].Err = p.etag, p.err
	}
}

// put is a Put in progress.
type put struct {
	key   string
	parts [][]byte
	prev  state.ETag
	tmp   *os.File
	etag  state.ETag
	err   error
}

// putAll does all puts, and sets their outcomes.
func (s *Store) putAll(ctx context.Context, puts []*put) {
	s.sweep.Do(s.sweepStale)
	// The slow part comes first, outside the lock.
	for _, p := range puts {
		if p.err = s.check(ctx, p); p.err != nil {
			continue
		}
		if p.tmp, p.err = s.writeTemp(p.parts); p.err != nil {
			p.err = explain("write", p.key, p.err)
		}
	}
	var wg sync.WaitGroup
	for _, p := range puts {
		if p.err == nil {
			wg.Go(func() { // together, so that they wait for the same commit of the journal
				if err := s.finishTemp(p.tmp); err != nil {
					p.err = explain("write", p.key, err)
				}
			})
		}
	}
	wg.Wait()
	var swaps []*swap
	var durable []*put
	for _, p := range puts {
		if p.err == nil {
			durable = append(durable, p)
			swaps = append(swaps, &swap{tmp: p.tmp.Name(), key: p.key, prev: p.prev, done: make(chan struct{})})
		}
	}
	s.swapIn(ctx, swaps)
	for i, p := range durable {
		if err := swaps[i].err; err != nil {
			p.err = explain("write", p.key, errors.Join(err, removeIfThere(swaps[i].tmp)))
			continue
		}
		p.etag = etagOf(p.parts...)
	}
}

// check does the checks that come before anything is written.
func (s *Store) check(ctx context.Context, p *put) error {
	if err := begin(ctx, "write", p.key); err != nil {
		return err
	}
	if err := state.CheckSize(p.key, state.SizeOf(p.parts)); err != nil {
		return explain("write", p.key, err)
	}
	return nil
}

// writeTemp writes parts to a new temporary file, and lets the disk begin to write it.
func (s *Store) writeTemp(parts [][]byte) (*os.File, error) {
	dir := filepath.Join(s.root, tmpFolder)
	if err := s.mkdirAll(dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, tmpPrefix+"*")
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if _, err = f.Write(p); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	beginSync(f)
	return f, nil
}

// finishTemp makes a temporary file durable and closes it.
func (s *Store) finishTemp(f *os.File) error {
	if err := errors.Join(s.fsync(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
