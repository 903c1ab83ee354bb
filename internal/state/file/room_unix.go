//go:build linux || darwin

package file

import "syscall"

// freeFiles is how many files can still be created where path is. It is not known for file systems
// that have no such limit, which give 0 as the number of all files.
func freeFiles(path string) (n uint64, known bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil || fs.Files == 0 {
		return 0, false
	}
	return fs.Ffree, true
}
