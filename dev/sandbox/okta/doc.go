// Package okta is a stand-in for an Okta org: its System Log and the tokens to read it with, as
// far as a collector of events uses them.
//
// An [Org] is an [net/http.Handler] whose zero value is ready for use:
//
//	o := &okta.Org{}
//	o.Add(okta.Event{UUID: "…", Published: at, Raw: []byte(`{"uuid":"…","published":"…"}`)})
//	server := httptest.NewServer(o)
//
// It follows Okta's developer documentation (System Log query, rate limits, OAuth for Okta, DPoP;
// state of November 2026):
//
//   - A request without until that is sorted ascending polls: it filters by the moment an event was
//     persisted, not by published, and every page has a next link, also an empty one.
//   - A request with until is bounded: it filters by published, is sorted by it, and its pages end.
//   - since and after exclude each other; what after holds is the org's own business.
//   - Each answer has the headers of the rate limit, whose window is a minute, and a Date.
//   - An access token of a service app needs an assertion signed with the app's key, and, where the
//     app demands DPoP, a proof for it and for each request. The first proof without a nonce is
//     refused with one.
//
// What is not confirmed in public sources can be played both ways: see the fields of Org.
package okta
