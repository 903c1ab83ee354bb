// Package logsingestion writes batches to Log Analytics tables through the Logs
// Ingestion API, that is, through a data collection rule (DCR).
//
// A batch is one POST of a JSON array, compressed with gzip, to a stream of the
// rule; the rule's transform turns it into the table's columns. A role on the
// rule decides who may send, so requests carry a token and not a key. The rule
// declares the members that a stream takes, generated from package schema; a
// record's other members go into one column, see [table.Declared].
//
// The service limits the bytes on the wire, while the pipeline fills batches by
// the bytes of their records. [Sink.Limits] translates: it aims at a size that
// has fit so far. A batch that turns out too large is rejected without being
// sent, and the pipeline halves it; so each acknowledgement covers exactly one
// request. (docs/adr/0007-logs-ingestion.md.)
//
// This package handles an answer as follows:
//
//	204                     acknowledged
//	400                     pipeline.Rejected: a record in the batch is bad; permanent if
//	                        the service also refuses a batch without records
//	400 about the stream    permanent; the message names the setting
//	400, reading cut off    pipeline.Rejected as too large, pipeline.Retryable for one record
//	401                     one more try with a new token, then permanent
//	403                     pipeline.Retryable: a new role takes up to half an hour to spread
//	404                     permanent: the rule, the stream or the endpoint is wrong
//	413                     pipeline.Rejected: too large; batches are smaller from then on
//	408, 429, 5xx, network  pipeline.Retryable, with the wait that the answer asks for
//	other 2xx               pipeline.Retryable: not from the service
//	everything else         permanent
//
// A 204 means that the service accepted the batch, not that every row is in the
// table: rows on which the transform fails are dropped later. So the transforms
// are total, the sink keeps values of an undeclared type away from them, and the
// audit compares counts with the source.
package logsingestion
