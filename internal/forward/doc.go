// Package forward passes reports that were received on to a workflow, beside their delivery as rows.
//
// A workflow is started by a post that has no idempotency key: an answer that is lost leaves open
// whether it was started. So each start is announced in the state before it is posted, and what
// came of it is noted afterwards:
//
//	intent (rows 1 to 250 are posted now) → post → result (the first 250 rows are settled)
//
// An intent without a result, left by a killed process or by a lost answer, is a start in doubt. It is
// not repeated unless the settings or a person say so: it is kept, named, and reported with the
// remedy. A start that certainly did not happen (no connection, 401, 403, 429, a 200 with a message
// of failure) is tried again for [patience].
//
// What waits is an [Entry] for each report. Entries are settled in the order of receipt, one start at
// a time, by one process at a time; two that both believe to be that one can't both post, because an
// intent replaces only the version of the entry that was read.
//
// An entry that can't be settled (rows that the workflow refuses, starts in doubt, a report whose
// parts are damaged) is kept with the reason, and holds up no other one.
package forward
