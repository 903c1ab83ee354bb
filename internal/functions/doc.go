// Package functions speaks the custom handler protocol of the Azure
// Functions host: the host starts the process, gives it a port, and posts each
// firing of the timer to it.
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
// What the protocol makes necessary:
//
//   - A process that does not listen is killed, and after three times the host
//     gives up. So nothing is read before the port is open, and wrong settings
//     fail each invocation with the whole message instead of ending the process.
//   - The host never cancels: neither at its timeout (it kills the process) nor
//     when it drains. A run has its own deadline, and a client that goes away
//     does not end it.
//   - The host throws away the body of a failed invocation, so a failure is also
//     logged on stdout. stderr is for what ends the process.
//   - An answer is never empty, a redirect, or other than JSON: the host would
//     wait for the timeout, follow it, or fail.
//   - Other programs on the machine reach the port, too, and so does a web page in
//     a browser there. Only a request that looks as the host's do starts a run; see
//     guard.go. Reading one is bounded in time and size.
//   - The schedule in the request is a hint. Where to begin comes from the
//     checkpoint, so a request that can't be read runs all the same.
//
// Overlapping invocations are allowed here; the lock of each stream keeps them
// apart, and the second reports "locked".
package functions
