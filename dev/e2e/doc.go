// Package e2e holds the tests of the connector as a whole: the real handler
// binary, started and killed as the Functions host does, between a stand-in
// tenant and a stand-in workspace over real sockets, with its state in a folder
// or on Azurite.
package e2e
