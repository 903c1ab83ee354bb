// Package legacy continues where the connectors that this program replaces have stopped.
//
// They stored their places in Azure Table Storage. SailPoint's Python function kept one time, the
// "created" of the last event it had read: table checkpointTable, partition key checkpointTime, row
// key 001, property createdTime, an ISO 8601 text. Microsoft's function for Okta kept the link to the
// next page of the System Log: table OKTA, partition key part1, property uri, in a row whose key is
// the API token. [Account] reads them, and [Checkpoints] turns what a source makes of them into the
// first checkpoint of a stream.
//
// A table is read only while its stream has no checkpoint of its own, so once. Nothing is ever
// written to it, so going back to the function stays possible.
//
// If the table or the row does not exist, there is nothing to continue from. But if
// a user named the account, it may be the wrong one, so the run fails, as it does
// after any other failure: beginning elsewhere would leave a silent gap.
package legacy
