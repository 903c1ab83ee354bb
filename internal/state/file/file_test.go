package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

// TestMain runs the other process of [TestLockEndsWithProcess] or of TestDiskIsFull when the test
// binary was started as such.
func TestMain(m *testing.M) {
	if root := os.Getenv("FILE_TEST_HOLD_LOCK"); root != "" {
		holdLock(root)
	}
	if root := os.Getenv("FILE_TEST_FULL_DISK"); root != "" {
		fullDisk(root)
	}
	os.Exit(m.Run())
}

func holdLock(root string) {
	store := open(root)
	_, release, err := store.Lock(context.Background(), "t/locks/events")
	fmt.Fprintln(os.Stdout, "lock:", err)
	<-make(chan struct{})      // until killed
	runtime.KeepAlive(release) // else a collection may close the file
}

func open(root string) *file.Store {
	store, err := file.Open(root)
	if err != nil {
		panic(err)
	}
	return store
}

func TestConformance(t *testing.T) {
	var root string
	statetest.Run(t, statetest.Subject{
		Open: func(tb testing.TB) func() state.Store {
			root = filepath.Join(tb.TempDir(), "not", "there", "yet")
			return func() state.Store { return open(root) }
		},
		Plant: func(tb testing.TB, key string, size int64) {
			if err := os.Truncate(filepath.Join(root, filepath.FromSlash(key)), size); err != nil { // takes no room
				tb.Fatal(err)
			}
		},
	})
}

// What is not a file as any other has no size, and is read with the same bound.
func TestEndlessFile(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "t", "checkpoints")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "x.json")); err != nil {
		t.Skip("no /dev/zero or no links here")
	}
	if _, err := open(root).Get(t.Context(), "t/checkpoints/x.json"); !errors.Is(err, state.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestLockEndsWithProcess(t *testing.T) {
	root := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FILE_TEST_HOLD_LOCK="+root)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "lock: <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	store := open(root)
	if _, _, err := store.Lock(t.Context(), "t/locks/events"); !errors.Is(err, state.ErrLocked) {
		t.Errorf("Lock while the other process lives: %v, want ErrLocked", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	_, release, err := store.Lock(t.Context(), "t/locks/events")
	if err != nil {
		t.Fatalf("Lock after the other process was killed: %v", err)
	}
	if err := release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestObjectsArePlainFiles(t *testing.T) {
	root := t.TempDir()
	if _, err := open(root).Put(t.Context(), "acme/checkpoints/x.json", []byte("{}"), state.Absent); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "acme", "checkpoints", "x.json")
	if got, err := os.ReadFile(path); err != nil || string(got) != "{}" {
		t.Errorf("file holds %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want that only the owner can read it", info.Mode(), err)
	}
}

// TestMovedFolder: a person moved a folder and left a link. Deleting an object in it leaves the link, and so
// all other objects, where they are.
func TestMovedFolder(t *testing.T) {
	for _, folder := range []string{"t", "t/spool", "t/spool/s"} {
		t.Run(folder, func(t *testing.T) {
			root := t.TempDir()
			store := open(root)
			for _, key := range []string{"t/spool/s/1", "t/spool/s/2", "t/spool/other/1"} {
				if _, err := store.Put(t.Context(), key, []byte(key), state.Absent); err != nil {
					t.Fatal(err)
				}
			}
			move(t, filepath.Join(root, filepath.FromSlash(folder)))
			if err := store.Delete(t.Context(), "t/spool/s/1"); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Get(t.Context(), "t/spool/s/1"); !errors.Is(err, state.ErrNotFound) {
				t.Errorf("deleted object: %v", err)
			}
			for _, key := range []string{"t/spool/s/2", "t/spool/other/1"} {
				if o, err := store.Get(t.Context(), key); err != nil || string(o.Data) != key {
					t.Errorf("%s: %q, %v", key, o.Data, err)
				}
			}
			// The last object leaves the link, too.
			if err := store.Delete(t.Context(), "t/spool/s/2"); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(folder))); err != nil {
				t.Errorf("link: %v", err)
			}
		})
	}
}

// move moves a file or folder out of the store, leaves a link, and returns the new place.
func move(t *testing.T, path string) string {
	t.Helper()
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(moved, path); err != nil {
		t.Skip("no links here:", err)
	}
	return moved
}

// TestInTheWay: something else is where an object or a folder belongs. That is not the same as an
// absent object: what was delivered or stored in it would be sent again, or never.
func TestInTheWay(t *testing.T) {
	const key, beside = "t/spool/s/1", "t/spool/s/2"
	at := func(root, key string) string { return filepath.Join(root, filepath.FromSlash(key)) }
	asFolder := func(t *testing.T, path string) {
		if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	asFile := func(t *testing.T, path string) {
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	unmounted := func(t *testing.T, path string) {
		if err := os.RemoveAll(move(t, path)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		put  func(t *testing.T, path string)
		at   string
		says string
		// listed is true where an empty folder looks like one that a killed process left.
		listed bool
	}{
		"folder for an object":      {asFolder, key, "is a folder, but a file belongs there", true},
		"file for a folder":         {asFile, "t/spool", "is a file, but a folder belongs there", false},
		"link of an object":         {unmounted, key, "which does not exist: mount", false},
		"link of a folder":          {unmounted, "t/spool/s", "which does not exist: mount", false},
		"link of a folder above it": {unmounted, "t", "which does not exist: mount", false},
		"link of the store":         {unmounted, "", "which does not exist: mount", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "state")
			store := open(root)
			for _, key := range []string{key, beside} {
				if _, err := store.Put(t.Context(), key, nil, state.Absent); err != nil {
					t.Fatal(err)
				}
			}
			test.put(t, at(root, test.at))
			before, _ := os.Lstat(at(root, test.at))

			_, getErr := store.Get(t.Context(), key)
			_, newErr := store.Put(t.Context(), key, nil, state.Absent)
			_, anyErr := store.Put(t.Context(), key, nil, state.Any)
			_, oldErr := store.Put(t.Context(), key, nil, "etag")
			var listErr error
			for _, err := range store.List(t.Context(), "t/spool/s/") {
				listErr = errors.Join(listErr, err)
			}
			for op, err := range map[string]error{"Get": getErr, "Put of a new object": newErr, "Put": anyErr, "Put in place of a version": oldErr, "List": listErr} {
				if op == "List" && test.listed {
					continue
				}
				if err == nil || errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) ||
					!strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), strconv.Quote(at(root, test.at))) {
					t.Errorf("%s: %v, want that it says %q and where", op, err, test.says)
				}
			}
			if after, err := os.Lstat(at(root, test.at)); err != nil || before.Mode() != after.Mode() {
				t.Errorf("in the way was %v, is %v, %v", before, after, err)
			}
			if test.at == key {
				return
			}
			if err := store.Delete(t.Context(), key); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Delete: %v, want that it says %q", err, test.says)
			}
			if _, _, err := store.Lock(t.Context(), key); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Lock: %v, want that it says %q", err, test.says)
			}
		})
	}
}

// TestListFollowsLinks: an object or a folder that was moved, with a link in its place, is listed as before.
func TestListFollowsLinks(t *testing.T) {
	root := t.TempDir()
	store := open(root)
	want := []string{"t/a-b", "t/a/1", "t/a/2", "t/b/1"}
	for _, key := range want {
		if _, err := store.Put(t.Context(), key, []byte(key), state.Absent); err != nil {
			t.Fatal(err)
		}
	}
	move(t, filepath.Join(root, "t", "a"))
	move(t, filepath.Join(root, "t", "b", "1"))
	var got []string
	for info, err := range store.List(t.Context(), "t/") {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len(info.Key)) {
			t.Errorf("%s: %d bytes, want those of the file", info.Key, info.Size)
		}
		got = append(got, info.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStaleTemporaryFiles(t *testing.T) {
	root := t.TempDir()
	tmp := filepath.Join(root, "~tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	stale, live, foreign := filepath.Join(tmp, "put-1"), filepath.Join(tmp, "put-2"), filepath.Join(tmp, "notes.txt")
	for _, path := range []string{stale, live, foreign} {
		if err := os.WriteFile(path, []byte("half an obj"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, age := range map[string]time.Duration{stale: 2 * time.Hour, live: 30 * time.Minute, foreign: 2 * time.Hour} {
		old := time.Now().Add(-age)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	store := open(root)
	if _, err := store.Put(t.Context(), "t/x", nil, state.Absent); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stale file: %v, want that it is swept", err)
	}
	if _, err := os.Stat(live); err != nil {
		t.Errorf("file of a process that may live: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("file that the store did not write: %v", err)
	}
	for info, err := range store.List(t.Context(), "") {
		if err != nil || info.Key != "t/x" {
			t.Errorf("List yields %q, %v", info.Key, err)
		}
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	root := t.TempDir()
	store := open(root)
	if _, err := store.Put(t.Context(), "t/x", []byte("1"), state.Absent); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "t/x", []byte("2"), state.Absent); !errors.Is(err, state.ErrConflict) {
		t.Fatalf("Put: %v, want ErrConflict", err)
	}
	if left, err := os.ReadDir(filepath.Join(root, "~tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

// TestWriterThatHangs shows that waiting for a stuck process ends with the context.
func TestWriterThatHangs(t *testing.T) {
	root := t.TempDir()
	store := open(root)
	put := func(ctx context.Context) error {
		_, err := store.Put(ctx, "t/x", nil, state.Any)
		return err
	}
	// The lock file of the whole store is, seen from outside, a file that can be locked.
	_, release, err := open(filepath.Dir(root)).Lock(t.Context(), filepath.Base(root)+"/x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(root, "x~lock"), filepath.Join(root, "~lock")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := put(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put: %v, want DeadlineExceeded", err)
	}
	if err := release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context()); err != nil {
		t.Errorf("Put when the process went on: %v", err)
	}
}

func TestErrorsNameTheSetting(t *testing.T) {
	if _, err := file.Open(""); err == nil || !strings.Contains(err.Error(), "STATE_URL") {
		t.Errorf("Open without a folder: %v", err)
	}
	root := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(root).Put(t.Context(), "t/x", nil, state.Any)
	if err == nil || !strings.Contains(err.Error(), "STATE_URL must name a folder") {
		t.Errorf("root is a file: %v", err)
	}
	for _, test := range []struct {
		op   string
		err  error
		want string
	}{
		{"write", &fs.PathError{Op: "open", Path: "/dir/x", Err: syscall.EACCES}, "may write to"},
		{"write", &fs.PathError{Op: "open", Path: "/dir/x", Err: syscall.EROFS}, "may write to"},
		{"write", &fs.PathError{Op: "write", Path: "/dir/x", Err: syscall.ENOSPC}, "is full"},
		{"write", &os.LinkError{Op: "rename", Old: "/dir/~tmp/put-1", New: "/dir/x", Err: syscall.EXDEV}, "on one disk"},
		{"read", &fs.PathError{Op: "open", Path: "/dir/x", Err: syscall.EACCES}, "must belong to the user that runs this process"},
	} {
		got := file.Explain(test.op, "t/x", test.err)
		if !errors.Is(got, test.err) || !strings.Contains(got.Error(), test.want) ||
			!strings.Contains(got.Error(), "STATE_URL") || !strings.Contains(got.Error(), test.op+` state object "t/x"`) {
			t.Errorf("%v: got %q, want it to wrap that and to say %q", test.err, got, test.want)
		}
	}
}

// TestWaitingWriters: a writer that gives up while it waits for another process takes
// nobody along and leaves nothing.
func TestWaitingWriters(t *testing.T) {
	root := t.TempDir()
	store := open(root)
	if _, err := store.Put(t.Context(), "t/x", nil, state.Absent); err != nil {
		t.Fatal(err)
	}
	held, err := file.TakeLock(filepath.Join(root, "~lock"))
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	first, second := make(chan error), make(chan error)
	put := func(ctx context.Context, key string, done chan<- error) {
		_, err := store.Put(ctx, key, []byte(key), state.Absent)
		done <- err
	}
	go put(impatient, "t/first", first)
	go put(t.Context(), "t/second", second)
	if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("impatient writer: %v, want that its time has run out", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Errorf("patient writer: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(root, "~tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

// BenchmarkWindows puts 8 objects of 6 KB together, as a ledger does.
func BenchmarkWindows(b *testing.B) {
	store := open(b.TempDir())
	data := make([]byte, 6000)
	b.ReportAllocs()
	for b.Loop() {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := store.Put(b.Context(), fmt.Sprintf("t/ledger/s/2026-09-24/%d", i), data, state.Any); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*8), "µs/object")
}

// A folder says when its file system has too few inodes, where the system counts them.
func TestRoom(t *testing.T) {
	store, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Room(1); err != nil {
		t.Errorf("room for one file: %v", err)
	}
	err = store.Room(math.MaxInt)
	if err != nil && !strings.Contains(err.Error(), "STATE_URL") {
		t.Errorf("names no remedy: %v", err)
	}
	if err == nil && (runtime.GOOS == "linux" || runtime.GOOS == "darwin") {
		t.Log("this file system has no limit")
	}
}
