package saas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Report is a report that waits.
type Report = struct {
	ID string
	// Name is what the address named it, ContentType what its sender said about it.
	Name, ContentType string
	Received          time.Time
	Bytes             int64
	Parts             int
	// Forward says that it is to be passed on to a workflow.
	Forward bool
	// Hash identifies its name and bytes; "" if it is not known.
	Hash string
}

// Box is where reports wait.
type Box interface {
	// Put stores a report. Without an error it is durable; again is true if it was before. An error
	// of body is returned as it is.
	Put(ctx context.Context, name, contentType string, at time.Time, body io.Reader) (r Report, again bool, err error)
	// Waiting lists the reports, each once, the oldest first. problems name those that can't be read.
	Waiting(ctx context.Context) (list []Report, problems []string, err error)
	// Part returns a part of a report. number counts from 1.
	Part(ctx context.Context, r Report, number int) ([]byte, error)
	// Damaged reports whether an error of Part won't pass.
	Damaged(err error) bool
	// Remove removes a report. One that does not exist is not an error.
	Remove(ctx context.Context, id string) error
	// Tidy removes what is left of reports that were not received whole.
	Tidy(ctx context.Context, now time.Time) error
}

// Limits of a page.
const (
	pageRecords = 1000
	pageBytes   = 512 << 10
)

// recordBytes is about what a record takes besides its bytes: its fields and its id.
const recordBytes = 200

// StreamID is the id of the stream, and the name of its table without "_CL".
const StreamID = "SailPointSaaS_Reports"

// Source is the stream of rows; see the package comment.
type Source struct {
	box     Box
	current *reading // nil if none is open
	at      pipeline.Cursor
	damaged map[string]error // what was found damaged in this walk, by id
	buffers buffers
}

var (
	_ pipeline.Source = (*Source)(nil)
	_ pipeline.Acker  = (*Source)(nil)
)

// New returns the source. It does not access the box.
func New(box Box) *Source { return &Source{box: box} }

// Stream implements [pipeline.Source].
func (s *Source) Stream() pipeline.Stream { return pipeline.Stream{ID: StreamID, Table: StreamID} }

// Fetch implements [pipeline.Source]. A page has rows of one report.
func (s *Source) Fetch(ctx context.Context, after pipeline.Cursor) (page pipeline.Page, err error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	at, err := parse(after)
	if err != nil {
		return pipeline.Page{}, err
	}
	defer func() {
		if s.at = page.Next; err != nil || page.Next == "" {
			s.current = nil // it is opened again, and its rows up to the cursor are passed over
		}
	}()
	if s.at != after || s.damaged == nil {
		s.current, s.damaged = nil, map[string]error{} // a walk begins
	}
	for {
		if s.current == nil {
			done, err := s.open(ctx, &at, &page)
			if err != nil {
				return pipeline.Page{}, err
			}
			if done {
				page.Next, s.damaged = encode(at), nil
				return page, nil
			}
		}
		if err := s.read(ctx, &at, &page); err != nil {
			return pipeline.Page{}, err
		}
		page.Next, page.More = encode(at), true
		if len(page.Records) > 0 || page.Next != after {
			return page, nil
		}
		page.Release() // a report is still damaged where it was
		page = pipeline.Page{}
	}
}

// open opens the report at a place, or the next one. none says that no other one waits. One that was
// damaged is tried once in each walk, because its parts may have been restored.
func (s *Source) open(ctx context.Context, at *place, page *pipeline.Page) (none bool, err error) {
	s.current = nil
	begun := time.Now().UTC().Truncate(time.Millisecond)
	waiting, problems, err := s.box.Waiting(ctx)
	if err != nil {
		return false, err
	}
	is := func(id string) func(Report) bool { return func(r Report) bool { return r.ID == id } }
	gone := func(id string) bool { return !slices.ContainsFunc(waiting, is(id)) }
	read := func(r Report) bool { return slices.Contains(at.Done, r.ID) || s.damaged[r.ID] != nil }
	for {
		i := slices.IndexFunc(waiting, is(at.Report))
		skip := at.Records
		if i < 0 {
			if i = slices.IndexFunc(waiting, func(r Report) bool { return !read(r) }); i >= 0 {
				skip = at.Came[waiting[i].ID]
			}
		}
		at.forget(gone) // those need not be remembered
		if i < 0 {
			page.Through = begun
			page.Incomplete = unreadable(problems, at.Damaged, s.damaged)
			return true, nil
		}
		at.Done = slices.DeleteFunc(at.Done, gone) // not at the end: while nothing comes the place stays
		at.forget(func(id string) bool { return id == waiting[i].ID })
		at.Report, at.Records = waiting[i].ID, skip
		s.current = newReading(s.box, waiting[i])
		err := s.current.skip(ctx, skip)
		if !s.isDamage(err) {
			return false, err
		}
		s.setAside(at, err)
	}
}

// isDamage reports whether an error means that a report can't be read as it is stored.
func (s *Source) isDamage(err error) bool {
	return err != nil && (errors.Is(err, errLength) || s.box.Damaged(err))
}

// setAside closes a damaged report. The next walk continues where it was.
func (s *Source) setAside(at *place, err error) {
	at.Damaged = append(at.Damaged, at.Report)
	slices.Sort(at.Damaged)
	if at.Records > 0 {
		if at.Came == nil {
			at.Came = map[string]int{}
		}
		at.Came[at.Report] = at.Records
	}
	s.damaged[at.Report] = err
	at.Report, at.Records, s.current = "", 0, nil
}

// read adds records of the report that is open, and closes it at its end.
func (s *Source) read(ctx context.Context, at *place, page *pipeline.Page) error {
	buffer, rec := s.buffers.take(), &s.current.rec
	rec.page = buffer
	page.Release = func() { s.buffers.put(buffer) }
	// Short rows leave much of the memory unused, and it is taken all the same.
	defer func() { page.Beside += cap(buffer) - len(rec.page) }()
	size := 0
	for len(page.Records) < pageRecords && size < pageBytes {
		rec, err := s.current.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			at.Done = append(at.Done, at.Report)
		case s.isDamage(err):
			s.setAside(at, err)
			return nil
		case err != nil:
			return err
		default:
			page.Records = append(page.Records, rec)
			size += len(rec.Raw)
			page.Beside += recordBytes
			at.Records++
			continue
		}
		at.Report, at.Records, s.current = "", 0, nil
		return nil
	}
	return nil
}

// unreadable is an error that names what can't be read; nil if there is nothing.
func unreadable(problems, damaged []string, why map[string]error) error {
	for _, id := range damaged {
		problems = append(problems, fmt.Sprintf("report %s: %v; restore it, and the next run reads on, or delete waiting/%s and have the report sent again", id, why[id], id))
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%d reports can't be read from the state and stay there, in the folder inbox/%s; all others are delivered: %s",
		len(problems), StreamID, strings.Join(problems, "; "))
}

// buffers are the memory of pages.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
}

func (b *buffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buffer := b.free[n-1]
		b.free = b.free[:n-1]
		return buffer
	}
	return make([]byte, 0, pageBytes+pageBytes/4)
}

func (b *buffers) put(buffer []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, buffer)
}

// Ack implements [pipeline.Acker].
func (s *Source) Ack(ctx context.Context, through pipeline.Cursor) error {
	at, err := parse(through)
	if err != nil {
		return err
	}
	for _, id := range at.Done {
		if err := s.box.Remove(ctx, id); err != nil {
			return err
		}
	}
	if len(at.Done) == 0 {
		return nil
	}
	return s.box.Tidy(ctx, time.Now())
}

// reading is a report that is being read.
type reading struct {
	// fetch is the context of the Fetch under way: a report is read over several.
	fetch  context.Context
	box    Box
	report Report
	rows   *tabular.Reader
	rec    records
	broken *tabular.Broken
	kept   int // parts of the original
	// parts were read, and had that many bytes.
	parts int
	bytes int64
}

// errLength means that the parts of a report are not those that were received.
var errLength = errors.New("the number of parts or bytes in it was changed")

func newReading(box Box, report Report) *reading {
	r := &reading{box: box, report: report, rec: records{report: report}}
	r.rows = tabular.NewReader(&tabular.Parts{Count: report.Parts, Part: r.part}, tabular.Options{ContentType: report.ContentType})
	return r
}

// part reads a part, and before it returns the last one compares the length of all with what was received.
func (r *reading) part(number int) ([]byte, error) {
	data, err := r.box.Part(r.fetch, r.report, number)
	if err != nil {
		return nil, err
	}
	if number > r.parts {
		r.parts, r.bytes = number, r.bytes+int64(len(data))
	}
	if number == r.report.Parts && r.bytes != r.report.Bytes {
		return nil, fmt.Errorf("waiting/%s: %w", r.report.ID, errLength)
	}
	return data, nil
}

// skip passes over records.
func (r *reading) skip(ctx context.Context, n int) error {
	for range n {
		if _, err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next record, or io.EOF.
func (r *reading) next(ctx context.Context) (pipeline.Record, error) {
	r.fetch = ctx
	if r.broken == nil {
		row, err := r.rows.Next()
		if err == nil {
			return r.rec.row(row, r.rows.Name()), nil
		}
		if !errors.As(err, &r.broken) {
			return pipeline.Record{}, err
		}
		return r.rec.end(r.broken.Why), nil
	}
	if r.broken.Kept {
		return pipeline.Record{}, io.EOF
	}
	// The original is kept as it was stored, part by part.
	if r.kept == r.report.Parts {
		return pipeline.Record{}, io.EOF
	}
	part, err := r.part(r.kept + 1)
	if err != nil {
		return pipeline.Record{}, err
	}
	r.kept++
	return r.rec.original(part, r.kept, r.broken.Why), nil
}
