package azblob

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	// leaseFor must be within the 15 to 60 s that the service allows.
	leaseFor = 30 * time.Second
	// margin is how much earlier than for the service a lease expires here.
	margin            = 2 * time.Second
	defaultRenewEvery = 10 * time.Second
	// retryEvery is the wait before a failed renewal is repeated.
	retryEvery     = time.Second
	renewTimeout   = 5 * time.Second
	releaseTimeout = 5 * time.Second
)

// Lock implements [state.Store]: it acquires the lease on the blob called key and
// renews it until the release, even after ctx has ended, because the work that is
// then being finished still needs the lock.
func (s *Store) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	tryCtx, c, err := s.begin(ctx, "lock", key)
	if err != nil {
		return nil, nil, err
	}
	client, err := lease.NewBlobClient(s.container.NewBlobClient(key), nil)
	if err != nil {
		return nil, nil, c.fail(tryCtx, err)
	}
	asked := time.Now()
	err = c.acquire(tryCtx, client)
	if isNotFound(err) {
		if err = c.createLockBlob(tryCtx); err == nil {
			asked = time.Now()
			err = c.acquire(tryCtx, client)
		}
	}
	if err != nil {
		return nil, nil, c.fail(tryCtx, err)
	}

	l := &leaseLock{call: c, client: client, stopped: make(chan struct{})}
	held, lose := context.WithCancelCause(ctx)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	go l.keep(background, asked.Add(leaseFor-margin), lose)
	var once sync.Once
	release := func(ctx context.Context) (err error) {
		once.Do(func() {
			stop()
			<-l.stopped
			lose(context.Canceled)
			err = l.release(ctx)
		})
		return err
	}
	return held, release, nil
}

func (c *call) acquire(ctx context.Context, client *lease.BlobClient) error {
	// The lease id stays the same, so a retry does not conflict with an earlier attempt.
	_, err := client.AcquireLease(ctx, int32(leaseFor/time.Second), nil)
	return err
}

// createLockBlob creates the blob that carries the lease, and the container.
// Another process may create either first.
func (c *call) createLockBlob(ctx context.Context) error {
	_, err := c.put(ctx, nil, state.Absent)
	if bloberror.HasCode(err, bloberror.ContainerNotFound) {
		if err = c.createContainer(ctx); err == nil {
			_, err = c.put(ctx, nil, state.Absent)
		}
	}
	if isConflict(err) || bloberror.HasCode(err, bloberror.LeaseIDMissing) {
		return nil
	}
	return err
}

// leaseLock is a lease that this process holds.
type leaseLock struct {
	*call
	client  *lease.BlobClient
	stopped chan struct{}
}

// keep renews the lease until ctx ends or the lease is lost. expires is when it
// expires unless it is renewed: it counts from before the request was sent, and
// the service from later.
func (l *leaseLock) keep(ctx context.Context, expires time.Time, lose context.CancelCauseFunc) {
	defer close(l.stopped)
	timer := time.NewTimer(l.renewEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		asked := time.Now()
		err := l.renew(ctx, expires)
		left := time.Until(expires)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			expires = asked.Add(leaseFor - margin)
			timer.Reset(l.renewEvery)
		case isLeaseLost(err):
			lose(fmt.Errorf("%w: lease of blob %q was taken over", state.ErrLockLost, l.key))
			return
		case left <= 0:
			lose(fmt.Errorf("%w: lease of blob %q expired: %s", state.ErrLockLost, l.key, azsdk.Text(l.fail(ctx, err))))
			return
		default:
			timer.Reset(min(retryEvery, left))
		}
	}
}

// renew makes one attempt; keep decides whether to repeat it.
func (l *leaseLock) renew(ctx context.Context, expires time.Time) error {
	ctx, cancel := context.WithDeadline(once(ctx), expires)
	defer cancel()
	ctx, cancelTry := context.WithTimeout(ctx, renewTimeout)
	defer cancelTry()
	_, err := l.client.RenewLease(ctx, nil)
	return err
}

// release releases the lease. A lost lease needs no release.
func (l *leaseLock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	c := &call{Store: l.Store, op: "unlock", key: l.key}
	ctx = c.tries.watch(ctx)
	if _, err := l.client.ReleaseLease(ctx, nil); err != nil && !isLeaseLost(err) {
		return c.fail(ctx, err)
	}
	return nil
}

// once disables the SDK's retries.
func once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}
