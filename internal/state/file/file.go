// Package file keeps state in a local folder: the default for use on a
// workstation, without a storage account.
//
// The object called a/b is the file a/b below the root, so any tool can show it.
// Names with a "~" belong to the store; no key can contain one:
//
//	~lock       held while a file is compared and replaced
//	~tmp/       files that are being written; a killed process may leave one there,
//	            which does no harm and is deleted when it is an hour old
//	a/b~lock    the lock called a/b, if it was ever taken
//
// A write creates a temporary file, fsyncs it, renames it to its final path, and
// fsyncs the folder: after a crash, the object is either the old or the new one.
// The version of an object is a hash of its bytes. So a conditional write
// succeeds if the object holds what the writer has seen, whatever happened in
// between.
//
// A link in place of a folder or an object is followed. Whatever else is where an object or
// a folder belongs, or a link whose disk is not mounted, is an error and not an absent object.
//
// Locks belong to the operating system and end with their process. The folder
// must be on a file system with locks, such as a local disk.
package file

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/flock"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ state.Store = (*Store)(nil)

const (
	lockSuffix = "~lock"
	tmpFolder  = "~tmp"
	tmpPrefix  = "put-" // of the names in it
	// staleAfter is the age at which no running process can still be writing a temporary file.
	staleAfter = time.Hour
)

// Store is a [state.Store] in a folder.
type Store struct {
	root  string
	mine  chan struct{} // a mutex that supports waiting with a context
	swaps swaps
	sweep sync.Once
	fsync func(*os.File) error // makes a file, or the names in a folder, durable
}

// Open returns the store in the folder root, which is created when something
// is first stored. Open itself does not access the disk.
func Open(root string) (*Store, error) {
	if root == "" {
		return nil, errors.New("STATE_URL names no folder: write it as file:///dir")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("STATE_URL: %w", err)
	}
	return &Store{root: abs, mine: make(chan struct{}, 1), fsync: (*os.File).Sync}, nil
}

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

// begin does the checks that come first in every operation.
func begin(ctx context.Context, op, key string) error {
	if err := state.CheckKey(key); err != nil {
		return err
	}
	if err := state.ContextErr(ctx); err != nil {
		return fmt.Errorf("%s state object %q: %w", op, key, err)
	}
	return nil
}

// Get implements [state.Store].
func (s *Store) Get(ctx context.Context, key string) (state.Object, error) {
	if err := begin(ctx, "read", key); err != nil {
		return state.Object{}, err
	}
	data, err := s.readFile(key)
	if err != nil {
		return state.Object{}, explain("read", key, err)
	}
	return state.Object{Data: data, ETag: etagOf(data)}, nil
}

// Put implements [state.Store].
func (s *Store) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	return s.PutParts(ctx, key, [][]byte{data}, prev)
}

// PutParts implements [state.Parted].
func (s *Store) PutParts(ctx context.Context, key string, parts [][]byte, prev state.ETag) (state.ETag, error) {
	p := &put{key: key, parts: parts, prev: prev}
	s.putAll(ctx, []*put{p})
	return p.etag, p.err
}

// expect returns ErrConflict unless the object's version is prev.
func (s *Store) expect(key string, prev state.ETag) error {
	if prev == state.Absent || prev == state.Any {
		// There is no need to read the file.
		path := s.path(key)
		info, err := os.Stat(path)
		switch {
		case isMissing(err):
			return obstacle(path)
		case err != nil:
			return err
		case info.IsDir():
			return folderError(path)
		case prev == state.Absent:
			return state.ErrConflict
		}
		return nil
	}
	now := state.Absent
	data, err := s.readFile(key)
	switch {
	case err == nil:
		now = etagOf(data)
	case !errors.Is(err, state.ErrNotFound):
		return err
	}
	if now != prev {
		return state.ErrConflict
	}
	return nil
}

// Room implements [state.Counted]: a disk may have no inodes left although it has space.
func (s *Store) Room(objects int) error {
	if free, known := freeFiles(s.root); known && free < uint64(objects) {
		return fmt.Errorf("the file system of %q has room for %d more files, and %d may be needed: remove files there, or set STATE_URL to a folder on another disk", s.root, free, objects)
	}
	return nil
}

// Delete implements [state.Store]. It also removes folders that become empty, but no link to
// one: that was made by a person, and would go however full the folder is.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, "delete", key); err != nil {
		return err
	}
	path := s.path(key)
	if _, err := os.Lstat(path); isMissing(err) {
		if err := obstacle(path); err != nil {
			return explain("delete", key, err)
		}
		return nil
	}
	err := s.locked(ctx, nil, func() error {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return folderError(path)
		}
		if err := removeIfThere(path); err != nil {
			return err
		}
		dir := filepath.Dir(path)
		for dir != s.root && !isLink(dir) && removeIfThere(dir) == nil { // fails on the first that is not empty
			dir = filepath.Dir(dir)
		}
		return s.syncDir(dir)
	})
	if err != nil {
		return explain("delete", key, err)
	}
	return nil
}

// Lock implements [state.Store]. The lock is never lost: held ends only with
// ctx or by release.
func (s *Store) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if err := begin(ctx, "lock", key); err != nil {
		return nil, nil, err
	}
	var f *os.File
	err := s.locked(ctx, nil, func() error { // so that no Delete removes the folder in between
		path := s.path(key) + lockSuffix
		if err := s.mkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		var err error
		f, err = takeLock(path)
		return err
	})
	if err != nil {
		return nil, nil, explain("lock", key, err)
	}
	held, cancel := context.WithCancel(ctx)
	release := sync.OnceValue(func() error {
		cancel()
		return f.Close() // don't delete the file: another process may have it open already
	})
	return held, func(context.Context) error { return release() }, nil
}

// takeLock locks the file at path, or returns ErrLocked at once.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cmp.Or(obstacle(path), err)
	}
	ok, err := flock.TryLock(f)
	if err == nil && !ok {
		err = &state.LockedError{Remedy: fmt.Sprintf("if it is not active, end the process that has the file %q open (lsof shows it)", path)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// locked runs do while no other process or goroutine replaces or deletes a file. It
// does nothing once needless, which may be nil, is closed.
func (s *Store) locked(ctx context.Context, needless <-chan struct{}, do func() error) (err error) {
	select {
	case s.mine <- struct{}{}:
		defer func() { <-s.mine }()
		select {
		case <-needless:
			return nil
		default:
		}
	case <-needless:
		return nil
	case <-ctx.Done():
		return state.ContextErr(ctx)
	}
	if err := s.mkdirAll(s.root); err != nil {
		return err
	}
	f, err := waitLock(ctx, filepath.Join(s.root, lockSuffix))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do()
}

// waitLock is takeLock with waiting. It polls, because waiting for a file lock can't
// be canceled; other processes hold it for milliseconds.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		f, err := takeLock(path)
		if !errors.Is(err, state.ErrLocked) {
			return f, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for another process that is writing: %w", state.ContextErr(ctx))
		}
	}
}

// sweepStale removes what killed processes left in the temporary folder, and nothing else: a
// person may have put a link to some other folder there. Files that it can't remove do no harm.
func (s *Store) sweepStale() {
	dir := filepath.Join(s.root, tmpFolder)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// mkdirAll creates dir and its parents durably.
func (s *Store) mkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		// Another process may have been quicker.
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
		return cmp.Or(noFolder(dir), err)
	}
	return s.syncDir(parent)
}

// syncDir makes the names in dir durable. On Windows, that is neither possible nor needed.
func (s *Store) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(s.fsync(d), d.Close())
}

// readFile reads an object's file. It is ErrNotFound only if nothing is there: what can't be
// looked at is not absent, and what was delivered with it would be sent again.
func (s *Store) readFile(key string) ([]byte, error) {
	path := s.path(key)
	data, err := readBounded(path, key)
	if isMissing(err) {
		return nil, cmp.Or(obstacle(path), state.ErrNotFound)
	}
	return data, err
}

// readBounded is [os.ReadFile] with a limit for the object's size. The path may be replaced
// meanwhile, but the open file does not change.
func readBounded(path, key string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := int64(-1) // unknown for special files
	switch {
	case info.IsDir():
		return nil, folderError(path)
	case info.Mode().IsRegular():
		size = info.Size()
	}
	return state.ReadAll(key, f, size)
}

// isLink reports whether path itself is a symbolic link, or a junction on Windows.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !isMissing(err) {
		return err
	}
	return nil
}

// isMissing reports whether a file does not exist, also because a parent is a file.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// obstacle returns why the file of an object can't be seen or created, although the system only
// says that it is not there. It is nil if it just is not.
func obstacle(path string) error {
	return cmp.Or(dangling(path), noFolder(filepath.Dir(path)))
}

// noFolder returns why there can't be a folder dir: it, or one around it, is a file, or a link to
// something that is not there. An error of the system comes as it is.
func noFolder(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%q is a file, but a folder belongs there: move it away; STATE_URL must name a folder that only the connector uses", dir)
		case !isMissing(err):
			return err
		}
		if err := dangling(dir); err != nil || filepath.Dir(dir) == dir {
			return err
		}
		dir = filepath.Dir(dir)
	}
}

// dangling returns an error if path is a link to something that is not there.
func dangling(path string) error {
	if target, err := os.Readlink(path); err == nil {
		if _, err := os.Stat(path); isMissing(err) {
			return fmt.Errorf("%q is a link to %q, which does not exist: mount the disk that it is on, or restore it", path, target)
		}
	}
	return nil
}

// folderError is the error for a folder in place of an object.
func folderError(path string) error {
	return fmt.Errorf("%q is a folder, but a file belongs there: move it away, and restore the file if you have a copy", path)
}

func etagOf(parts ...[]byte) state.ETag {
	if len(parts) == 1 {
		sum := sha256.Sum256(parts[0])
		return state.ETag(hex.EncodeToString(sum[:16]))
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return state.ETag(hex.EncodeToString(h.Sum(nil)[:16]))
}

// explain adds the operation, the object and the remedy to an error.
func explain(op, key string, err error) error {
	return fmt.Errorf("%s state object %q: %w%s", op, key, err, hint(op, err))
}

// hint is the remedy of an error, or empty.
func hint(op string, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission) && (op == "read" || op == "list"):
		return ": all in the folder of STATE_URL must belong to the user that runs this process, but another user, such as root, may have run it before"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ": STATE_URL must name a folder that this process may write to"
	case errors.Is(err, fs.ErrNotExist):
		return ": STATE_URL must name a folder that can be created"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ": the disk of the folder in STATE_URL is full; free space there"
	case errors.Is(err, state.ErrTooLarge):
		return ": inspect the file, and restore an earlier copy of it"
	case errors.Is(err, syscall.EXDEV):
		return ": the folder in STATE_URL must be on one disk as a whole; move all of it, and set STATE_URL to the new place"
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return ": there is a folder where a file belongs; move it away"
	}
	return ""
}
