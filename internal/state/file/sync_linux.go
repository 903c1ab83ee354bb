//go:build linux && (amd64 || arm64)

package file

import (
	"os"
	"syscall"
)

// beginSync lets the disk begin to write the file, without waiting. It only saves time: the Sync that
// follows makes the file durable and reports failures.
func beginSync(f *os.File) {
	const write = 2 // SYNC_FILE_RANGE_WRITE
	_ = syscall.SyncFileRange(int(f.Fd()), 0, 0, write)
}
