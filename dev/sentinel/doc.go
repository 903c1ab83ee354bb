// Package sentinel holds the tests of the content in the folder sentinel: every
// query there is checked with Microsoft's Kusto parser and executed on rows
// that the tests make. See sentinel/README.md for what is where, and package
// kqltest for the harness.
package sentinel
