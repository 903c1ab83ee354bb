// Package workspace is a stand-in for a Log Analytics workspace: the HTTP Data
// Collector API with its authentication, its limits and its way of making columns,
// the Logs Ingestion API with its rules ([Rule]), and the Logs Query API
// ([Queries]).
//
//	ws := &workspace.Workspace{}
//	server := httptest.NewServer(ws)
//	… let something post to server.URL, with workspace.DefaultID and DefaultKey …
//	ws.Table("SailPointIDN_Events").Rows()
//
// It is as strict as the service where the service refuses, and as silent where
// the service loses something without a word: such losses are listed by
// [Table.Losses], so that a test can ask for there being none. Where Microsoft
// leaves the behaviour open, the field says which way was taken.
//
// A post is cheap: rows are kept as the bytes that came. Columns are only derived
// when somebody asks for them. For runs of millions of rows [Workspace.Compact]
// keeps counts and digests instead of bytes.
//
// Everything here is synthetic: the default id and key open nothing.
package workspace
