// Package playbooks makes the playbooks and watchlists of the solution: Logic Apps workflows that
// respond to an incident with the API of SailPoint, as ARM templates in the form of the public solution
// repository.
//
// Files returns them. Command dev/solution (make solution) writes them; a test fails when the files are
// not what this package says.
//
// # What all playbooks have in common
//
// A workflow has these parts, one behind the other. Each goes on only while the variable Refusal is
// empty:
//
//   - Identify: the account of the incident, or the one it was started for, becomes exactly one identity
//     of SailPoint. None or several of them, or a name that can't be looked up safely, is a refusal.
//   - Protect: an identity in the watchlist SailPointBreakGlass is a refusal, and so is a list that can't
//     be read.
//   - Plan: what would be done, read from SailPoint. Nothing to do is a refusal.
//   - Approve: a person is asked, by a task of the incident or by e-mail, unless a parameter says not to.
//   - Act: the steps; one that fails does not keep the others from being tried, where they are alike.
//   - Report: a comment on the incident says what was done and what was not, also after a failure, and
//     the run ends as failed if anything did.
//
// The client secret is in a key vault. Only the actions Get_secret and Sign_in… see it, and only HTTP
// actions with secure inputs see the token. Names reach an address through encodeUriComponent, and a
// page through escaping of & and <.
//
// What these workflows do is tested by running them, with package workflow, against stand-ins.
package playbooks
