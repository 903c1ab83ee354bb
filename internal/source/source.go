// Package source is the interface between the connector and any kind of source.
//
// A kind is a package below this one with a type that is a [Connector]. Package app opens them in
// its registry, the one place that names each kind, and knows nothing else about them: what they
// read, where their rows go, how they are checked and what they report comes from here.
package source

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Connector reads from one tenant, or org, of a kind of source. It is safe for concurrent use.
type Connector interface {
	// Name is the service's name in sentences.
	Name() string
	// Host is the service's host, whose clock dates the records.
	Host() string
	// Describe sums up the settings in one line, without secrets.
	Describe() string
	// Streams are the streams that it reads, always the same and in the order in which they are
	// reported.
	Streams() []Spec
	// Check tries each thing that reading needs separately, and reports it. It reads little.
	Check(ctx context.Context, report check.Report)
	// Stats returns what was recorded since the source was opened.
	Stats() Stats
}

// Sharer is a [Connector] whose service has one rate limit for all processes.
type Sharer interface {
	// Share leaves most of the limit to the process that runs the streams, or takes it.
	Share(beside bool)
}

// Spec describes a stream.
type Spec struct {
	pipeline.Source
	// Short is the stream's name for people, where space is short: "Events".
	Short string
	// Window is the width of the ledger's windows: one read should touch few of them. Where the
	// stream can be audited it divides an hour and is a multiple of 5 minutes.
	Window time.Duration
	// AuditAges, if any, are used instead of those of the settings, unless these turn audits off: for
	// a source that can't count, where each age costs as many requests as the stream itself.
	AuditAges []time.Duration
	// Remembers is how long the source keeps a record, which may be shorter than an outage of the
	// sink; 0 means for ever.
	Remembers time.Duration
	// Lookback is how far back the stream starts without a checkpoint.
	Lookback time.Duration
	// StartAt returns the cursor before a moment. Nil if the source has none: then a first run
	// reads everything.
	StartAt func(time.Time) pipeline.Cursor
	// TimeOf is the moment of a cursor of the stream, up to which it is delivered. It fails for a cursor
	// of another stream. Nil if StartAt is.
	TimeOf func(pipeline.Cursor) (time.Time, error)
	// Inherits, if set, finds where the connector that this one replaces has stopped; the stream then
	// begins there.
	Inherits func(ctx context.Context, old Legacy) (Beginning, error)
	// Table is where the rows go, and what they contain. Streams of a connection that share one have
	// common ids: what one of them has delivered, another does not deliver again.
	Table schema.Table
}

// Legacy is the storage account in which older connectors kept their places. Its errors name the
// remedy and contain no secrets.
type Legacy interface {
	// CreatedTime is the time of the last event that an older connector with a place in time has read;
	// zero if there was none.
	CreatedTime(ctx context.Context) (time.Time, error)
	// Places are the links that an older connector has stored as its places, the latest first.
	Places(ctx context.Context) ([]Place, error)
}

// Place is where an older connector stopped, as a link.
type Place struct {
	// Link is the link to the next page of the log.
	Link string
	// Stored is when the function stored it.
	Stored time.Time
}

// Beginning is where a stream begins that continues from an older connector. Its zero value means that
// there is nothing to continue from.
type Beginning struct {
	Cursor pipeline.Cursor
	// Says is the place for people, after "begins": "at …, since the old connector stopped at …".
	Says string
}

// Rate is how fast a source may be read.
type Rate struct {
	// PerSecond is how many requests a second are sent at most, by all streams together.
	PerSecond float64
	// Page is how many records a page has at most.
	Page int
}

// Rated is a [Connector] that knows how fast it may be read.
type Rated interface {
	Rate() Rate
}

// Stats is what a source has recorded since it was opened.
type Stats struct {
	// Throttled is how many requests were answered with "too many".
	Throttled int64
	// Deprecated is set once the service has marked an API in use as deprecated.
	Deprecated bool
}

// Manual is what a kind of source adds to texts for people.
type Manual struct {
	// Service is its full name; "" if another kind of source has the same service.
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
