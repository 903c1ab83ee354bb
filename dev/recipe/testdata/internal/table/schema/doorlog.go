package schema

// Doorlog is Doorlog_CL.
func Doorlog() Table {
	return Table{
		Name: "Doorlog_CL",
		Stream: Stream{Name: "Doorlog", Time: "at", Columns: join(
			list(String, "id door badge"),
			list(DateTime, "at"),
			[]Column{{"idnConformed", String}, {Extra, Dynamic}},
		)},
		Fields: join(
			[]Field{named("TimeGenerated", DateTime, Generated, "at")},
			fields(Text, "id door badge"),
			[]Field{named("Extra", Dynamic, AsIs, Extra), named("idnConformed_s", String, AsIs, "idnConformed")},
		),
	}
}
