// Package state is the one port through which everything durable goes:
// checkpoints, delivered ids, quarantined records, and the lock that gives one
// process at a time the right to run a stream.
//
// A [Store] holds small objects under slash-separated keys and replaces them
// conditionally, so that two writers can't overwrite each other unseen. The
// adapters are azblob (Azure Blob Storage and Azurite), file (a local
// directory) and mem (tests); statetest holds the suite that all of them pass.
//
// The keys, where tenant is the key-safe name that the settings make of the
// tenant's host:
//
//	{tenant}/checkpoints/{stream}.json           how far a stream is delivered
//	{tenant}/ledger/{stream}/{day}/{time}        delivered ids of one window of event time
//	{tenant}/ledger/{stream}/probe               tries whether there is room; removed at once
//	{tenant}/quarantine/{stream}/{kind}/{day}/{hashes}  an original that could not be delivered as it was
//	{tenant}/quarantine/probe                    of a resend; removed at once
//	{tenant}/spool/{stream}/{number}             a batch that waits for a sink that is down
//	{tenant}/readback/{stream}.json              how far arrivals in the workspace were checked
//	{tenant}/check/probe                         of a check; removed at its end
//	{tenant}/locks/{stream}                      the lock of a stream
//	{tenant}/locks/{stream}.waiting              since when it has been found locked
package state

import (
	"context"
	"errors"
	"iter"
	"time"
)

var (
	// ErrNotFound says that there is no object under that key.
	ErrNotFound = errors.New("object not found")
	// ErrConflict says that the object is not (or no longer) the version that the caller named.
	ErrConflict = errors.New("object was changed by another writer")
	// ErrLocked says that another process holds the lock.
	ErrLocked = errors.New("lock is held by another process")
	// ErrLockLost is the cause of a lock's context that ended because the lock
	// could not be kept.
	ErrLockLost = errors.New("lock was lost")
)

// LockedError is [ErrLocked] with what a person can do about it.
type LockedError struct {
	// Remedy is how to set the lock free when its holder is not a run of the connector.
	Remedy string
}

func (e *LockedError) Error() string { return ErrLocked.Error() }

// Is makes it [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// ETag names one version of an object.
type ETag string

const (
	// Absent as the expected version: the object must not exist yet.
	Absent ETag = ""
	// Any as the expected version: replace whatever is there.
	Any ETag = "*"
)

// Object is a stored object.
type Object struct {
	Data []byte
	ETag ETag
}

// Info describes an object in a listing.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Store is a small key-value store with conditional writes.
//
// Keys are slash-separated, of letters, digits and "-_.", with no empty, "."
// or ".." element (see [CheckKey]), and no key is a folder of another. Methods may be called from several goroutines. Errors wrap
// the sentinels above where one applies and name the operation and the key.
// Transient faults are retried by the adapter, within ctx.
type Store interface {
	// Get returns ErrNotFound when there is no such object.
	Get(ctx context.Context, key string) (Object, error)
	// Put stores data if the object's version is prev (or Absent, or Any), and
	// returns the new version; otherwise ErrConflict. The data is durable when
	// Put returns, and the slice is the caller's again.
	Put(ctx context.Context, key string, data []byte, prev ETag) (ETag, error)
	// Delete removes the object; a missing one is not an error.
	Delete(ctx context.Context, key string) error
	// List yields the objects whose keys begin with prefix, in ascending order of keys.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Lock takes the exclusive lock called key, or returns ErrLocked at once.
	// The returned context descends from ctx and ends with cause ErrLockLost if
	// the lock can't be kept. The lock ends with its process at the latest
	// (after the lease has run out, where there is one). release may be called more than once.
	Lock(ctx context.Context, key string) (held context.Context, release func(context.Context) error, err error)
}
