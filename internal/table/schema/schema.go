package schema

import "strings"

// Type is the type of a column, by its name in KQL.
type Type string

// The types of columns in streams and tables here.
const (
	String   Type = "string"
	Real     Type = "real"
	Bool     Type = "bool"
	DateTime Type = "datetime"
	Dynamic  Type = "dynamic"
)

// Extra is the stream's column for members that are not declared or have a value of another type
// than declared: one object, under their own names.
const Extra = "idnExtra"

// Limits of the Logs Ingestion API and of data collection rules.
const (
	// MaxValue is the longest value that is sent for a column, in bytes. The service cuts values
	// over 64 KB, and does not say how it counts: 64,000 is safe in any reading.
	MaxValue = 64_000
	// MaxTransform is the maximum length of a transformKql, in characters.
	MaxTransform = 15360
	// MaxColumns is the maximum number of columns of a table.
	MaxColumns = 500
)

// Column is a column of a stream or of a table.
type Column struct {
	Name string
	Type Type
}

// Stream is what a data collection rule accepts for a table.
type Stream struct {
	// Name is the name of the pipeline's stream: "SailPointIDN_Events". A rule puts "Custom-"
	// before it.
	Name    string
	Columns []Column
	// Time is the column that holds the event time, ID the one that holds the record's id: "" means id.
	Time, ID string
	// Open, if not nil, is an object whose members are data. The Data Collector API would make a column
	// of each.
	Open *Open
}

// Open is the path of an object, and its members that have columns of their own.
type Open struct {
	Parent, Name string
	Known        []string
}

// Table is a table that is filled from a stream.
type Table struct {
	Name   string // with "_CL"
	Stream Stream
	Fields []Field
	// Optional, if not "", names the kind of source for which a deployment creates the table: others
	// may have a table of that name from elsewhere.
	Optional string
}

// Field is a column of a table and where it comes from.
type Field struct {
	Column
	// From is a path in the stream, with members separated by "."; Or, if set, is another path that
	// is used when the first is empty.
	From, Or string
	Form     Form
	// Constant is the value for [Fixed].
	Constant string
	// Published says that the earlier solution published the column.
	Published bool
}

// Form is how a value is converted for a column.
type Form int

// The forms. An absent or unfit value leaves the column empty.
const (
	// AsIs is the value of a stream column of the same type, or an object.
	AsIs Form = iota
	// Text is the value as text: a text itself, anything else as JSON.
	Text
	// GUID is a text of 32 hexadecimal digits, with dashes or without, as a GUID with dashes in
	// lower case; any other text leaves the column empty.
	GUID
	// NotGUID is Text, except for values that GUID accepts.
	NotGUID
	// Time, Number and Truth read the value, also from a text, as that type.
	Time
	Number
	Truth
	// Generated is the event time, or now if that is absent or outside the range that the service
	// accepts: two days back, one day ahead.
	Generated
	// Fixed is the same text in every row.
	Fixed
)

// Streams returns the streams of tables.
func Streams(tables []Table) []Stream {
	streams := make([]Stream, len(tables))
	for i, t := range tables {
		streams[i] = t.Stream
	}
	return streams
}

// SailPoint returns the tables of an IdentityNow tenant: events, trigger invocations.
func SailPoint() []Table { return []Table{Events(), Triggers()} }

// Type returns the declared type of a stream's column, "" if it has none.
func (s Stream) Type(name string) Type {
	for _, c := range s.Columns {
		if c.Name == name {
			return c.Type
		}
	}
	return ""
}

// Columns returns the columns of the table in order.
func (t Table) Columns() []Column {
	columns := make([]Column, len(t.Fields))
	for i, f := range t.Fields {
		columns[i] = f.Column
	}
	return columns
}

// list makes columns of one type from names separated by spaces.
func list(t Type, names string) []Column {
	var columns []Column
	for name := range strings.FieldsSeq(names) {
		columns = append(columns, Column{name, t})
	}
	return columns
}

func join[T any](lists ...[]T) []T {
	var all []T
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
