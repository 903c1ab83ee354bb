// Package schema is the single definition of the tables that a data collection rule fills, and of
// the streams that it accepts.
//
// A [Stream] is what the connector sends: SailPoint's own members under their own names, objects
// unchanged ("dynamic"). Any other member of a record travels in the column [Extra], because the
// service silently drops members that are not declared.
//
// A [Table] is made from a stream. Each [Field] names its place in the stream and how it is
// converted. The columns have the names that the Data Collector API would give them
// ("actor_name_s"), with the same split for values that look like a GUID, so that queries written
// for the classic tables still work; columns that those tables lacked are added.
//
// Everything else follows from these two. [Table.Transform] writes the rule's transformKql; the
// stand-in workspace applies the same fields as data; and
//
//	go generate ./internal/table/schema
//
// writes what other tools read: deploy/ingestion.json with the declarations of the template,
// deploy/transforms, sentinel/schemas and the tables in docs/compatibility.md. Tests fail when one
// of them is stale.
//
// Sources: Microsoft's pages "Tutorial: Send data to Azure Monitor Logs with Logs ingestion API",
// "Structure of a data collection rule" and "Supported KQL features in Azure Monitor
// transformations"; the published schemas of the Sentinel solution SailPointIdentityNow.
package schema

//go:generate go run ./gen
