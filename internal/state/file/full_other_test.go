//go:build !linux

package file_test

// fullDisk is for Linux only, see TestDiskIsFull.
func fullDisk(string) {}
