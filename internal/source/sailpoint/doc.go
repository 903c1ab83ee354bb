// Package sailpoint reads the two audit streams of a SailPoint Identity
// Security Cloud tenant (formerly IdentityNow): search events and trigger
// invocations.
//
//	client := sailpoint.NewClient(sailpoint.Config{BaseURL: …, ClientID: …, ClientSecret: …})
//	page, err := client.Events().Fetch(ctx, cursor)
//
// A [Client] is shared by both streams: one access token, one rate limit of its
// own (the tenant counts 100 requests in 10 s for a client id), one memory of which paths
// the tenant serves. [Events] and [Triggers] implement [pipeline.Source]. They
// neither retry nor wait: an error that may pass is a [pipeline.Retryable], any other is
// for the user, and says which setting or scope to look at.
//
// # Events
//
// Events are searched with a time range up to now − Settle, sorted by created
// and id, each page behind the last row of the one before (searchAfter). The
// cursor is that row:
//
//	{"created":"2026-09-01T00:00:00.123Z","id":"63f8…"}
//
// It holds the texts as the document had them, because that is what searchAfter
// compares. Without an id it means "everything from created on, created
// included". A first run's cursor says so from its first answer on, even if
// nothing came, so that the begin of the stream never slides. The cursor only
// moves to a row that was seen, never to the end of the range: an event that is
// indexed late but behind the cursor is still found.
//
// The end. A page that is shorter than asked for is not the end: services cap pages by
// rows, bytes or time. The walk ends at an empty page, or where X-Total-Count says that
// the page holds all there is; the total is asked for in the last hour only, so that a
// quiet tick costs one request. An empty page whose total says that there is more is asked for
// again, and then makes the page [pipeline.Page.Incomplete]. Rows outside of the range are delivered, but the cursor
// never moves to one of them.
//
// Ties. Hundreds of events share a millisecond, and a page may end among them.
// With the id in the sort order that is no matter. Some tenants may refuse to
// sort by id; then events are sorted by created alone and each page begins
// again at the cursor's millisecond, included; what was delivered before is for the
// pipeline's ledger to drop. If one millisecond fills a page, the page is
// enlarged up to 10,000 rows; if it fills that too, the millisecond is read
// type by type.
//
// Identity. A record's id is the document's. A document without one gets the
// SHA-256 of its bytes: the service stores documents and serves what it stored,
// so the same document has the same bytes; should it ever not, the document is
// delivered twice, which is the harmless side to err on. Documents without id that
// are the same byte for byte are as many records as the service lists and counts:
// the second one in its millisecond has "#2" after its hash, and so on. An id of more than
// 1 KiB is none. A row without an id is
// no place for the cursor to stand: it stays before it, and the row is read
// again until one with an id follows.
//
// What can't be read. A row that breaks the rules of JSON, or is no object, becomes a
// record with a flaw, if it comes the same way several times. A page that can't be
// divided into rows is read in smaller and smaller pieces by the number of the rows, down
// to the one that can't be had, and past it:
//
//	{"created":"2026-09-01T00:00:00.123Z","id":"","skip":{"done":12,"sound":12}}
//
// is the place after the first twelve rows from created on. When it is believed that it
// is the row, and not the way to it, is told in docs/adr/0013.
//
// # Trigger invocations
//
// The status endpoint has no time filter. It lists at most 2000 invocations,
// forgets them after 24 hours (failed ones after 48), and lists one invocation
// first in flight and later completed. So each tick sweeps the whole list,
// newest first, 250 at a time; pages overlap by 10, because the list moves while
// it is read. The cursor is the place in a sweep: {"offset":240,"sweep":"…"}. The
// record's id is the invocation's id, "|" and the time it was completed (nothing
// while in flight), so that each state is delivered once.
//
// A row holds the invocation's own members as they are, and beside them what
// queries on SailPointIDN_Triggers_CL look for:
//
//	{
//	  "id": "…", "triggerId": "idn:identity-created", "subscriptionId": "…", "subscriptionName": "…",
//	  "type": "REAL_TIME", "created": "…", "completed": "…",
//	  "startInvocationInput": {"triggerId": "…", "contentJson": "{…}"},
//	  "completeInvocationInput": {"localizedError": "{…}", "output": "{…}"},
//	  "Body": {…, "_metadata": {"triggerId": "…", "invocationId": "…", "triggerType": "…"}},
//	  "Metadata": {"triggerId": "…", "invocationId": "…", "triggerType": "…"}
//	}
//
// Body is startInvocationInput.input, the payload that the trigger's
// subscribers got. Its _metadata keeps what it had and gains triggerId and invocationId;
// triggerType is only there if the payload has it. Every
// searchResults.*.count in Body is a string, as the column's type demands.
// contentJson, localizedError and output are JSON text in a string, so that each
// makes one column with a name that fits. What could
// be a credential (members named secret, password, bearerToken, accessToken,
// clientSecret and the like, also inside JSON text) is replaced by "(masked)", and
// a signedS3Url loses its query.
package sailpoint
