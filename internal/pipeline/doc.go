// Package pipeline moves the records of one stream from a [Source] to a [Sink]
// so that none is lost and next to none is sent twice.
//
// One run of a stream is
//
//	lock → load → ( fetch → skip delivered → fit → write → commit → ack )* → audit → report
//
// and its one rule is that a checkpoint moves only after an acknowledged
// write. Commit means: first the ledger of delivered ids, then the checkpoint.
// A process that dies between the acknowledgement and the ledger repeats the
// batches that were in flight; one that dies between the ledger and the
// checkpoint reads them again and finds them in the ledger.
//
// A run is made of a reader, which fetches ahead, a delivery, which brings records to where they
// are safe, and an auditor, which looks for records that came late. A resend and an audit that a
// person requests use a delivery, too.
//
// The package knows neither HTTP nor any SDK. It says what it needs as small
// interfaces; the adapters that provide it import this package, not the other
// way round.
package pipeline
