// Package pythonfn continues where the Python function, which this connector
// replaces, stopped.
//
// The function stored one time, the "created" of the last event it had read, in
// Azure Table Storage: table checkpointTable, partition key checkpointTime, row key
// 001, property createdTime, an ISO 8601 text. [Table] reads it, and [Checkpoints]
// turns it into the first checkpoint of the events stream.
//
// It reads the table only while that stream has no checkpoint of its own, so once.
// It never writes to the table, so going back to the function stays possible.
//
// The stream begins a few minutes before that time, see [Begin]. The function
// searched strictly later than its checkpoint and sent one page of results, so
// events of the same millisecond and events that were indexed late may be missing
// around the point where it stopped. Those that it did send are sent again.
//
// If the table or the row does not exist, there is nothing to continue from. But if
// a user named the account, it may be the wrong one, so the run fails, as it does
// after any other failure: beginning elsewhere would leave a silent gap.
package pythonfn
