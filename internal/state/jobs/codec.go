package jobs

import (
	"errors"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// File is what is known about the jobs of a stream.
type File struct {
	Tenant string `json:"tenant"`
	Stream string `json:"stream"`
	// Jobs are the unfinished ones in the order in which they are worked on, and then the last
	// finished ones, the latest first.
	Jobs []Job `json:"jobs"`
}

// State is how far a job is.
type State string

// The states of a job.
const (
	// Delivering: what is missing is delivered.
	Delivering State = "delivering"
	// Proving: everything was read, and the range is to be compared with the source.
	Proving State = "proving"
	// Done: see the proof.
	Done State = "done"
	// Cancelled: a person ended it. What was delivered stays delivered.
	Cancelled State = "cancelled"
)

// Job is a backfill of a range.
type Job struct {
	ID string `json:"id"`
	// Connection is the name that the connection had when the job was made.
	Connection string `json:"connection,omitzero"`
	// From and To are the borders of ledger windows.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Workspace: what the ledger does not know is looked for in the workspace before it is sent.
	Workspace bool `json:"workspace,omitzero"`
	// Left: the job was left to the function.
	Left bool `json:"left,omitzero"`
	// Created is when it was made, by a program of that version.
	Created time.Time `json:"created"`
	Version string    `json:"by_version,omitzero"`
	// Events is how many events the source counted in the range; negative if it can't count.
	Events int64 `json:"events"`

	State State `json:"state"`
	// Place is where it continues. Only the pipeline understands it; "" is the beginning.
	Place string `json:"place,omitzero"`
	// Through is the event time of the newest event that was delivered or known.
	Through time.Time `json:"through,omitzero"`
	Counts  Counts    `json:"counts"`
	// Begun is when it was first worked on, Updated when its place last moved or it last failed,
	// Ended when it was done or cancelled. Seconds is how long it was worked on.
	Begun   time.Time `json:"begun,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"seconds,omitzero"`
	// Failure is why it last stopped; zero if it went well since.
	Failure Failure `json:"failure,omitzero"`
	// Warnings are what it warned of.
	Warnings []string `json:"warnings,omitempty"`
	Proof    Proof    `json:"proof,omitzero"`
}

// Counts are numbers of records.
type Counts struct {
	Fetched     int64 `json:"fetched,omitzero"`
	Sent        int64 `json:"sent,omitzero"`
	Known       int64 `json:"known,omitzero"` // delivered before, or found in the workspace
	Conformed   int64 `json:"conformed,omitzero"`
	Quarantined int64 `json:"quarantined,omitzero"`
	// Unproven are those that count as found in the workspace, though that can't be proven: they
	// have no id.
	Unproven int64 `json:"unproven,omitzero"`
}

// Failure is why a job stopped.
type Failure struct {
	At    time.Time `json:"at"`
	Count int64     `json:"count"` // in a row
	Text  string    `json:"text"`
}

// Proof is what the comparison of the range at the end has shown.
type Proof struct {
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"`
	Why     string    `json:"why"`
	// By is what a complete verdict rests on, for instance "ids".
	By        string `json:"by,omitzero"`
	Source    int64  `json:"source"`
	Delivered int64  `json:"delivered"`
}

// Finished reports whether nothing is left to do.
func (j *Job) Finished() bool { return j.State == Done || j.State == Cancelled }

// Overlaps reports whether the ranges of two jobs have a moment in common.
func (j *Job) Overlaps(from, to time.Time) bool { return j.From.Before(to) && from.Before(j.To) }

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
	for i := range o.Jobs {
		switch j := &o.Jobs[i]; {
		case j.ID == "":
			return File{}, errors.New("a job has no id")
		case !slices.Contains([]State{Delivering, Proving, Done, Cancelled}, j.State):
			return File{}, errors.New("a job has no state that is known")
		case !j.From.Before(j.To):
			return File{}, errors.New("a job has no range")
		}
	}
	return o.clone(), nil
}

// times are all times of f.
func (f *File) times() (list []*time.Time) {
	for i := range f.Jobs {
		j := &f.Jobs[i]
		list = append(list, &j.From, &j.To, &j.Created, &j.Through, &j.Begun, &j.Updated, &j.Ended, &j.Failure.At, &j.Proof.At)
	}
	return list
}

// clone is a copy of f whose empty lists are nil.
func (f File) clone() File {
	f.Jobs = append([]Job(nil), f.Jobs...)
	for i := range f.Jobs {
		f.Jobs[i].Warnings = append([]string(nil), f.Jobs[i].Warnings...)
	}
	return f
}
