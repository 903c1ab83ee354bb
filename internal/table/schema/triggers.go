package schema

// triggersStream is a trigger invocation as the connector writes it: the service's own members, the
// payload as Body, and Metadata.
func triggersStream() Stream {
	return Stream{Name: "SailPointIDN_Triggers", Time: "created", Columns: join(
		list(String, "id triggerId subscriptionId subscriptionName type"),
		list(DateTime, "created completed"),
		list(Dynamic, "startInvocationInput completeInvocationInput Body Metadata"),
		[]Column{{"idnConformed", String}, {Extra, Dynamic}},
	)}
}

// Triggers is SailPointIDN_Triggers_CL.
func Triggers() Table {
	return Table{Name: "SailPointIDN_Triggers_CL", Stream: triggersStream(), Fields: published(join(
		[]Field{
			named("TimeGenerated", DateTime, Generated, "created"),
			named("created_t", DateTime, AsIs, "created"),
			named("completed_t", DateTime, AsIs, "completed"),
		},
		split("id subscriptionId"),
		fields(Text, `triggerId subscriptionName type startInvocationInput.triggerId startInvocationInput.contentJson
			completeInvocationInput.localizedError completeInvocationInput.output`),
		split("Metadata.invocationId"),
		fields(Text, "Metadata.triggerId Metadata.triggerType"),
		split("Body._metadata.invocationId"),
		fields(Text, "Body._metadata.triggerId Body._metadata.triggerType"),
		fields(Time, "Body.attributes.created Body.completed Body.started"),
		split("Body.identity.id Body.source.id"),
		fields(Text, under("Body", `identity.name identity.type source.name source.type status changes errors warnings fileName
			ownerEmail ownerName query searchName signedS3Url`)),
		fields(Text, under("Body.searchResults", `Account.count Account.noun Account.preview Entitlement.count Entitlement.noun
			Entitlement.preview Identity.count Identity.noun Identity.preview`)),
		fields(Number, under("Body.stats", "added changed removed scanned unchanged")),
		fields(Text, under("Body.attributes", `customAttribute1 customAttribute2 department displayName email employeeNumber firstname
			identificationNumber inactive lastname manager.id manager.name manager.type uid`)),
		fields(Truth, "Body.attributes.isManager"),
		[]Field{
			named("Body", Dynamic, AsIs, "Body"),
			named("startInvocationInput", Dynamic, AsIs, "startInvocationInput"),
			named("completeInvocationInput", Dynamic, AsIs, "completeInvocationInput"),
			named("Extra", Dynamic, AsIs, Extra),
			named("idnConformed_s", String, AsIs, "idnConformed"),
		},
	), publishedTriggers())}
}
