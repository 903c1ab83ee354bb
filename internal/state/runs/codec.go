package runs

import (
	"errors"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// File is what is known about the runs of a stream.
type File struct {
	Tenant string `json:"tenant"`
	Stream string `json:"stream"`
	// Success is when a run last ended without a failure, Drained when one last read to the end.
	Success time.Time `json:"success,omitzero"`
	Drained time.Time `json:"drained,omitzero"`
	// Failure is the last failure, zero if there was none. It is over if Success is later.
	Failure Failure `json:"failure,omitzero"`
	// Warnings are what the last run warned of.
	Warnings []string `json:"warnings,omitempty"`
	// Begun is when the first run of a process began that has not left an outcome yet, zero if
	// there is none. Unended is how many in a row left none: their processes were killed, or
	// could not write it.
	Begun   time.Time `json:"begun,omitzero"`
	Unended int64     `json:"unended,omitzero"`
	// Seen is when each kind of program last had a run of the stream, also one that found it locked.
	Seen []Seen `json:"seen,omitempty"`
	// Recent are the last runs, the latest first.
	Recent []Run `json:"recent,omitempty"`
}

// Failure is a failure and how often it came in a row.
type Failure struct {
	At time.Time `json:"at"`
	// Since is when the first one of the row ended.
	Since time.Time `json:"since"`
	Count int64     `json:"count"`
	// Text says what happened and what to do.
	Text string `json:"text"`
	// Passing is set if the failure may pass by itself.
	Passing bool `json:"passing,omitzero"`
}

// Seen is when a kind of program last had a run.
type Seen struct {
	By      string         `json:"by"`
	At      time.Time      `json:"at"`
	Version string         `json:"version"`
	State   pipeline.State `json:"state"`
}

// Run is one run in a list.
type Run struct {
	At          time.Time      `json:"at"` // when it ended
	By          string         `json:"by"`
	State       pipeline.State `json:"state"`
	Seconds     float64        `json:"seconds"`
	Fetched     int64          `json:"fetched,omitzero"`
	Sent        int64          `json:"sent,omitzero"`
	Duplicates  int64          `json:"duplicates,omitzero"`
	Quarantined int64          `json:"quarantined,omitzero"`
	Spooled     int64          `json:"spooled,omitzero"`
	Repaired    int64          `json:"repaired,omitzero"`
	LagSeconds  float64        `json:"lag_seconds,omitzero"`
}

// object is the stored form.
type object struct {
	Version int `json:"version"`
	File
}

// Encode returns the object for f, in the latest format.
func Encode(f File) ([]byte, error) {
	f = f.clone()
	if err := format.Normalize(f.times()); err != nil {
		return nil, err
	}
	return format.Line(object{version, f})
}

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (File, error) {
	var o object
	if err := format.JSON(data, version, &o); err != nil {
		return File{}, err
	}
	if o.Stream == "" {
		return File{}, errors.New("it names no stream")
	}
	if err := format.Normalize(o.times()); err != nil {
		return File{}, err
	}
	return o.clone(), nil
}

// times are all times of f.
func (f *File) times() []*time.Time {
	list := []*time.Time{&f.Success, &f.Drained, &f.Failure.At, &f.Failure.Since, &f.Begun}
	for i := range f.Seen {
		list = append(list, &f.Seen[i].At)
	}
	for i := range f.Recent {
		list = append(list, &f.Recent[i].At)
	}
	return list
}

// clone is a copy of f whose empty lists are nil.
func (f File) clone() File {
	f.Seen, f.Recent, f.Warnings = some(f.Seen), some(f.Recent), some(f.Warnings)
	return f
}

// some is a copy of a list, nil if it is empty.
func some[T any](list []T) []T { return append([]T(nil), list...) }
