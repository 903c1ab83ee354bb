package schema

const (
	healthTexts   = "stream state error warnings org version connection"
	healthNumbers = `fetched sent duplicates conformed quarantined quarantine_waiting spooled batches retries throttled
		lag_seconds seconds windows_checked mismatches repaired unexplained`
)

// healthStream is a row of package health.
func healthStream() Stream {
	return Stream{Name: "SailPointIDN_Health", Time: "ended", Columns: join(
		list(DateTime, "ended audited_through"),
		list(String, healthTexts+" run_id"),
		list(Real, healthNumbers),
		[]Column{{"deprecated", Bool}, {Extra, Dynamic}},
	)}
}

// Health is SailPointIDN_Health_CL.
func Health() Table {
	return Table{Name: "SailPointIDN_Health_CL", Stream: healthStream(), Fields: join(
		[]Field{named("TimeGenerated", DateTime, Generated, "ended")},
		[]Field{named("ended_t", DateTime, AsIs, "ended"), named("audited_through_t", DateTime, AsIs, "audited_through")},
		fields(Text, healthTexts),
		fields(GUID, "run_id"),
		fields(Number, healthNumbers),
		[]Field{named("deprecated_b", Bool, AsIs, "deprecated"), named("Extra", Dynamic, AsIs, Extra)},
	)}
}
