package file_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// fullDisk is the other process of [TestDiskIsFull]: no file of it can be larger than some bytes, so
// a write is cut in the middle as on a full disk.
func fullDisk(root string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		fmt.Fprintln(os.Stdout, "no limit:", err)
		os.Exit(0)
	}
	_, err := open(root).Put(context.Background(), "t/checkpoints/x.json", bytes.Repeat([]byte("2"), 10_000), state.Any)
	fmt.Fprintln(os.Stdout, "error:", err)
	os.Exit(0)
}

// A write that the disk takes only a part of fails, and what was there before stays.
func TestDiskIsFull(t *testing.T) {
	root := t.TempDir()
	if _, err := open(root).Put(t.Context(), "t/checkpoints/x.json", []byte("one"), state.Absent); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "FILE_TEST_FULL_DISK="+root)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("%v: %s", err, out)
	case bytes.HasPrefix(out, []byte("no limit")):
		t.Skipf("%s", out)
	case bytes.Contains(out, []byte("error: <nil>")):
		t.Errorf("Put on a full disk: no error")
	}
	if o, err := open(root).Get(t.Context(), "t/checkpoints/x.json"); err != nil || string(o.Data) != "one" {
		t.Errorf("Get: %d bytes, %v; want what was there before", len(o.Data), err)
	}
}
