// Package identityiq reads a SailPoint IdentityIQ server, as one client of its OAuth: audit events and
// the syslog through SailPoint's SIEM plugin, and task results, policy violations and alerts through
// SCIM, which needs no plugin.
//
// IdentityIQ has no rate limit, and each request is a query of its database. So a [Client] sends one
// request at a time, whatever the number of streams. Streams implement [pipeline.Source]. They neither
// retry nor wait: an error that may pass is a [pipeline.Retryable]; any other is for the user, and
// names what is missing, such as the plugin or the right.
//
// # Events
//
// The plugin has times as filter, exclusive and in milliseconds, and numbered pages, which shift while
// rows come in. So events are read by windows of time that fit one page: the total in the same answer
// proves that the window is complete. A window that does not fit ends before the last row of its
// page; how wide the next one is follows from how many rows the last one had. The cursor is
//
//	{"from":"2026-09-01T00:00:00.123Z"}
//
// which is before everything that was created at that moment or later. In a backlog it moves to the
// end of each window; at the end of the stream it only moves to the millisecond after an event that
// was seen, so that an event which is committed late but lies after the cursor is still found. What is
// committed later than that, audits find: the plugin counts.
//
// Ties. A single millisecond with more rows than a page is read by page number. Its rows have no
// order, so they are read until there are as many different ids as the server counts.
//
// Mistakes are answered with status 200 and an object without a list. An answer without the list is
// never taken for an empty one, and a web page names the plugin. SCIM may leave the list out where the
// total is 0.
//
// Rows. The columns of tables need a time in ISO 8601, and IdentityIQ writes milliseconds since 1970.
// So a row is the document's bytes with one member in front of the others:
//
//	{"eventTime":"2026-09-01T00:00:00.123Z","id":"…","created":1788220800123,…}
//
// Objects and arrays in an event, such as attributes, become JSON text: each of their members would
// make a column. An event whose created time can't be read is dated by the window that the server
// counts it in. In lists, the member $ref is written as ref.
//
// What can't be read. A row that is not valid JSON becomes a record with a flaw if it arrives the same
// way several times. A window whose page can't be divided into rows is halved, down to a millisecond,
// which is then read row by row. docs/adr/0013 says when the row is blamed and not the connection.
//
// # Lists
//
// A resource of SCIM changes: a task result is listed while it runs and once it has ended. What can be
// filtered differs between versions, so the whole list is read, 250 at a time; pages overlap by 10,
// because the list may shrink meanwhile. A list of more than 8 pages is read less often, at one page a
// minute on average. The record's id is the resource's and a hash of its version, its time of change
// and its status: so each state is delivered once. The cursor holds a mark, and the place in a sweep:
//
//	{"since":"2026-09-01T00:00:00.000Z","at":241,"seen":250,"pages":1,"sweep":"…"}
//
// What was changed before the mark is passed over: it was delivered, or was changed before the stream
// began. The mark follows half a day after the complete sweeps, so that the ledger still knows
// everything after it. It stays where it is if a sweep listed nothing, or if the total fell by more
// than the overlap during it: others may have moved to places that were read, so the list is read
// again, and the run fails if that lasts for an hour. A later page that begins as the list does has
// lost its startIndex on the way: the run fails, and the list is read from its beginning.
package identityiq
