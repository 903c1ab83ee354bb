// Package sailpoint reads the two audit streams of a SailPoint Identity Security Cloud tenant
// (formerly IdentityNow): search events and trigger invocations.
//
//	client := sailpoint.NewClient(sailpoint.Config{BaseURL: …, ClientID: …, ClientSecret: …})
//	page, err := client.Events().Fetch(ctx, cursor)
//
// Both streams share a [Client]: one access token, one rate limit (the tenant counts 100 requests
// in 10 s for a client id), and the knowledge of which paths the tenant serves. [Events] and
// [Triggers] implement [pipeline.Source]. They neither retry nor wait: an error that may pass is a
// [pipeline.Retryable]; any other is for the user, and says which setting or scope to look at.
//
// # Events
//
// Events are searched with a time range up to now − Settle, sorted by created and id. Each page
// starts after the last row of the previous one (searchAfter). The cursor is that row:
//
//	{"created":"2026-09-01T00:00:00.123Z","id":"63f8…"}
//
// It holds the texts as spelled in the document, because searchAfter compares those. Without an id
// it means "everything from created on, created included". A first run stores such a cursor with
// its first answer, even an empty one, so that the start of the stream never slides. The cursor
// only moves to a row that was seen, never to the end of the range: so an event that is indexed
// late but lies after the cursor is still found.
//
// The end. A page that is shorter than requested is not the end: services cap pages by rows, bytes
// or time. The walk ends at an empty page, or where X-Total-Count says that the page holds
// everything and an earlier page had more rows: what limits pages may count only what it lets
// through. The total is requested in the last hour only, so that a quiet tick costs one request.
// An empty page whose total says that there is more is requested again; if that persists, the page
// is [pipeline.Page.Incomplete]. Rows outside the range are delivered, but the cursor never moves
// to one of them.
//
// Ties. Hundreds of events share a millisecond, and a page may end among them. With the id in the
// sort order this does not matter. Some tenants may refuse to sort by id; then events are sorted by
// created alone and each page starts again at the cursor's millisecond, included; the pipeline's
// ledger drops what was delivered before. If one millisecond fills a page, the page is enlarged up
// to 10,000 rows; if it fills that too, the millisecond is read type by type.
//
// Identity. A record's id is the document's. A document without an id gets the SHA-256 of its
// bytes: the service stores documents and serves what it stored, so the same document has the same
// bytes; if that ever fails, the document is delivered twice, which does less harm than losing it.
// Identical documents without id are as many records as the service lists and counts: the second
// one in its millisecond has "#2" after its hash, and so on. An id of more than 1 KiB counts as
// missing. The cursor can't be a row without id: it stays before such a row, which is read again
// until a row with an id follows.
//
// What can't be read. A row that is not valid JSON, or not an object, becomes a record with a flaw
// if it arrives the same way several times. A page that can't be divided into rows is read in
// smaller and smaller pieces by row number, down to the unreadable row, and past it:
//
//	{"created":"2026-09-01T00:00:00.123Z","id":"","skip":{"done":12,"sound":12}}
//
// is the place after the first twelve rows from created on; "twins" beside them counts those without
// id, so that identical ones on the next page are numbered on. docs/adr/0013 says when the row is
// blamed and not the connection.
//
// # Trigger invocations
//
// The status endpoint has no time filter. It lists at most 2000 invocations, drops them after 24
// hours (failed ones after 48), and lists one invocation first in flight and later completed. So
// each tick sweeps the whole list, newest first, 250 at a time; pages overlap by 10, because the
// list moves while it is read. The cursor is the place in a sweep: {"offset":240,"sweep":"…"}. The
// record's id is the invocation's id, "|" and the time of completion (nothing while in flight), so
// that each state is delivered once.
//
// A row holds the invocation's own members unchanged, and in addition the columns that queries on
// SailPointIDN_Triggers_CL use:
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
// Body is startInvocationInput.input, the payload that the trigger's subscribers got. Its _metadata
// keeps its members and gains triggerId and invocationId; triggerType is only there if the payload
// has it. Every searchResults.*.count in Body is a string, as the column's type demands.
// contentJson, localizedError and output are JSON text in a string, so that each makes one column
// whose name is not too long. Anything that may be a credential (members named secret, password,
// bearerToken, accessToken, clientSecret and the like, also inside JSON text) is replaced by
// "(masked)", and links that are signed, such as signedS3Url, lose their query.
//
// # Pushed invocations
//
// [Hook] understands what event triggers push, over HTTP or through Amazon EventBridge. A push
// becomes the row, and has the record id, of its invocation in flight.
package sailpoint
