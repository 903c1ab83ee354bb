package schema

// reportsStream is a row of a SaaS Management report. The row itself is JSON text: its members differ
// from report to report, and their names may have any characters.
func reportsStream() Stream {
	return Stream{Name: "SailPointSaaS_Reports", Time: "received", Columns: join(
		list(DateTime, "received"),
		list(String, "report deliveryId row"),
		list(Real, "rowNumber"),
		[]Column{{"idnConformed", String}, {Extra, Dynamic}},
	)}
}

// Reports is SailPointSaaS_Reports_CL.
func Reports() Table {
	return Table{Name: "SailPointSaaS_Reports_CL", Stream: reportsStream(), Fields: join(
		[]Field{
			named("TimeGenerated", DateTime, Generated, "received"),
			named("received_t", DateTime, AsIs, "received"),
		},
		fields(Text, "report deliveryId"),
		fields(Number, "rowNumber"),
		fields(Text, "row"),
		[]Field{
			named("Extra", Dynamic, AsIs, Extra),
			named("idnConformed_s", String, AsIs, "idnConformed"),
		},
	)}
}
