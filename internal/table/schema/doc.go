// Package schema is the one definition of the tables that a data collection rule
// fills, and of the streams that it takes.
//
// A [Stream] is what the connector sends: SailPoint's own members by their own
// names, those that are objects as they are ("dynamic"). Whatever else a record
// has travels in the column [Extra], because the service drops a member that is
// not declared without a word.
//
// A [Table] is what comes of it. Each [Field] names the place in the stream that
// it is filled from, and how. The columns have the names that the Data
// Collector API would give ("actor_name_s"), with the same split of a value that
// looks like a GUID, so that queries written for the classic tables go on
// working; what those tables threw away is added.
//
// Everything else follows from these two. [Table.Transform] writes the rule's
// transformKql; the stand-in workspace applies the same fields as data; and
//
//	go generate ./internal/table/schema
//
// writes what other tools read: deploy/ingestion.json with the declarations of
// the template, deploy/transforms, sentinel/schemas and the tables in
// docs/compatibility.md. Tests fail when one of them is stale.
//
// Sources: Microsoft's pages "Tutorial: Send data to Azure Monitor Logs with Logs
// ingestion API", "Structure of a data collection rule" and "Supported KQL
// features in Azure Monitor transformations"; the published schemas of the
// Sentinel solution SailPointIdentityNow.
package schema

//go:generate go run ./gen
