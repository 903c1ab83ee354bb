// Package reports keeps reports that were pushed until their rows are delivered.
//
// A report may have 30 MiB, more than is held in memory, and its sender is answered only once it is
// durable. So it is stored as it came, in parts, while it is received. A last object makes it valid:
//
//	{tenant}/inbox/{stream}/parts/{id}/{number}  a line of JSON with a checksum, and up to 1 MiB of the report
//	{tenant}/inbox/{stream}/waiting/{id}         what is known about the report, in JSON
//	{tenant}/inbox/{stream}/seen/{hash}          that a report with these bytes was stored, when, and whether it was delivered
//	{tenant}/inbox/{stream}/forward/{id}         how far the forwarding of a report to a workflow is
//
// The id is the moment of receipt and a random number, so the names are in the order of receipt as
// far as the clocks of several processes agree. What a process that dies leaves are parts
// that belong to no report, which [Store.Tidy] removes.
//
// A sender that had no answer may send a report again. It is not stored a second time if its name and
// bytes equal those of one from the last [Again]. The object that remembers this is written after the
// report is valid: if it is missing, a report may come twice, and never not at all. It counts only if
// its report was delivered, or waits with all its parts: a person may have deleted that one.
//
// A report that is to be forwarded says so itself, so that this is as durable as the report. Its
// forwarding outlives its delivery: [Store.Remove] leaves the parts until [Store.Finish], and whichever
// is later removes them.
package reports
