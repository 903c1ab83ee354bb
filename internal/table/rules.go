package table

import "github.com/go-json-experiment/json/jsontext"

// Columns that [Rules.Conform] adds to a row it had to change.
const (
	// Marker says in words what was changed.
	Marker = "idnConformed"
	// Surplus holds the columns above the limit, as one JSON object in a string.
	Surplus = "idnSurplus"
)

// Limits of the classic tables, from Microsoft's page about the HTTP Data
// Collector API, sections "Data limits" and "Reserved properties".
const (
	classicName    = 45
	classicColumns = 500
	classicValue   = 32 << 10

	// systemColumns are there in every classic table and count among its 500:
	// TenantId, SourceSystem, MG, ManagementGroupName, TimeGenerated, Computer,
	// RawData, AdditionalFields, Type, _ResourceId, _SubscriptionId, _ItemId.
	systemColumns = 12
)

// suffix is the length of "_s", "_b", "_d", "_t" or "_g".
const suffix = 2

// Rules are the column rules of a table. A limit of 0 means none; the zero
// value asks for well-formed names and text only. It must not change while it
// is in use, and is then safe for concurrent use.
type Rules struct {
	// MaxName is the length of a column's name in bytes, type suffix included.
	// The two added columns need 16 and a shortened name 24: less counts as 24.
	MaxName int
	// MaxColumns is the number of columns that one record may fill. Less than 3
	// counts as 3: one column, the surplus and the marker.
	MaxColumns int
	// MaxValue is the length of a string, or of an array's text, in bytes of UTF-8.
	// Less than 64 counts as 64.
	MaxValue int
	// Reserved are flattened names, without a suffix, that the service refuses
	// or uses itself, in any case of letters.
	Reserved []string
}

// Classic returns the rules of a table that is written through the HTTP Data
// Collector API.
func Classic() *Rules {
	return &Rules{
		MaxName:    classicName,
		MaxColumns: classicColumns - systemColumns,
		MaxValue:   classicValue,
		// The first three are refused. Computer is the one name that gets no suffix:
		// it would land in the system column.
		Reserved: []string{"tenant", "TimeGenerated", "RawData", "Computer"},
	}
}

// Conform returns a row that fits the rules, and in short phrases what had to be
// changed for it. A record that fits is returned itself, with no changes. An
// error means that raw is not one JSON object. raw is never written to.
//
// Its result conforms: Conform returns it unchanged. The same record always
// gives the same row.
func (r *Rules) Conform(raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	if r.fits(raw) {
		return raw, nil, nil
	}
	return r.repair(raw)
}

// The limits in force.
func (r *Rules) maxName() int    { return atLeast(r.MaxName, 24) - suffix }
func (r *Rules) maxColumns() int { return atLeast(r.MaxColumns, 3) }
func (r *Rules) maxValue() int   { return atLeast(r.MaxValue, 64) }

func atLeast(limit, least int) int {
	if limit == 0 {
		return int(^uint(0) >> 2)
	}
	return max(limit, least)
}
