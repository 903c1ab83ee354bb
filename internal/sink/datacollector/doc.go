// Package datacollector writes batches to a Log Analytics workspace through the
// HTTP Data Collector API, the API of the classic tables.
//
// A batch is one POST of a JSON array to /api/logs, signed with the workspace's
// shared key (see [Signature]). The header Log-Type names the table without
// "_CL", which the service appends; it makes tables and columns as they come.
// The signature holds the date and is valid for 15 minutes, so each [Sink.Write]
// signs anew and whoever repeats a batch just calls it again.
//
// The only thing the service ever says about a batch is the status of its
// answer. What this package makes of it:
//
//	200 without a body      acknowledged, if it came after the whole batch
//	400 InvalidDataFormat   pipeline.Rejected: a record in it is bad
//	400 other codes         permanent; the message names the setting
//	403                     permanent: key, workspace id, clock or network, see below
//	404                     pipeline.Rejected, ambiguous: too large, or a wrong address
//	413                     pipeline.Rejected: too large; permanent for one small record
//	408, 429, 5xx, network  pipeline.Retryable, with the wait that was asked for
//	everything else         permanent: nothing is dropped for it
//
// A 200 with a page or a refusal in its body came from something in between, and
// counts as not acknowledged. One with any other body is in doubt until the sink has
// asked, see docs/adr/0010-what-acknowledges.md.
//
// A 403 has several causes that look the same. Its Date header tells a clock that
// is off, which the message then says; otherwise it lists what to look at.
//
// The service compresses nothing, reports nothing per record and removes no
// duplicates. Limits and column rules are in [Sink.Limits].
package datacollector
