package pipeline

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// Record is one row in transit from a source to a sink.
type Record struct {
	// ID is the record's identity at the source and the key of
	// de-duplication. It is never empty: a source that meets a document
	// without one derives it from the document's bytes.
	ID string
	// Time is when it happened (event time, UTC). Zero if the source gave none.
	Time time.Time
	// Raw is exactly one JSON object. It is never written to: a change makes a copy. Its
	// memory may be taken back, see [Page].
	Raw jsontext.Value
	// Flaw says why the source could not make a row of the record; "" if it could. With a flaw,
	// Raw holds whatever was received instead, which need not be JSON. Such a record goes into
	// quarantine; the ledger treats it like any other.
	Flaw string
	// Outline is what the source learned about Raw while reading it; the zero value says nothing.
	Outline jsonwalk.Outline
}

// Cursor is a place in a stream, as JSON text that only its source understands.
// The empty cursor is where the stream begins.
type Cursor string

// Page is a piece of a stream.
type Page struct {
	Records []Record
	// Next is the place after the page. It is valid even if the page holds no records.
	Next Cursor
	// More is false when the source had nothing further at the time of asking.
	More bool
	// From and Through are the moments between which the stream is covered once
	// this page is delivered: event time, [From, Through). Zero if the page says
	// nothing about it.
	From, Through time.Time
	// Beside is the memory in bytes that the page takes besides the records' Raw. 0 means that it
	// hardly counts; of short rows it is most.
	Beside int
	// Release, if not nil, takes the memory of the records' Raw back, for another page. It is
	// called at most once: when nothing of the page is needed, because all of it was
	// delivered before, or is acknowledged and in the ledger. Where anything of it is kept in
	// quarantine or in the spool, or something has failed, it is never called.
	Release func()
	// Warnings are things the user should hear about although nothing failed,
	// for instance that the source may have forgotten records before they were read.
	Warnings []string
	// Incomplete, if not nil, is how the source contradicts itself: it counts more records than it
	// lists. The page is good, and what can be done after it is done, but the run fails.
	Incomplete error
}

// Stream names one stream of records.
type Stream struct {
	// ID names what is stored and said about the stream: its checkpoint, ledger, lock,
	// quarantine, spool, report and log lines. It is unique within a connection, and never
	// changes: what is stored under it would be forgotten.
	ID string
	// Table is where its records go, without "_CL". Several streams may share one.
	Table string
}

// Source reads one stream. It classifies its errors (see [Retryable]) and
// neither retries nor sleeps for long itself. It is used by one goroutine at a
// time.
type Source interface {
	Stream() Stream
	// Fetch returns the records that follow after. It never skips one that was
	// visible when it asked; it may repeat some.
	Fetch(ctx context.Context, after Cursor) (Page, error)
}

// Counter is a [Source] that can count the records of a closed window of event time.
type Counter interface {
	// Count is the number of records in [from, to), both whole milliseconds.
	Count(ctx context.Context, from, to time.Time) (int64, error)
}

// WindowReader is a [Source] that can read a closed window of event time again, and so one
// that can be audited.
type WindowReader interface {
	// FetchWindow is Fetch within [from, to), both whole milliseconds. The empty cursor is
	// where the window begins.
	FetchWindow(ctx context.Context, from, to time.Time, after Cursor) (Page, error)
}

// Acker is a [Source] that keeps records until it learns that they are delivered.
type Acker interface {
	// Ack reports that everything up to through is delivered and that the checkpoint there is
	// stored. It may be repeated, and places may be skipped: if a process dies after the
	// commit, the next run acknowledges. It may be called during a Fetch.
	Ack(ctx context.Context, through Cursor) error
}

// Undated is a [Source] that may hold records without an event time, which no
// window finds.
type Undated interface {
	// FetchUndated pages through all of them. It returns [ErrUnsupported] when the service
	// does not know how to look for them. An error that is not [Retryable] fails the run.
	FetchUndated(ctx context.Context, after Cursor) (Page, error)
}

// Sink writes rows to a destination.
type Sink interface {
	Limits() Limits
	// Fit makes a record fit the column rules of a table and says in short phrases what it
	// changed. With no changes it returns raw itself; so does a sink without such rules. An
	// error means that no row can be made of it. It is used by several goroutines at a time.
	Fit(table string, raw jsontext.Value) (row jsontext.Value, changes []string, err error)
	// Write delivers batch to a table. A nil error means that the
	// service acknowledged every record. Errors are [Retryable], [Rejected] or,
	// anything else, permanent for this run; after any error the batch counts as
	// not delivered. Write has no use of batch once it has returned, whatever it returned:
	// a goroutine that may still be sending was stopped. It is used by several goroutines at a time.
	Write(ctx context.Context, table string, batch []Record) error
}

// Outlined is a [Sink] that can conclude from an outline that a record fits a table.
type Outlined interface {
	// FitsOutline reports whether Fit would return a record with that outline unchanged. False
	// means unknown. It is used by several goroutines at a time.
	FitsOutline(table string, o jsonwalk.Outline) bool
}

// Noticer is a [Sink] that may have something to say about writes that went well.
type Noticer interface {
	// Notices returns what there is to say since the last call about the writes to
	// a table. Each becomes a warning of the run.
	Notices(table string) []string
}

// Parallel is how many batches in flight hide most of the latency of a remote sink. More of
// them cost memory and gain little.
const Parallel = 3

// Limits is what a sink accepts. The zero value accepts everything.
type Limits struct {
	// BatchBytes is the size of a batch to aim at: the sum of len(Raw)+1 over
	// its records. A larger single record travels alone. 0 means no limit. It may
	// differ from one call of Limits to the next; the rest may not.
	BatchBytes int
	// Parallel is how many batches of a stream may be in flight at a time. 0 means one, and
	// that they are written in order.
	Parallel int
	// RecordBytes is the size of the largest record that can be sent. 0 means no limit.
	RecordBytes int
}

// Checkpoint is how far a stream has been delivered and proven.
type Checkpoint struct {
	Cursor Cursor
	// Since and Through bound the event time that the tail has covered, [Since, Through).
	// Zero if the source does not report it.
	Since, Through time.Time
	Audit          AuditState
	// Pruned is when old windows of the ledger were last removed.
	Pruned time.Time
	// Warned is a moment: warnings were given about undelivered originals that went into
	// quarantine before it, see [Expirer].
	Warned time.Time
	// Tag identifies the stored version that this one replaces; "" for none.
	Tag string
}

// Checkpoints keeps one checkpoint for each stream.
type Checkpoints interface {
	// Load returns the zero Checkpoint when there is none yet.
	Load(ctx context.Context, stream string) (Checkpoint, error)
	// Save replaces the version named by next.Tag and no other, and returns next
	// with its new tag.
	Save(ctx context.Context, stream string, next Checkpoint) (Checkpoint, error)
}

// Ledger knows the ids that were delivered. It is opened for one run, which
// holds the stream's lock, and used by one goroutine.
type Ledger interface {
	// Claim says for each record whether it is new, that is neither delivered
	// before nor claimed earlier in this run, and claims it. A claim lasts for the run.
	Claim(ctx context.Context, records []Record) (fresh []bool, err error)
	// Prove fails if a Commit of these claimed records can be foreseen to fail: it
	// writes where that would write, and changes nothing that is remembered.
	Prove(ctx context.Context, claimed []Record) error
	// Commit stores these claimed records, and no others, as delivered. After an
	// error the same Commit may be tried again.
	Commit(ctx context.Context, delivered []Record) error
	// Count is the number of ids stored as delivered with an event time in
	// [from, to), both on the border of a ledger window.
	Count(ctx context.Context, from, to time.Time) (int64, error)
}

// Quarantine keeps the untouched original of a record that could not be
// delivered as it was.
type Quarantine interface {
	// Put stores the record. Storing the same one again succeeds and keeps one copy.
	Put(ctx context.Context, stream string, rec Record, reason Reason, detail string) error
}

// Spool keeps batches safe while the sink is down, for a source that forgets
// its records before the sink may be back.
type Spool interface {
	// Put stores the batch durably, after those already stored.
	Put(ctx context.Context, stream string, batch []Record) error
	// Drain hands the stored batches to write, oldest first, and removes each
	// once write has returned nil. It stops at the first error of write and returns it.
	Drain(ctx context.Context, stream string, write func(ctx context.Context, batch []Record) error) error
}

// Reason says why a record is in quarantine.
type Reason string

// The reasons for quarantine.
const (
	// Conformed: a row was delivered, but not byte for byte. Nothing is missing downstream
	// except what the detail names.
	Conformed Reason = "conformed"
	// RejectedBySink: the service refused this single record.
	RejectedBySink Reason = "rejected"
	// Unfit: the record can't be turned into a row that the sink accepts.
	Unfit Reason = "unfit"
	// Unreadable: what the source sent breaks the rules of JSON or of the stream, or could
	// not be read in full.
	Unreadable Reason = "unreadable"
)

// Clock knows whether this machine's clock can be relied on.
type Clock interface {
	// Off is nil while the clocks of the services that were seen agree with it. Otherwise it
	// says which one does not, and by how much.
	Off() error
}

// Locks gives one process at a time the right to run a stream.
type Locks interface {
	// Lock returns a [*LockedError] at once when another process holds the stream.
	// The returned context ends, with a cause that says so, when the lock is lost.
	Lock(ctx context.Context, stream string) (held context.Context, release func(context.Context) error, err error)
	// Since is called by a run that found the stream locked. It returns the moment since which
	// runs of any process have found it locked with nothing saved in between. progress
	// changes whenever something is saved.
	Since(ctx context.Context, stream, progress string) (time.Time, error)
}
