package schema

import "strings"

// oktaStream is an event of the System Log as Okta sends it.
func oktaStream() Stream {
	open := &Open{Parent: "debugContext", Name: "debugData", Known: strings.Fields(oktaDebugData() + " deviceFingerprint transactionId")}
	return Stream{Name: "Okta", Time: "published", ID: "uuid", Open: open, Columns: join(
		[]Column{{"uuid", String}, {"published", DateTime}},
		list(String, "eventType version severity legacyEventType displayMessage"),
		list(Dynamic, "actor client device authenticationContext securityContext outcome target transaction debugContext request"),
		[]Column{{"idnConformed", String}, {Extra, Dynamic}},
	)}
}

// oktaDebugData are the members of debugData that have columns of their own. It has others, more of
// them with each year: they are only in the column that holds all of it as text.
func oktaDebugData() string {
	return `initiationType logOnlySecurityData signOnMode attributesModified attributesAdded attributesDeleted
		groupAppAssignmentId authnRequestId loginResult requestId requestUri url factor countryCallingCode smsProvider
		jobId importType appname importLastToken importTrigger threatSuspected detailedmessage`
}

// Okta is Okta_CL, with the columns of the table that Microsoft's function for Okta filled.
func Okta() Table {
	const context, debug = "authenticationContext", "debugContext.debugData"
	return Table{Name: "Okta_CL", Optional: "okta", Stream: oktaStream(), Fields: published(join(
		[]Field{
			named("TimeGenerated", DateTime, Generated, "published"),
			named("published_t", DateTime, AsIs, "published"),
		},
		split("uuid"),
		fields(Text, "eventType version severity legacyEventType displayMessage"),
		fields(Text, under("actor", "id type alternateId displayName detailEntry")),
		fields(Text, under("client", "id ipAddress device zone userAgent.rawUserAgent userAgent.os userAgent.browser")),
		fields(Text, under("client.geographicalContext", "city state country postalCode")),
		fields(Number, under("client.geographicalContext.geolocation", "lat lon")),
		fields(Text, under("device", "id name os_platform os_version")),
		fields(Truth, under("device", "managed registered")),
		fields(Text, under("outcome", "result reason")),
		fields(Number, "securityContext.asNumber"),
		fields(Text, under("securityContext", "asOrg isp domain")),
		fields(Truth, "securityContext.isProxy"),
		fields(Text, under(context, "authenticationProvider credentialProvider credentialType externalSessionId rootSessionId interface")),
		fields(Number, under(context, "authenticationStep")),
		[]Field{
			named("authenticationContext_issuerId_s", String, Text, "authenticationContext.issuer.id"),
			named("authenticationContext_issuerType_s", String, Text, "authenticationContext.issuer.type"),
		},
		fields(Text, under(debug, oktaDebugData())),
		split(under(debug, "deviceFingerprint transactionId")),
		fields(Text, debug),
		fields(Text, "transaction.id transaction.type"),
		[]Field{named("transaction_details_s", String, Text, "transaction.detail")},
		fields(Text, "request.ipChain target"),
		[]Field{
			named("Extra", Dynamic, AsIs, Extra),
			named("idnConformed_s", String, AsIs, "idnConformed"),
		},
	), publishedOkta())}
}
