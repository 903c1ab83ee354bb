package sailpoint

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// place is a position in a walk through the events. Its JSON is the cursor.
type place struct {
	// Created and ID belong to the last row, spelled as in the document. Without an ID the place is
	// before all rows of the millisecond Created.
	Created string `json:"created"`
	ID      string `json:"id"`
	// Split is set while the millisecond Created is read type by type.
	Split *split `json:"split,omitempty"`
	// Skip is set while the rows from Created on are read by number, because one of them can't be
	// read.
	Skip *skip `json:"skip,omitempty"`
}

// skip is the progress in getting past a row that can't be read.
type skip struct {
	// Done is how many rows from Created on, in search order, are done.
	Done int `json:"done"`
	// Sound is the number of the last of them that was readable, counting from 1, and Last its id.
	Sound int    `json:"sound,omitempty"`
	Last  string `json:"last,omitempty"`
	// Past is set once they include the unreadable row.
	Past bool `json:"past,omitempty"`
	// Twins are the ids of the rows without id so far, each with the number of rows that share it.
	Twins map[string]int `json:"twins,omitempty"`
	// Missed are the last unreadable rows of one millisecond among them.
	Missed *missed `json:"missed,omitempty"`
	// Again is how often the walk began again because the numbers of the rows had changed.
	Again int `json:"again,omitempty"`
}

// missed counts the unreadable rows of one millisecond that a walk has passed.
type missed struct {
	Created string `json:"created"`
	Rows    int    `json:"rows"`
}

// before is how many unreadable rows with that creation time were passed.
func (m *missed) before(created string) int {
	if m == nil || m.Created != created {
		return 0
	}
	return m.Rows
}

// valid reports whether this program can have written the skip.
func (s *skip) valid() bool {
	return s.Done >= 0 && s.Sound >= 0 && s.Sound <= s.Done && s.Again >= 0 && (s.Missed == nil || s.Missed.Rows > 0)
}

// split is the progress within one millisecond that holds more rows than a page.
type split struct {
	Types []string `json:"types"` // seen so far
	Done  int      `json:"done"`  // how many of them are read
}

// parsePlace reads a cursor of Events that is not empty. It also returns the time of Created.
func parsePlace(cursor pipeline.Cursor) (place, time.Time, error) {
	var p place
	err := decode(cursor, &p)
	created, ok := parseTime([]byte(p.Created))
	if err != nil {
		return place{}, time.Time{}, err
	}
	if !ok || p.Skip != nil && (!p.Skip.valid() || p.ID != "" || p.Split != nil) || p.Split != nil && (p.Split.Done < 0 || p.Split.Done > len(p.Split.Types)) {
		return place{}, time.Time{}, badCursor(cursor)
	}
	return p, created, nil
}

// decode reads a cursor that is not empty into the struct that to points to.
func decode(cursor pipeline.Cursor, to any) error {
	if jsontext.Value(cursor).Kind() != jsontext.KindBeginObject || json.Unmarshal([]byte(cursor), to, json.RejectUnknownMembers(true)) != nil {
		return badCursor(cursor)
	}
	return nil
}

// badCursor is the error for a cursor of another source or a newer version. Starting over instead
// would deliver a year of events again.
func badCursor(cursor pipeline.Cursor) error {
	return fmt.Errorf("the checkpoint's cursor %.100q can't be read by this version: "+
		"update the connector, or set LEGACY_CHECKPOINT=off and delete the checkpoint: the stream then begins at INITIAL_LOOKBACK, or where its ledger ends if that is earlier", string(cursor))
}

// encode marshals a cursor. It can't fail: the texts come from JSON and are valid.
func encode(v any) pipeline.Cursor {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("encode cursor: %v", err))
	}
	return pipeline.Cursor(b)
}

// timeOf is the moment of a cursor of Events.
func timeOf(cursor pipeline.Cursor) (time.Time, error) {
	_, created, err := parsePlace(cursor)
	return created, err
}
