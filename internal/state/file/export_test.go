package file

// Explain is here because a test can't fill a disk or, as root, be denied access.
var Explain = explain

// TakeLock stands for another process that is writing.
var TakeLock = takeLock
