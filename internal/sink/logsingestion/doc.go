// Package logsingestion writes batches to Log Analytics tables through the Logs
// Ingestion API, that is through a data collection rule (DCR).
//
// A batch is one POST of a JSON array, compressed with gzip, to the stream of a
// rule; the rule's transform makes the table's columns of it. Who may send is
// decided by a role on the rule, so a token comes along and no key. Which members
// a stream takes is declared in the rule, after package schema; what a record has
// beyond that travels in one column, see [table.Declared].
//
// The service limits the bytes on the wire, while the pipeline fills batches by
// the bytes of their records. [Sink.Limits] translates: it aims at a size that
// came out well so far. A batch that turns out too large is not sent but rejected,
// and the pipeline halves it; so each acknowledgement still settles exactly what
// was in one request. (docs/adr/0007-logs-ingestion.md.)
//
// What this package makes of an answer:
//
//	204                     acknowledged
//	400                     pipeline.Rejected: a record in it is bad, unless the service
//	                        refuses a batch without records, too: then permanent
//	400 about the stream    permanent; the message names the setting
//	400 about its reading   pipeline.Rejected as too large, pipeline.Retryable for one record
//	401                     one more try with a new token, then permanent
//	403                     pipeline.Retryable: a new role takes up to half an hour to spread
//	404                     permanent: the rule, the stream or the endpoint is wrong
//	413                     pipeline.Rejected: too large; batches are smaller from then on
//	408, 429, 5xx, network  pipeline.Retryable, with the wait that was asked for
//	everything else         permanent, but for 2xx, which is not the service's: pipeline.Retryable
//
// A 204 says that the batch was taken, not that every row is in the table: rows
// that the transform fails on are dropped later. Therefore the transforms are
// total, values of another type than declared are kept away from them, and the
// audit counts at the source what it should find here.
package logsingestion
