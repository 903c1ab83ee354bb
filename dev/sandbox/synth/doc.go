// Package synth makes SYNTHETIC audit events and trigger invocations that look
// like those of a SailPoint tenant. Nothing in them is recorded: people,
// sources, ids and secrets are invented.
//
// What is real is the list of names in catalogue.csv: which type an event has
// and by which action or technical name it is found. It restates the table of
// SailPoint's public audit events reference (developer.sailpoint.com,
// repository sailpoint-oss/developer.sailpoint.com, MIT licence, state of
// August 2026); one of the columns action and technicalName is filled, the one
// that the table gives. Two of its types, "(unknown)" and "(dynamic)", are
// placeholders of that table; they are used as they stand, because a consumer
// must take any text there.
//
// # Events
//
// A [Generator] gives event i of an endless stream: the same options and the
// same i give the same bytes, in any order of asking and from any goroutine, so
// a stand-in can serve a backlog of millions without holding it. Events are
// numbered in the order of (created, id). [Options] sets the rate, the size and
// how many share one millisecond.
//
// Real tenants send documents that surprise: numbers in strings, JSON in
// strings, empty objects, missing fields. Each such oddity is a [Shape]; most
// occur by themselves with the frequency that [Frequencies] states, some (an
// event without id, one of 1.5 MB, invalid UTF-8) only where [Options.With] or
// [Generator.EventWith] asks for them.
//
// # Invocations
//
// [Generator.Invocation] gives records as the trigger invocation status
// endpoint lists them, for every published trigger, with payloads in
// the shapes of triggers.json.
package synth
