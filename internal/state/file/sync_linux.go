//go:build linux && (amd64 || arm64)

package file

import (
	"os"
	"syscall"
)

// beginSync lets the disk begin to write the file, and does not wait. It is only about time: the Sync that
// follows is what makes the file durable, and says what failed.
func beginSync(f *os.File) {
	const write = 2 // SYNC_FILE_RANGE_WRITE
	_ = syscall.SyncFileRange(int(f.Fd()), 0, 0, write)
}
