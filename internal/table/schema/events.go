package schema

import "strings"

// eventsStream is a search event as SailPoint sends it.
func eventsStream() Stream {
	return Stream{Name: "SailPointIDN_Events", Time: "created", Columns: join(
		[]Column{{"id", String}, {"created", DateTime}, {"synced", DateTime}},
		list(String, "type action technicalName name operation status"),
		list(Dynamic, "actor target objects details attributes"),
		list(String, "org pod stack trackingNumber ipAddress _type _version _index idnConformed"),
		[]Column{{Extra, Dynamic}},
	)}
}

// Events is SailPointIDN_Events_CL.
func Events() Table {
	return Table{Name: "SailPointIDN_Events_CL", Stream: eventsStream(), Fields: published(join(
		[]Field{
			named("TimeGenerated", DateTime, Generated, "created"),
			named("created_t", DateTime, AsIs, "created"),
			named("synced_t", DateTime, AsIs, "synced"),
		},
		split("id"),
		fields(Text, "type action technicalName name operation status"),
		split("actor.name target.name"),
		fields(Text, "actor.id target.id objects"),
		split("details trackingNumber"),
		fields(Text, "ipAddress org pod stack"),
		[]Field{
			named("docType_s", String, Text, "_type"),
			named("docVersion_s", String, Text, "_version"),
			named("index_s", String, Text, "_index"),
		},
		// Ids that the published table has in one form only. The other form is added where the
		// first would omit a value.
		split(under("attributes", "accessItemId accountActivityId appId info requestedAppRoleId sourceId taskResultId")),
		fields(Text, under("attributes", `accessItemName accessItemType accountName attributeName attributeValue cloudAppName comment comments
			errors flow hostName IdnAccessRequestAttributes interface operation org pod preventativeSODResultsJSON previousValue
			provisioningResult requestedAppId requestedAppName requestedObjectType reviewerComment sourceName synchronizeFrom
			synchronizeTo userId processId duration identitiesProcessed identitiesTotal identitiesSelected scope aggregationId
			capability accountUuid trackingNumber`)),
		pairs("attributes", `accessProfileIds approvalSchemes disabled displayName requestable groupsDeltaToken userDeltaToken directoryRolesDeltaToken`),
		[]Field{
			named("Actor", Dynamic, AsIs, "actor"),
			named("Target", Dynamic, AsIs, "target"),
			named("Attributes", Dynamic, AsIs, "attributes"),
			named("Extra", Dynamic, AsIs, Extra),
			named("idnConformed_s", String, AsIs, "idnConformed"),
		},
	), publishedEvents())}
}

// under puts a parent before each name.
func under(parent, names string) string {
	var paths []string
	for name := range strings.FieldsSeq(names) {
		paths = append(paths, parent+"."+name)
	}
	return strings.Join(paths, " ")
}

// ISC is SailPointISC_Events_CL, the table of the codeless connector. A rule fills it in addition
// only on request.
func ISC() Table {
	attribute := func(name, path string) Field { return named("Attributes"+name, String, Text, "attributes."+path) }
	token := func(name, path, end string) Field {
		f := attribute(name, path+"_"+strings.ToLower(end))
		f.Name += end
		f.Or = "attributes." + path + "." + strings.ToLower(end)
		return f
	}
	return Table{Name: "SailPointISC_Events_CL", Stream: eventsStream(), Fields: published([]Field{
		named("TimeGenerated", DateTime, Generated, "created"),
		named("Id", String, AsIs, "id"),
		named("Name", String, AsIs, "name"),
		named("Created", DateTime, AsIs, "created"),
		named("Action", String, AsIs, "action"),
		named("EventType", String, AsIs, "type"),
		named("TechnicalName", String, AsIs, "technicalName"),
		named("Operation", String, AsIs, "operation"),
		named("Status", String, AsIs, "status"),
		named("ActorName", String, Text, "actor.name"),
		named("TargetName", String, Text, "target.name"),
		named("Org", String, AsIs, "org"),
		named("Pod", String, AsIs, "pod"),
		named("Stack", String, AsIs, "stack"),
		attribute("Operation", "operation"),
		attribute("ProcessId", "processId"),
		attribute("Duration", "duration"),
		attribute("IdentitiesProcessed", "identitiesProcessed"),
		attribute("IdentitiesTotal", "identitiesTotal"),
		attribute("IdentitiesSelected", "identitiesSelected"),
		token("GroupsDeltaToken", "groupsDeltaToken", "Before"),
		token("GroupsDeltaToken", "groupsDeltaToken", "After"),
		attribute("HostName", "hostName"),
		attribute("UserId", "userId"),
		attribute("Scope", "scope"),
		attribute("SourceId", "sourceId"),
		token("UserDeltaToken", "userDeltaToken", "After"),
		token("UserDeltaToken", "userDeltaToken", "Before"),
		token("DirectoryRolesDeltaToken", "directoryRolesDeltaToken", "After"),
		token("DirectoryRolesDeltaToken", "directoryRolesDeltaToken", "Before"),
		attribute("AggregationId", "aggregationId"),
		attribute("SourceName", "sourceName"),
		attribute("Capability", "capability"),
		named("Objects", Dynamic, AsIs, "objects"),
		named("Details", Dynamic, AsIs, "details"),
		named("TrackingNumber", String, AsIs, "trackingNumber"),
		named("Synced", DateTime, AsIs, "synced"),
		named("DocType", String, AsIs, "_type"),
		named("Index", String, AsIs, "_index"),
		{Column: Column{"SourceSystem", String}, Form: Fixed, Constant: "RestAPI"},
		named("IpAddress", String, AsIs, "ipAddress"),
		named("Attributes", Dynamic, AsIs, "attributes"),
		named("ActorId", String, Text, "actor.id"),
		named("TargetId", String, Text, "target.id"),
		named("DocVersion", String, AsIs, "_version"),
		named("Extra", Dynamic, AsIs, Extra),
	}, publishedISC())}
}
