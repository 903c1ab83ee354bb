// Package source is what the connector needs to know of a kind of source, whichever it is.
//
// A kind is a package below this one with a type that is a [Connector]. Package app opens
// them in its registry, the one place that names each, and knows nothing else of them: what
// they read, where their rows go, how they are checked and what they have to say comes
// from here.
package source

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Connector reads what one tenant, or org, of a kind of source has. It is used from several
// goroutines at a time.
type Connector interface {
	// Name is what the service is called in sentences.
	Name() string
	// Host is the service's host, whose clock dates the records.
	Host() string
	// Describe says in one line without secrets what the settings come to.
	Describe() string
	// Streams are what it reads, always the same and in the order in which they are reported.
	Streams() []Spec
	// Check tries what reading takes, each part by itself, and reports it. It reads little.
	Check(ctx context.Context, report check.Report)
	// Stats returns what was noted since it was opened.
	Stats() Stats
}

// Spec is a stream and what is particular about it.
type Spec struct {
	pipeline.Source
	// Short is the stream's name for people, where there is little room: "Events".
	Short string
	// Window is the width of the ledger's windows: what one read spans should touch few of
	// them. Where the stream can be audited it divides an hour and is a multiple of 5 minutes.
	Window time.Duration
	// Remembers is how long the source keeps a record, which may be less than a sink is down;
	// 0 means for ever.
	Remembers time.Duration
	// Lookback is how far back the stream begins where it has no checkpoint.
	Lookback time.Duration
	// StartAt gives the cursor in front of a moment. Nil if the source has none: then a first
	// run reads all that there is.
	StartAt func(time.Time) pipeline.Cursor
	// Table is where the rows go, and what they hold.
	Table schema.Table
}

// Stats is what a source has noted since it was opened.
type Stats struct {
	// Throttled is how many requests were answered with "too many".
	Throttled int64
	// Deprecated is set once the service has marked an API in use as deprecated.
	Deprecated bool
}

// Manual is what a kind of source adds to texts for people.
type Manual struct {
	// Service is its full name.
	Service string
	// Checks are the items that [Connector.Check] reports, each with what it tries.
	Checks []Check
}

// Check is an item of a check in a help text.
type Check struct {
	Item string
	// Lines say what is tried.
	Lines []string
}
