// Package host is a stand-in for the Azure Functions host: it starts the real
// handler binary as the host does, fires the timer, and is as strict about the
// answers and as rude to the process as the host can be.
//
// [Start] launches the process with the environment of a function app and asks
// GET / every 25 ms until anything answers. [Host.Fire] posts an invocation,
// each time in another of the forms that the host is known to send. The host's
// ways of ending a process are [Host.Kill] (SIGKILL, its only way), a function
// timeout (the same), and [Host.Terminate] (SIGTERM, as the platform stops a
// container).
//
// A Host is also the front end for HTTP functions: serve it, and it passes requests to the
// process as host.json says, streamed or as a copy.
//
// A process that ends by itself is started again, unless it ended with status 0.
// Status 200 is an intended restart; after three other ends, each less than 30
// minutes after the one before, the host gives up.
//
// With the package for FAN_OUT=queue, [Host.FireInto] is also the output binding of the timer, and
// [Host.Listen] the queue trigger of one instance; package queue has their semantics.
//
// [ListenerLock] is the lease by which the instances of an app agree whose timer fires.
// [Host.Traces] is what the host would send to Application Insights, with the severity
// that it would give each line.
//
// On Linux the child dies with this process, however that ends.
package host
