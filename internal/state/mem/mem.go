// Package mem keeps state in memory: for a run that only prints what it reads and stores
// nothing, for tests and for simulations.
//
// It behaves like the durable adapters. Tests can make it fail: [Store.Before]
// is called before each operation and can stop it. [Store.After] is called when
// the operation has taken effect and can hide that from the caller, like a
// connection that breaks before the answer. [Store.BreakLock] takes a lock away
// from its holder, like a lease that expires.
package mem

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ state.Store = (*Store)(nil)

// Op names an operation in a fault hook.
type Op string

// The operations.
const (
	Get     Op = "get"
	Put     Op = "put"
	Delete  Op = "delete"
	List    Op = "list"
	Lock    Op = "lock"
	Release Op = "release"
)

// Store is a [state.Store] in memory. The zero value is empty and ready for
// use. A Store must not be copied.
type Store struct {
	// Before, if set, is called before each operation. If it returns an error, the
	// operation returns that and does nothing. Set it before the first use; it may be
	// called from several goroutines.
	Before func(op Op, key string) error
	// After, if set, is called after an operation has succeeded. If it returns an error,
	// the operation returns that although it took effect. Set it before the first use.
	After func(op Op, key string) error

	mu      sync.Mutex
	version int64
	objects map[string]object
	locks   map[string]*lock
}

type object struct {
	data     []byte
	etag     state.ETag
	modified time.Time
}

type lock struct{ lose context.CancelCauseFunc }

// do runs effect between the two hooks.
func (s *Store) do(ctx context.Context, op Op, key string, effect func() error) error {
	check := state.CheckKey
	if op == List {
		check = state.CheckPrefix
	}
	if err := check(key); err != nil {
		return err
	}
	if err := state.ContextErr(ctx); err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	if s.Before != nil {
		if err := s.Before(op, key); err != nil {
			return fmt.Errorf("%s %q: %w", op, key, err)
		}
	}
	s.mu.Lock()
	err := effect()
	s.mu.Unlock()
	if err == nil && s.After != nil {
		err = s.After(op, key)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	return nil
}

// Get implements [state.Store].
func (s *Store) Get(ctx context.Context, key string) (state.Object, error) {
	var found state.Object
	err := s.do(ctx, Get, key, func() error {
		o, ok := s.objects[key]
		if !ok {
			return state.ErrNotFound
		}
		if err := state.CheckSize(key, int64(len(o.data))); err != nil {
			return err
		}
		found = state.Object{Data: slices.Clone(o.data), ETag: o.etag}
		return nil
	})
	if err != nil {
		return state.Object{}, err
	}
	return found, nil
}

// Put implements [state.Store].
func (s *Store) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	var etag state.ETag
	err := s.do(ctx, Put, key, func() error {
		if old, ok := s.objects[key]; prev != state.Any && (ok != (prev != state.Absent) || ok && old.etag != prev) {
			return state.ErrConflict
		}
		if err := state.CheckSize(key, int64(len(data))); err != nil {
			return err
		}
		s.version++
		etag = state.ETag(strconv.FormatInt(s.version, 10))
		if s.objects == nil {
			s.objects = make(map[string]object)
		}
		s.objects[key] = object{slices.Clone(data), etag, time.Now()}
		return nil
	})
	if err != nil {
		return "", err
	}
	return etag, nil
}

// Delete implements [state.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.do(ctx, Delete, key, func() error {
		delete(s.objects, key)
		return nil
	})
}

// List implements [state.Store]. It yields the objects that existed when it began.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		var infos []state.Info
		err := s.do(ctx, List, prefix, func() error {
			for key, o := range s.objects {
				if strings.HasPrefix(key, prefix) {
					infos = append(infos, state.Info{Key: key, Size: int64(len(o.data)), Modified: o.modified})
				}
			}
			return nil
		})
		if err != nil {
			yield(state.Info{}, err)
			return
		}
		slices.SortFunc(infos, func(a, b state.Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Lock implements [state.Store]. The lock is held until it is released or broken.
func (s *Store) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	held, lose := context.WithCancelCause(ctx)
	mine := &lock{lose}
	err := s.do(ctx, Lock, key, func() error {
		if s.locks[key] != nil {
			return &state.LockedError{Remedy: "release the lock " + key}
		}
		if s.locks == nil {
			s.locks = make(map[string]*lock)
		}
		s.locks[key] = mine
		return nil
	})
	if err != nil {
		lose(err)
		return nil, nil, err
	}
	release := func(ctx context.Context) error {
		defer lose(context.Canceled)
		return s.do(context.WithoutCancel(ctx), Release, key, func() error {
			if s.locks[key] == mine {
				delete(s.locks, key)
			}
			return nil
		})
	}
	return held, release, nil
}

// BreakLock takes the lock called key away from its holder: the held context
// ends with [state.ErrLockLost], and the lock is free. It does nothing if the
// lock has no holder.
func (s *Store) BreakLock(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.locks[key]; l != nil {
		delete(s.locks, key)
		l.lose(state.ErrLockLost)
	}
}
