// Package okta reads the System Log of an Okta org.
//
// # How nothing is missed
//
// The stream is one polling request without end, in the org's words: sorted ascending, without
// until. Such a request goes by the moment at which Okta persisted an event and not by its time, so
// an event that appears late comes after it. Each page names the request for the next one in its
// Link header. That link, as a whole, is the cursor; it is stored once the page is delivered. Only
// its path and query are used: requests go to the configured host, whatever the link says.
//
// An org may refuse a place that it gave out. Then the stream begins again an hour before the newest
// event that was delivered, and the ledger recognises what comes again.
//
// A page says nothing about how many events follow. Requests continue until a page is empty, or
// holds events of the last two minutes and fewer than were asked for and than an earlier page had: an
// org in which something always happens would otherwise be asked without a pause. A page with events
// that leads back to itself or to an earlier one is not the end: what follows can't be read.
//
// # What is audited
//
// The log can't be counted. Once a day, windows of a day's age are read again with a bounded request,
// which goes by the events' time, and the ledger decides what was missing.
//
// # Rate limit
//
// The limit for the log is shared by all clients of the org. The client keeps to half of it, as the
// headers of each answer state it, and to less while others use it. The moment at which the limit
// begins anew is measured by the clock of the answer.
package okta
