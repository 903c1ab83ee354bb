// Package flock locks an open file against every other open of it, in this
// process and in others. The operating system releases the lock when the
// file is closed or the process dies, so a lock never outlives its holder.
//
// The file must not be removed while any process may be using it as a lock: a
// second process would lock a new file of the same name.
package flock
