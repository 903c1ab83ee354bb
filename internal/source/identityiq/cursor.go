package identityiq

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// place is a position in a walk through events. Its JSON is the cursor.
type place struct {
	// From is a moment: everything that was created then or later follows.
	From string `json:"from"`
}

// parsePlace reads a cursor of events that is not empty.
func parsePlace(cursor pipeline.Cursor) (time.Time, error) {
	var p place
	if err := decode(cursor, &p); err != nil {
		return time.Time{}, err
	}
	from, ok := parseTime([]byte(p.From))
	if !ok {
		return time.Time{}, badCursor(cursor)
	}
	return from.Truncate(time.Millisecond), nil
}

// decode reads a cursor that is not empty into the struct that to points to.
func decode(cursor pipeline.Cursor, to any) error {
	if jsontext.Value(cursor).Kind() != jsontext.KindBeginObject || json.Unmarshal([]byte(cursor), to, json.RejectUnknownMembers(true)) != nil {
		return badCursor(cursor)
	}
	return nil
}

// badCursor is the error for a cursor of another source or a newer version. Starting over instead
// would deliver everything since INITIAL_LOOKBACK again, and nothing from before.
func badCursor(cursor pipeline.Cursor) error {
	return fmt.Errorf("the checkpoint's cursor %.100q can't be read by this version: update the connector, or delete the checkpoint: the stream then begins at INITIAL_LOOKBACK, or where its ledger ends if that is earlier", string(cursor))
}

// encode marshals a cursor. It can't fail: the texts are the program's own.
func encode(v any) pipeline.Cursor {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("encode cursor: %v", err))
	}
	return pipeline.Cursor(b)
}

func placeAt(from time.Time) pipeline.Cursor { return encode(place{formatMilli(from)}) }

// timeOfSweep is the mark of a cursor of resources.
func timeOfSweep(cursor pipeline.Cursor) (time.Time, error) {
	var at sweep
	if err := decode(cursor, &at); err != nil {
		return time.Time{}, err
	}
	since, ok := parseTime([]byte(at.Since))
	if !ok {
		return time.Time{}, badCursor(cursor)
	}
	return since, nil
}
