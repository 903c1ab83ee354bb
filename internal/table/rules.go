package table

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// Columns that [Rules.Conform] adds to a row it had to change.
const (
	// Marker says in words what was changed.
	Marker = "idnConformed"
	// Surplus holds the columns above the limit, as one JSON object in a string.
	Surplus = "idnSurplus"
)

// Limits of the classic tables: from Microsoft's page about the HTTP Data Collector API, sections
// "Data limits" and "Reserved properties", and where that leaves questions, from the observed
// behaviour of the service.
const (
	// classicName: the page says 45 characters. The suffix does not count: the published columns of
	// Okta_CL have one of 46 with it. Other solutions publish longer ones, but shortening a name
	// needlessly loses nothing, while a name that is too long may lose its value.
	classicName = 45
	// classicShort is 45 with the suffix, as the limit was understood before: tables already have
	// columns with shortened names, which must not move.
	classicShort   = 43
	classicColumns = 500
	// classicValue: the page says 32 KB, and the service reports that it cuts values to
	// 32,766 bytes. 32,000 is safe in either reading, and leaves room in case the service counts
	// differently, for instance an array's spelling as text.
	classicValue = 32_000

	// systemColumns exist in every classic table and count towards its 500: TenantId, SourceSystem,
	// MG, ManagementGroupName, TimeGenerated, Computer, RawData, AdditionalFields, Type,
	// _ResourceId, _SubscriptionId, _ItemId.
	systemColumns = 12
)

// Rules are the column rules of a table. A limit of 0 means none; the zero value only requires
// well-formed names and text. Rules must not change while they are in use, and are then safe for
// concurrent use.
type Rules struct {
	// MaxName is the length of a column's name in bytes, without the type suffix that the service
	// appends. The two added columns need 14 and a shortened name 22: less counts as 22.
	MaxName int
	// ShortName is the length of a shortened name, in bytes; 0 and more than MaxName mean MaxName.
	// With a limit of its own, a shortened name stays the same when MaxName grows.
	ShortName int
	// MaxColumns is the number of columns that one record may fill. Less than 3
	// counts as 3: one column, the surplus and the marker.
	MaxColumns int
	// MaxValue is the length of a string, or of an array's text, in bytes of UTF-8.
	// Less than 64 counts as 64.
	MaxValue int
	// Reserved are flattened names, without a suffix, that the service refuses or uses itself, in
	// any case of letters.
	Reserved []string
}

// Classic returns the rules of a table that is written through the HTTP Data
// Collector API.
func Classic() *Rules {
	return &Rules{
		MaxName:    classicName,
		ShortName:  classicShort,
		MaxColumns: classicColumns - systemColumns,
		MaxValue:   classicValue,
		// The first three are refused. Computer is the one name that gets no suffix: it would end
		// up in the system column.
		Reserved: []string{"tenant", "TimeGenerated", "RawData", "Computer"},
	}
}

// Conform returns a row that fits the rules, and short phrases that say what was changed for it. A
// record that fits is returned itself, without changes. An error means that raw is not one JSON
// object. Conform never writes to raw.
//
// Conform returns its own result unchanged. The same record always gives the same row.
func (r *Rules) Conform(raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	if r.fits(raw) {
		return raw, nil, nil
	}
	return r.repair(raw)
}

// FitsOutline reports whether a record with that outline is known to fit, so that Conform would
// return it itself. False proves nothing.
func (r *Rules) FitsOutline(o jsonwalk.Outline) bool {
	return o.Shape != nil && o.Longest <= r.maxValue() && o.Shape.Verdict(r, r.fits)
}

// The limits in effect.
func (r *Rules) maxName() int { return atLeast(r.MaxName, 22) }

func (r *Rules) shortName() int {
	return min(atLeast(r.ShortName, 22), r.maxName())
}
func (r *Rules) maxColumns() int { return atLeast(r.MaxColumns, 3) }
func (r *Rules) maxValue() int   { return atLeast(r.MaxValue, 64) }

func atLeast(limit, least int) int {
	if limit == 0 {
		return int(^uint(0) >> 2)
	}
	return max(limit, least)
}
