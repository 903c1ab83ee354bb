// Package state is the single port for all durable state: checkpoints,
// delivered ids, quarantined records, and the lock that lets only one process
// at a time run a stream.
//
// A [Store] holds small objects under slash-separated keys and replaces them
// conditionally, so that two writers can't overwrite each other unnoticed. The
// adapters are azblob (Azure Blob Storage and Azurite), file (a local
// directory) and mem (memory); statetest is the suite that all of them pass.
//
// These are the keys, where tenant is the key-safe name that the settings
// derive from the tenant's host:
//
//	{tenant}/checkpoints/{stream}.json           how far a stream has been delivered
//	{tenant}/ledger/{stream}/{day}/{time}        delivered ids of one window of event time
//	{tenant}/ledger/{stream}/probe               tests whether there is room; removed at once
//	{tenant}/quarantine/{stream}/{kind}/{day}/{hashes}  an original that could not be delivered as it was
//	{tenant}/quarantine/probe                    a resend's test; removed at once
//	{tenant}/spool/{stream}/{number}             a batch that waits because the sink is down
//	{tenant}/inbox/{stream}/{time}-{random}      what was pushed and is not delivered yet
//	{tenant}/inbox/{stream}/{waiting,parts,seen,forward}/…  the same for reports, see package reports
//	{tenant}/readback/{stream}.json              how far arrivals in the workspace were checked
//	{tenant}/jobs/{stream}.json                  the backfills of a stream
//	{tenant}/runs/{stream}.json                  what the last runs came to, for a person who asks
//	{tenant}/check/probe                         a test of the check command; removed at its end
//	{tenant}/hooks/owed/{stream}/{time}-{random}  answers that are still to be posted, sealed
//	{tenant}/hooks/noted/{stream}.json           what a push last asked a person to change
//	{tenant}/hooks/{look.json,looked/…}          what hooks receive while a person looks, see package hooklook
//	{tenant}/locks/{stream}                      the lock of a stream; with FAN_OUT the connection has one, too
//	{tenant}/locks/{stream}.waiting              since when runs have found it locked
//	fan-out/poison.json                          messages that the queue of FAN_OUT gave up
//	fan-out/queue.json                           what the app found when it looked at that queue
package state

import (
	"context"
	"errors"
	"iter"
	"time"
)

var (
	// ErrNotFound means that there is no object with that key.
	ErrNotFound = errors.New("object not found")
	// ErrConflict means that the object is not, or no longer, the version that the caller expects.
	ErrConflict = errors.New("object was changed by another writer")
	// ErrLocked means that another process holds the lock.
	ErrLocked = errors.New("lock is held by another process")
	// ErrLockLost is the cause with which a lock's context ends when the lock
	// could not be kept.
	ErrLockLost = errors.New("lock was lost")
)

// LockedError is [ErrLocked] with a remedy.
type LockedError struct {
	// Remedy is how to free the lock if its holder is not a run of the connector.
	Remedy string
}

func (e *LockedError) Error() string { return ErrLocked.Error() }

// Is makes [errors.Is] match [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// ETag names one version of an object.
type ETag string

const (
	// Absent as the expected version means that the object must not exist yet.
	Absent ETag = ""
	// Any as the expected version replaces whatever is there.
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
// Keys are slash-separated elements of letters, digits and "-_.". No element is
// empty, "." or ".." (see [CheckKey]), and no key is a folder of another: a store
// may take that for damage.
// Methods may be called from several goroutines. Errors name the operation and
// the key, and wrap one of the sentinels above if it applies. Adapters retry
// transient faults, within ctx.
type Store interface {
	// Get returns ErrNotFound when there is no such object.
	Get(ctx context.Context, key string) (Object, error)
	// Put stores data if the object's version is prev, and returns the new
	// version, otherwise ErrConflict; prev may also be Absent or Any. When Put
	// returns, the data is durable and the caller may reuse the slice.
	Put(ctx context.Context, key string, data []byte, prev ETag) (ETag, error)
	// Delete removes the object. A missing object is not an error.
	Delete(ctx context.Context, key string) error
	// List yields the objects whose keys begin with prefix, ordered by key.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Lock takes the exclusive lock called key, or returns ErrLocked at once.
	// The returned context is a child of ctx and ends with the cause ErrLockLost
	// if the lock can't be kept. If the process dies, the lock ends too (once
	// its lease has expired, if it has one). release may be called more than once.
	Lock(ctx context.Context, key string) (held context.Context, release func(context.Context) error, err error)
}
