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
// # Pushes
//
// With [Options.Pushes] the tenant also pushes most of its invocations, and bursts of others, before
// or after they are polled, some of them twice, to processes that receive and are killed like those
// that poll. Half of the senders try again until they get 200, as Amazon EventBridge does; the
// others try once, as SailPoint does. A good answer means that the push is in the inbox; what leaves
// the inbox has been delivered and is in the ledger; nothing is left in it in the end; and what is
// both pushed and polled in flight comes once.
//
// # Reports
//
// With [Options.Reports] SaaS Management sends reports of all forms to these processes: some twice at
// the same moment or later, some changed, some cut in the middle, with rows that can't be read, or in
// several parts. A good answer means that all bytes are stored and valid; a report is stored twice only
// if its receiver could not know, or note, that it was stored before; what is removed was delivered, row
// by row and with the values that it was sent with, or is there a second time.
//
// # Forwarding
//
// In most plays with reports these are also forwarded to a workflow, for each report or for each row, with starts
// in doubt kept or repeated. Its requests meet faults of their own, answers are lost, it is not enabled or refuses
// its secret for a while, or takes no large inputs; processes die at a post or at what is stored of it; a person has
// what is kept forwarded again, or drops it. A start was announced in the state; no row is passed on twice
// unless the start says so, and it was asked for; what was not passed on is kept, and the report of the run and the
// list of what is kept name it; no drained run of the rows has left any of a report behind.
//
// # Guests
//
// In some plays, or with [Options.Guests], the connection has further sources: an Okta org, whose log is read in
// the order in which it grows, and an IdentityIQ server, whose audit events are read by windows of time. Their
// requests meet the same faults and outages of their own, the org refuses places in its log that it gave, both
// serve small pages, and events are found late, or share a millisecond. A drained run of the org has left
// nothing that was in the log two minutes before it began; a page of the server lacks nothing that could be
// found; everything else is checked as it is for the tenant.
//
// Some orgs are read with a service app, whose tokens are revoked, and whose proofs are refused or need a nonce
// that the org renews. Of half of the servers the syslog and the lists are read, too, whose resources change and
// are removed: each state is a row, and a drained run that has read a list to its end has left no state that
// was in it when it began and still is.
//
// # Backfills
//
// With [Options.Backfill] the tenant has events from the two days before the first run, and a job for
// them is left to the processes that poll. The place of the job never passes an event that is nowhere
// yet, nothing comes twice without a reason, and in the end the job is done and proven.
//
// # Lies
//
// Not everything that goes wrong fails. A store may read and not write, or refuse to change
// what it holds; a proxy may acknowledge what it never passed on; a workspace may refuse
// whatever it gets; a tenant may serve small pages, rows that were not asked for, and events
// of a time to come; somebody may hold a lock, or delete a checkpoint or all of the state.
// Once everything has arrived some plays go on for days: with a pause, after which the ledger
// is pruned, with a workspace that has lost rows and is asked for them, or with a clock that is
// ahead of all others, or behind them, for some runs. Virtual time does
// not go back, so it is the others' clocks that stand still and then catch up.
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
//   - a run is not green after an audit while something that was visible, of the time that the
//     audit covers, is neither acknowledged, in quarantine or the spool, nor unexplained
//   - nor after a sweep of the invocations while one that was in the list is missing in the state it was in,
//     nor after a walk of the inbox while a push that was in it is not delivered; the same for the guests
//   - a window of which the source counts more than it lists is reported, until somebody accepts
//     exactly its numbers
//   - what the workspace has lost after acknowledging it comes again with READ_BACK=repair, and is
//     reported with READ_BACK=report
//   - nothing is green with a clock that is behind
//   - a row that can't be read is in quarantine, with the bytes that came, and its run reports it
//   - a run that begins when the state takes no writes sends nothing
//   - nothing goes into quarantine because the workspace refuses everything
//   - a lock that outlasts every run is a failure, and a stream that begins anew says so
//   - no checkpoint is of a time to come; no window of the ledger goes that is still needed
//   - no secret is in a log line, an error, a report or an object of the store
//
// At the end:
//   - everything that the source showed has arrived, what the sink refuses is in quarantine
//   - the streams are drained, audits find nothing more, and requests stay few
package sim
