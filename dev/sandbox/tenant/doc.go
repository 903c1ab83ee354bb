// Package tenant is a stand-in for a SailPoint tenant: OAuth tokens, event
// search, event triggers and the status of their invocations over synthetic data, as far
// as an audit collector uses them.
//
// A [Tenant] is an [net/http.Handler] whose zero value is ready for use:
//
//	t := &tenant.Tenant{}
//	t.AddEvent([]byte(`{"id":"1","created":"2026-09-01T00:00:00.000Z"}`), time.Time{})
//	server := httptest.NewServer(t)
//
// It follows SailPoint's public API files (repository sailpoint-oss/api-specs,
// state of August 2026): the bodies of its answers and errors, the limits of
// paging (10,000 rows by offset, searchAfter beyond), the rate limit, the time
// that invocations are kept. Any client that keeps to them can use it, SailPoint's
// own SDKs included. What a client may ask and the stand-in does not know it answers
// with 501, and Unknown lists it.
//
// # Queries
//
// All four query types, filters, sort by any field, searchAfter, queryResultFilter.
// The query-string language has fields, words, "phrases", wildcards, ranges, comparisons,
// _exists_, AND, OR, NOT and parentheses; dates may be incomplete or date math (now-7d/d).
// Not there: regular expressions, fuzzy and proximity terms, nested documents,
// aggregations. Words are compared without regard to case, and "exact" behind a field's name
// ends that; terms (in filters and in the DSL) are compared letter by letter. How the
// service splits a value into words is not published: here every sign divides.
//
// There are events, and identities by their id; searches find nothing in the other indices.
//
// # Responses
//
// What a response to an alert needs: identities, their accounts, access and personal access tokens;
// disabling accounts, revoking access, starting a certification, deleting tokens. AddIdentity and the
// like fill it; Accounts, AccessRequests, Campaigns and PersonalTokens say what has become of it.
//
// # Event triggers
//
// The triggers whose ids are public, subscriptions (HTTP and EventBridge) with their slots and
// filters, test invocations and answers. Emit lets an event happen and Send makes the one attempt
// that there is to push it to a subscriber; Publish does both. The headers of a push, whether
// _metadata is in it and what the status list shows of a lost one are not published: PushMetadata,
// PushChunked and HideFailures choose. Filters are Jayway's JSONPath without functions, slices
// and some operators. EventBridge subscriptions go to a [Bus], which delivers as an API
// destination does.
//
// # Workflows
//
// Workflows with an external trigger: started and tried with a client of their own. As at the
// service, a start that fails may be answered with status 200 and a message. Lost answers and the
// like come from Faults, for paths that begin with /workflows.
//
// # Paths
//
// The API exists under several prefixes, called families here: "v1" (current:
// /search/v1, /trigger-invocations/v1/status) and the legacy ones "v3", "v2024",
// "v2025", "v2026" and "beta" (/v2025/search, /beta/trigger-invocations/status; v3
// has no triggers and beta no search). Any of them can be switched off.
//
// # Two clocks
//
// What is indexed, and which invocations are still kept, follows the field Now.
// Tokens and the rate limit follow time.Now, because that is the clock by which
// a client waits. Under testing/synctest both are the fake clock.
//
// # What a test can ask
//
// Events and IDs say what there is to collect, also of a backlog that is
// generated on the fly; PeakRequests says how near a client came to the rate limit;
// Violations lists what a client must never do, such as secrets in a URL.
package tenant
