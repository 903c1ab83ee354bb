package schema

// The tables of IdentityIQ. Each row has the time of the event in front of the members that the
// server wrote: IdentityIQ writes times of events in milliseconds since 1970.

// IdentityIQ returns the tables of an IdentityIQ server.
func IdentityIQ() []Table {
	return []Table{IIQAudit(), IIQSyslog(), IIQTaskResults(), IIQPolicyViolations(), IIQAlerts()}
}

// iiqStream is a stream of IdentityIQ.
func iiqStream(name string, lists ...[]Column) Stream {
	return Stream{Name: "SailPointIIQ_" + name, Time: "eventTime", Columns: join(
		list(DateTime, "eventTime"), join(lists...), []Column{{"idnConformed", String}, {Extra, Dynamic}},
	)}
}

// iiqTable is a table of IdentityIQ.
func iiqTable(s Stream, lists ...[]Field) Table {
	return Table{Name: s.Name + "_CL", Stream: s, Optional: "iiq", Fields: join(
		[]Field{
			named("TimeGenerated", DateTime, Generated, "eventTime"),
			named("eventTime_t", DateTime, AsIs, "eventTime"),
		},
		join(lists...),
		[]Field{
			named("Extra", Dynamic, AsIs, Extra),
			named("idnConformed_s", String, AsIs, "idnConformed"),
		},
	)}
}

// IIQAudit is SailPointIIQ_Audit_CL: the audit events of the SIEM plugin. Ids of IdentityIQ are 32
// hexadecimal digits, which the classic table takes for a GUID, and they may be in any of the texts.
func IIQAudit() Table {
	const (
		plain  = "action source interface application attributeName serverHost clientHost name assignedScopePath attributes owner assignedScope"
		either = "id target accountName instance attributeValue trackingId string1 string2 string3 string4"
	)
	s := iiqStream("Audit", list(String, either+" "+plain), list(Real, "created modified"))
	return iiqTable(s, split("id"), fields(Number, "created modified"), fields(Text, plain), split(either[len("id "):]))
}

// IIQSyslog is SailPointIIQ_Syslog_CL: IdentityIQ's own log of errors.
func IIQSyslog() Table {
	const plain = "quickKey eventLevel server username classname lineNumber thread message stacktrace name"
	s := iiqStream("Syslog", list(String, "id "+plain), list(Real, "created modified"))
	return iiqTable(s, split("id"), fields(Number, "created modified"), fields(Text, plain))
}

// IIQTaskResults is SailPointIIQ_TaskResults_CL.
func IIQTaskResults() Table {
	const (
		plain = "name type completionStatus launcher host progress targetClass taskDefinition taskSchedule signoff"
		times = "launched completed expiration verified"
	)
	s := iiqStream("TaskResults",
		list(String, "id targetName "+plain), list(DateTime, times), list(Bool, "terminated partitioned"), list(Real, "percentageComplete pendingSignOffs"),
		list(Dynamic, "attributes messages meta schemas"))
	return iiqTable(s, split("id"), fields(Text, plain), split("targetName"), fields(Time, times), fields(Truth, "terminated partitioned"),
		fields(Number, "percentageComplete pendingSignOffs"), fields(Text, "attributes messages"), metaFields())
}

// IIQPolicyViolations is SailPointIIQ_PolicyViolations_CL.
func IIQPolicyViolations() Table {
	const plain = "policyName constraintName description status"
	s := iiqStream("PolicyViolations", list(String, "id "+plain), list(Dynamic, "identity owner meta schemas"))
	return iiqTable(s, split("id"), fields(Text, plain), fields(Text, "identity.displayName owner.displayName"), split("identity.value owner.value"), metaFields())
}

// IIQAlerts is SailPointIIQ_Alerts_CL.
func IIQAlerts() Table {
	const (
		plain = "name displayName type targetType targetDisplayName"
		times = "alertDate lastProcessed"
	)
	s := iiqStream("Alerts", list(String, "id nativeId targetId "+plain), list(DateTime, times), list(Dynamic, "application actions attributes meta schemas"))
	return iiqTable(s, split("id"), fields(Text, plain), split("nativeId targetId"), fields(Time, times),
		fields(Text, "application.displayName"), split("application.value"), fields(Text, "actions attributes"), metaFields())
}

// metaFields are the columns of a resource's metadata.
func metaFields() []Field {
	return join(fields(Time, "meta.created meta.lastModified"), fields(Text, "meta.version meta.location meta.resourceType schemas"))
}
