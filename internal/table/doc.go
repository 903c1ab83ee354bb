// Package table knows the column rules of a destination table and makes a record fit them.
//
// The classic tables of Log Analytics accept any JSON object and turn it into columns:
// `{"actor":{"name":"Zoë"}}` becomes the column actor_name_s. Whatever does not fit is silently
// lost: a value over 32,766 bytes is cut, a large integer loses its last digits, a column beyond
// the 500th disappears, and of two properties for the same column one is dropped. So the record is
// checked here, before it is sent, in the form in which the service will flatten it:
//
//   - A property is a column when its value is a string, a number, a boolean or
//     an array (which becomes JSON text). Objects are flattened with "_"; null
//     and an empty object do not become a column.
//   - A column's name has letters, digits and "_" only, at most [Rules.MaxName]
//     bytes without the type suffix that the service appends, is not reserved, and
//     belongs to one property only.
//   - A record has at most [Rules.MaxColumns] columns.
//   - A string, or an array's text, has at most [Rules.MaxValue] bytes.
//   - A number fits a double exactly.
//   - Text is valid Unicode, and an object names each member once.
//
// Nearly every record fits, and then [Rules.Conform] returns it unchanged, byte for byte: one pass,
// no allocation. A record that does not fit becomes a flat row with the same columns, changed as
// little as the rules allow:
//
//	a name too long, misspelt, reserved or taken   another name, the same one each time
//	a value too long                               cut; an array becomes its cut text
//	a number that a double can't hold              a string of the same digits
//	invalid Unicode                                U+FFFD in its place
//	an array that a parser would not keep          a string of the same text
//	more columns than allowed                      the last ones, as JSON text in "idnSurplus"
//
// The column "idnConformed" of such a row says what was changed, so that a reader of the table can
// see it. The caller keeps the original.
//
// Two limits can't be checked in one record: the 500 columns are counted over all records that the
// table ever got, and the service converts a string of digits back to a double when the table
// already has a numeric column of that name.
//
// Tables that a data collection rule fills are the opposite: their columns are declared, names are
// free, and members without a column vanish. [Declared] has their rules.
package table
