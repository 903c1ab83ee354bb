// Package ledger stores the ids of delivered records, so that a record is not
// sent twice however often it is read, and so that the count of a window of
// event time can be compared with the source's.
//
// # Objects
//
// Each day of event time is divided into windows of a fixed width, 5 minutes
// for events. Each window with at least one record is one object:
//
//	{tenant}/ledger/{stream}/2026-09-24/130500   the window that begins at 13:05:00 UTC
//	{tenant}/ledger/{stream}/undated             records without an event time
//
// It holds the sorted SHA-256 hashes of the ids, cut to 16 bytes: 240 KB for
// 5 minutes at 50 events/s. Numbers are big-endian.
//
//	offset  bytes
//	     0      8  "idnledgr"
//	     8      2  version, 1
//	    10      2  0
//	    12      4  width of the window in seconds; 0 if undated
//	    16      8  start of the window in seconds since 1970, signed; the lowest number if undated
//	    24      4  n, the number of ids
//	    28   16*n  ids, ascending, each once
//	  28+…      4  CRC-32C (Castagnoli) of everything before it
//
// So the size of an object gives its count, and a listing is enough to count.
// A later version must use sizes that are not a multiple of 16, so that an older
// program can't miscount it. A window's object is written whole, and only if
// the stored version is still the one that was read.
//
// # A run
//
// [Ledger.Claim] loads the windows that its records touch and says which
// records are new. [Ledger.Commit] merges the delivered ones into their
// windows and writes them. Between the two, a claim exists only in memory: if
// the process dies, the record is read and delivered again. Loaded windows stay
// within [Config.CacheBytes], however large the backlog is.
//
// # Costs
//
// A run that reads no records touches no object. A page of recent records
// touches one window, or two at a border: one read for a window's first use in
// the run, and one write per commit and window. [Ledger.Count] lists each day
// that it needs once per run.
//
// # Forgetting
//
// [Ledger.Prune] removes windows by their event time. The undated window has
// none, and the source returns its records for as long as it keeps them, so
// their ids are never removed. They are rare, and 65,000 of them take 1 MB.
//
// The width is part of the format. A program that changes it for a stream must
// still read the old windows; this one refuses them.
package ledger
