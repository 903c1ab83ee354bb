package saas

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// place is the content of a cursor.
type place struct {
	Version int `json:"v"`
	// Report is the id of the report that is being read, "" between two of them.
	Report string `json:"report,omitempty"`
	// Records is how many records of it came.
	Records int `json:"records,omitempty"`
	// Done are the ids of reports that were read and may still be stored.
	Done []string `json:"done,omitempty"`
	// Damaged are the ids of reports of which a part is missing or damaged, in order.
	Damaged []string `json:"damaged,omitempty"`
	// Came is how many records of such a report came before the damage.
	Came map[string]int `json:"came,omitempty"`
}

// forget removes damaged reports.
func (at *place) forget(which func(id string) bool) {
	at.Damaged = slices.DeleteFunc(at.Damaged, which)
	maps.DeleteFunc(at.Came, func(id string, _ int) bool { return which(id) })
}

func encode(at place) pipeline.Cursor {
	at.Version = 1
	b, err := json.Marshal(at, json.Deterministic(true))
	if err != nil { // of strings and numbers
		panic(fmt.Sprintf("encode cursor: %v", err))
	}
	return pipeline.Cursor(b)
}

func parse(c pipeline.Cursor) (at place, err error) {
	if c == "" {
		return place{Version: 1}, nil
	}
	err = json.Unmarshal([]byte(c), &at, json.RejectUnknownMembers(true))
	if err == nil && (at.Version != 1 || at.Records < 0) {
		err = errors.New("it is not of a version that is known")
	}
	if err != nil {
		return place{}, fmt.Errorf("cursor %.80q is not one of this stream: %w", c, err)
	}
	return at, nil
}
