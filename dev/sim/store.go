package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// leaseFor is how long the lock of a dead instance stays.
const leaseFor = 30 * time.Second

var (
	errDead  = errors.New("the process is dead")
	errStore = errors.New("the store is not available")
)

// storeDoor is one instance's way to the store that all instances share.
type storeDoor struct {
	w    *world
	inst *instance
}

var _ state.Store = (*storeDoor)(nil)

// do lets an operation happen, or not. effect must be quick.
func (s *storeDoor) do(ctx context.Context, op mem.Op, key string, effect func() error) error {
	w, inst := s.w, s.inst
	name := fmt.Sprintf("store/%d/%s/%s", inst.id, op, named(key))
	fail := func(err error) error { return fmt.Errorf("%s %q: %w", op, key, err) }
	if inst.died() {
		return fail(errDead)
	}
	n := inst.number(name)

	before := w.dice.span(name+"/before", n, time.Millisecond, 25*time.Millisecond)
	if ph := w.phase(); ph != nil && w.hits(StoreSlow, ph, name, n) {
		before += w.dice.span(name+"/slow", n, time.Second, 4*time.Second)
	}
	if err := inst.wait(ctx, before); err != nil {
		return fail(err)
	}
	w.countState(op)
	death := cmp.Or(inst.step(), w.killsForwarding(name, n))
	if death == KillBefore {
		inst.die(KillBefore, name)
		return fail(errDead)
	}
	ph := w.phase()
	switch {
	case ph == nil:
	case ph.outage == StoreOutage && !w.o.off(StoreOutage), w.full(ph, op, key):
		inst.storeFailed(key)
		w.unnoticed()
		return fail(errStore)
	case ph.outage == StoreFull: // what is checked of it wants the rest in order
	case w.hits(StoreBefore, ph, name, n):
		w.tracef("%s: %s fails", inst, name)
		inst.storeFailed(key)
		return fail(errStore)
	case op == mem.Put && w.hits(StoreConflict, ph, name, n):
		w.tracef("%s: %s conflicts", inst, name)
		inst.storeFailed(key)
		return fail(state.ErrConflict)
	}
	err := effect()
	if death == KillAfter {
		inst.die(KillAfter, name)
		return fail(errDead)
	}
	if err == nil && ph != nil && ph.outage != StoreFull && w.hits(StoreAfter, ph, name, n) {
		w.tracef("%s: %s has effect and fails", inst, name)
		inst.storeFailed(key)
		err = errStore
	}
	if after := inst.wait(context.WithoutCancel(ctx), w.dice.span(name+"/after", n, 100*time.Microsecond, 5*time.Millisecond)); after != nil {
		return fail(after)
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrLocked) {
		w.tracef("%s: %s: %v", inst, name, err)
	}
	return err
}

// named is a key without what is random in it.
func named(key string) string {
	if strings.Contains(key, "/inbox/") {
		key, _, _ = strings.Cut(key, "-")
	}
	if at, _, ok := strings.Cut(key, "/quarantine/"+reportsStream+"/"); ok {
		key = at + "/quarantine/" + reportsStream
	}
	return key
}

func (s *storeDoor) Get(ctx context.Context, key string) (o state.Object, err error) {
	err = s.do(ctx, mem.Get, key, func() error {
		o, err = s.w.mem.Get(context.WithoutCancel(ctx), key)
		if stream, ok := strings.CutPrefix(key, "acme/checkpoints/"); ok {
			s.w.loads(s.inst, strings.TrimSuffix(stream, ".json"), errors.Is(err, state.ErrNotFound))
		}
		return err
	})
	return o, err
}

func (s *storeDoor) Put(ctx context.Context, key string, data []byte, prev state.ETag) (etag state.ETag, err error) {
	err = s.do(ctx, mem.Put, key, func() error {
		etag, err = s.w.mem.Put(context.WithoutCancel(ctx), key, data, prev)
		if err == nil {
			s.w.stored(s.inst, key, data)
		} else if errors.Is(err, state.ErrConflict) && !strings.HasPrefix(key, boxPrefix) {
			s.inst.storeFailed(key) // another instance was at it, or an own write whose answer got lost
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return etag, nil
}

func (s *storeDoor) Delete(ctx context.Context, key string) error {
	return s.do(ctx, mem.Delete, key, func() error {
		err := s.w.mem.Delete(context.WithoutCancel(ctx), key)
		if err == nil {
			s.w.deleted(key)
		}
		return err
	})
}

func (s *storeDoor) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		var infos []state.Info
		err := s.do(ctx, mem.List, prefix, func() error {
			for info, err := range s.w.mem.List(context.WithoutCancel(ctx), prefix) {
				if err != nil {
					return err
				}
				infos = append(infos, info)
			}
			return nil
		})
		if err != nil {
			yield(state.Info{}, err)
			return
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Lock takes the lock for a run. What the instance can't release stays until
// the lease has run out.
func (s *storeDoor) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	w := s.w
	stream := key[strings.LastIndexByte(key, '/')+1:]
	var r *run
	var lost context.Context
	err := s.do(ctx, mem.Lock, key, func() (err error) {
		if w.busy(s.inst, stream) {
			// It is deaf to the loss of its lease. That the same process does not
			// run a stream twice at a time is what keeps the two runs apart here.
			return state.ErrLocked
		}
		lost, _, err = w.mem.Lock(context.Background(), key)
		if err == nil {
			r = w.began(s.inst, stream, pollOf(ctx))
		}
		return err
	})
	if err != nil {
		if r != nil { // it is ours, and we don't know
			w.leaseEnds(key, r)
			w.ended(r)
		}
		return nil, nil, err
	}
	held, lose := context.WithCancelCause(ctx)
	stop := context.AfterFunc(lost, func() {
		_ = s.inst.wait(context.Background(), r.deaf)
		lose(state.ErrLockLost)
	})
	release := func(ctx context.Context) error {
		defer lose(context.Canceled)
		stop()
		w.ended(r)
		freed := false
		err := s.do(context.WithoutCancel(ctx), mem.Release, key, func() error {
			w.free(key, r)
			freed = true
			return nil
		})
		if !freed {
			w.leaseEnds(key, r)
		}
		return err
	}
	return held, release, nil
}
