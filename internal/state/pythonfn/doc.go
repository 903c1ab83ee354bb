// Package pythonfn goes on where the Python function stopped that this connector
// replaces.
//
// That function kept one moment, the "created" of the last event it had read, in
// Azure Table Storage: table checkpointTable, partition key checkpointTime, row key
// 001, property createdTime, a text in ISO 8601. [Table] reads it, and
// [Checkpoints] makes the first checkpoint of the events stream of it.
//
// It asks only as long as that stream has no checkpoint of its own, so once. The
// table is never written to: going back to the function stays possible.
//
// The stream begins some minutes before the moment, see [Begin]. The function
// searched behind a strict "later than" and sent what it got in one page, so events
// of the same millisecond and events that were indexed late may be missing around
// the place where it stopped. Those that it did send come a second time.
//
// A table or a row that does not exist means that there is nothing to go on from,
// unless somebody named the account: it may be the wrong one. That, and any other
// failure, fails the run: to begin elsewhere instead would leave a gap that nobody
// hears of.
package pythonfn
