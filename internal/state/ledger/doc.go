// Package ledger knows the ids of the records that were delivered, so that a
// record is not sent twice however often it is read, and so that the count of
// a window of event time can be compared with the source's.
//
// # Objects
//
// Event time is cut into windows of a fixed width that begins anew each day,
// 5 minutes for events. Each window with a record is one object:
//
//	{tenant}/ledger/{stream}/2026-09-24/130500   the window that begins at 13:05:00 UTC
//	{tenant}/ledger/{stream}/undated             records without an event time
//
// It holds the sorted SHA-256 of the ids, cut to 16 bytes: at 50 events/s that
// are 240 KB for 5 minutes. Numbers are big-endian.
//
//	offset  bytes
//	     0      8  "idnledgr"
//	     8      2  version, 1
//	    10      2  0
//	    12      4  width of the window in seconds; 0 if undated
//	    16      8  start of the window in seconds since 1970, signed; the least number if undated
//	    24      4  n, the number of ids
//	    28   16*n  ids, ascending, each once
//	  28+…      4  CRC-32C (Castagnoli) of all before
//
// So the size of an object tells its count, and counting is a listing. A later
// version must have sizes that are no multiple of 16, so that an older program
// can't miscount it. A window's object is written whole, on the condition that
// it is the version that was read.
//
// # A run
//
// [Ledger.Claim] loads the windows that its records touch and says which
// records are new. [Ledger.Commit] merges the delivered ones into their
// windows and writes these. Between the two a claim is in memory only: a
// process that dies forgets it, and the record is read and delivered again.
// What is loaded is kept within [Config.CacheBytes], whatever the backlog.
//
// # Costs
//
// A run that reads no records touches no object. A page of the tail touches one
// window, or two at a border: one read for a window's first use in the run, one
// write per commit and window. [Ledger.Count] lists each day that it touches
// once per run.
//
// # Forgetting
//
// [Ledger.Prune] removes windows by their event time. The undated window has
// none: the source shows its records for as long as it keeps them, so their ids
// are never forgotten. They are rare, and 65,000 of them are 1 MB.
//
// The width belongs to the format. A program that changes it for a stream must
// go on to read the old windows; this one refuses them.
package ledger
