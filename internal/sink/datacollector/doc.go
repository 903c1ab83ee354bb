// Package datacollector writes batches to a Log Analytics workspace through the
// HTTP Data Collector API, which fills the classic tables.
//
// A batch is one POST of a JSON array to /api/logs, signed with the workspace's
// shared key (see [Signature]). The header Log-Type names the table without
// "_CL", which the service appends; it creates missing tables and columns. The
// signature covers the date and is valid for 15 minutes, so each [Sink.Write]
// creates a new one, and a caller repeats a batch by calling it again.
//
// The status of its answer is all that the service reports about a batch. This
// package handles it as follows:
//
//	200 without a body      acknowledged, if it came after the whole batch
//	400 InvalidDataFormat   pipeline.Rejected: a record in the batch is bad
//	400 other codes         permanent; the message names the setting
//	403                     permanent: key, workspace id, clock or network, see below
//	404                     pipeline.Rejected, ambiguous: too large, or a wrong address
//	413                     pipeline.Rejected: too large; permanent for one small record
//	408, 429, 5xx, network  pipeline.Retryable, with the wait that the answer asks for
//	everything else         permanent: no record is dropped because of it
//
// A 200 with a page or a refusal in its body came from something in between, and
// counts as not acknowledged. One with any other body is in doubt until the sink
// has checked, see docs/adr/0010-what-acknowledges.md.
//
// A 403 has several causes that look the same. If its Date header shows that the
// clock is off, the message says so; otherwise it lists what to check.
//
// The service compresses nothing, reports nothing per record and removes no
// duplicates. Limits and column rules are in [Sink.Limits].
package datacollector
