// Package saas is a stand-in for SailPoint SaaS Management, as far as it sends reports to webhooks.
//
// Little is published about that: a webhook is a URL and a secret, a report has the columns that a
// person has chosen, and it is sent at its time. SailPoint's recipe uses an OAuth access token as
// the secret and a workflow as the receiver, so the secret probably travels as a Bearer token, and
// the body is probably JSON. Its form, its headers, its size, and whether it is sent again without an
// answer are not documented. So a [Schedule] can be set to each of the possibilities, and its zero
// value is what follows from the recipe: a list of objects, sent once.
package saas
