package file

import "os"

// Explain is here because a test can't fill a disk or, as root, be denied access.
var Explain = explain

// TakeLock stands for another process that is writing.
var TakeLock = takeLock

// OnSync has sync called in place of the disk's own.
func (s *Store) OnSync(sync func(*os.File) error) { s.fsync = sync }
