// Package functions implements the custom handler protocol of the Azure Functions host: the
// host starts the process, assigns a port, and posts each timer invocation to it.
//
//	host                                    handler
//	 │  start, FUNCTIONS_CUSTOMHANDLER_PORT   │
//	 ├───────────────────────────────────────▶│ Listen: port open, first of all
//	 │  GET /  every 25 ms until answered     │
//	 ├───────────────────────────────────────▶│ 200, no side effects
//	 │  POST /function {"Data":{"timer":…}}   │
//	 ├───────────────────────────────────────▶│ Poll, with a deadline of its own
//	 │◀───────────────────────────────────────┤ 200 or 500, {"Outputs":{},"Logs":[…],"ReturnValue":{"runs":[…]}}
//
// With FAN_OUT=queue the timer's answer is one message for each connection, and the host posts
// each to some instance:
//
//	├───────────────────────────────────────▶│ POST /function
//	│◀───────────────────────────────────────┤ 200 {"Outputs":{"work":["{…}",…]},…}
//	├───────────────────────────────────────▶│ POST /work {"Data":{"item":…},"Metadata":{"DequeueCount":…}}
//	│◀───────────────────────────────────────┤ 200: the message is deleted; 500: it comes again
//
// What the protocol makes necessary:
//
//   - The host kills a process that does not listen, and gives up after three
//     times. So nothing is read before the port is open, and invalid settings fail
//     each invocation with the whole message instead of ending the process.
//   - The host never cancels: neither at its timeout (it kills the process) nor
//     when it drains. A run has its own deadline, and a client that goes away
//     does not end it.
//   - The host discards the body of a failed invocation, so failures are logged, on
//     stderr, because only there they become errors; warnings too. What went well is a
//     line of the answer. Nothing is said twice: see NewLog and reportOnce.
//   - An answer is always a JSON body and never a redirect: for an empty one the
//     host would wait for the timeout, follow a redirect, or fail on anything else.
//   - Other programs on the machine can reach the port too, and so can a web page in
//     a browser there. Only a request that looks like the host's starts a run, and on
//     a developer's own machine the status is shown under the machine's names only; see
//     guard.go. Reading a request is limited in time and size.
//   - The schedule in the request is a hint. The checkpoint decides where to begin,
//     so a request that can't be read starts a run, too.
//
// Overlapping invocations are allowed here; the lock of each stream keeps them
// apart, and the second reports "locked".
package functions
