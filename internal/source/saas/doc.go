// Package saas is the [pipeline.Source] of the reports that SailPoint SaaS Management sends to a
// webhook.
//
// The hook stores a report as it comes and decodes nothing. Its rows are read when the stream is
// fetched, by package tabular, so that neither the number of rows nor their form matters to the
// sender. Each becomes a record:
//
//	{"report":"Apps","received":"2026-11-29T12:00:00.000Z","deliveryId":"20261129T120000…","rowNumber":1,
//	 "row":"{\"Name\":\"Zoom\",\"Email\":\"a@acme.example\"}"}
//
// The row is text, as it came: its columns differ from report to report, so one table could not have
// a column for each, and their names may have any characters.
//
// A record's id is the id of the delivery and the number of the row: what is read again after a crash is dropped by the
// ledger. A row that can't be read is a record with a flaw and goes into quarantine; so does, in
// pieces, a report that can't be read at all.
//
// The cursor is the place in the report that is being read, and the reports that were read:
//
//	{"v":1,"report":"20261129T120000…","records":5000,"done":["20261129T110000…"]}
//
// An acknowledgement removes those in "done", so it works in any process, and one that is repeated
// finds nothing to remove. A report whose stored parts are damaged stays in the
// state. Each run names it and tries it again, from the record on at which it was:
//
//	{"v":1,"damaged":["20261129T120000…"],"came":{"20261129T120000…":5000}}
package saas
