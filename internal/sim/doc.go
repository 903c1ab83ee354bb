// Package sim plays the whole connector against faults, in one process and in
// virtual time, and checks that it keeps its promises. It is in the spirit of
// the simulations of FoundationDB and TigerBeetle: one int64 seed decides
// everything, so that a failure can be played again.
//
// [Run] plays one seed; it must be called inside a testing/synctest bubble. A
// [Result] says what happened and which promises were broken. It has an active
// phase of an hour or two, in which events and invocations arrive and
// everything goes wrong, and a calm one, long enough for the audits to have had
// their time. What goes wrong is a [Kind]; each can be switched off by name,
// and [Shrink] does so to find the smallest set that still fails.
//
// # What is real and what is not
//
// Everything of the connector is real, from app.Open on: pipeline, source,
// sink, ledger, checkpoint, quarantine, spool, retry, rate limit. Around it are
// the stand-in tenant and workspace and a store in memory; the workspace is
// written through the Data Collector API or, with [Options.Rule], through the
// Logs Ingestion API. Between the connector and these stand two doors, one for
// HTTP and one for the store: they take some virtual time for each operation,
// let it fail to the seed's dice, and watch what has effect.
//
// No two operations take the same time: so only one goroutine runs at any
// virtual instant, and the order of things depends on the seed alone, whatever
// the scheduler does.
//
// # Death
//
// A process that is killed can't be had inside a process. Instead an instance
// dies at one of its operations, ahead of its effect or behind it: from then on
// none of its operations has an effect, its poll is waited for and forgotten,
// its locks stay until their lease runs out, and a new instance begins with
// empty memory.
//
// # What is checked
//
// While it runs:
//   - no page of the tail skips an event that was visible when it was asked for
//   - a checkpoint is never ahead of an acknowledgement, a row in quarantine or in the spool
//   - nothing arrives that the source does not have, or with other bytes than it
//     has them, unless the row says so and the original is in quarantine already
//   - nothing arrives again unless an acknowledgement was ambiguous, its process died, its
//     lease was lost or the store failed before the ledger knew; each leaves one batch at most
//   - a poll ends within its budget; at most 100 requests come in any 10 seconds
//   - no secret is in a log line, an error, a report or an object of the store
//
// At the end:
//   - everything that the source showed has arrived, what the sink refuses is in quarantine
//   - the streams are drained, audits find nothing more, and requests stay few
package sim
