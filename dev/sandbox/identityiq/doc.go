// Package identityiq is a stand-in for a SailPoint IdentityIQ server with the SIEM plugin: OAuth
// client credentials, rest/ping, the plugin's audit and syslog events, and SCIM lists of task
// results, policy violations and alerts.
//
//	iiq := &identityiq.Server{ClientID: "…", ClientSecret: "…"}
//	iiq.AddAudit(identityiq.AuditEvent(1, time.Now()), time.Now(), time.Time{})
//	server := httptest.NewServer(iiq) // IIQ_URL is server.URL + "/identityiq"
//
// The zero value has no data, accepts any client, and is ready for use.
//
// It keeps the habits that a collector has to live with. Of the plugin: startTime and endTime are
// milliseconds and both exclusive, and each applies only if it is given; a text that is not a number
// counts as the last 24 hours; startIndex is the number of a page; a page has no more rows than the
// plugin's own limit; rows of one millisecond have no order; the rows and their total come from two
// queries; mistakes are answered with 200 and an object that has no list. A row is found from its
// commit on, which may be long after its created time. Without the plugin its paths are unknown: they
// answer 404, the login page, or a redirect to it. Error statuses come with Tomcat's own web pages. Of SCIM: totals may be text ("5,"), and times have an
// offset.
//
// Sources: the published code of the plugin (sailpoint-oss/colab-siem-plugin), the OpenAPI documents
// of IdentityIQ 8.3 and 9.0.
package identityiq
