package sailpoint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// TriggersRemembered is how long the service keeps an invocation after its end; failed ones twice
// as long.
const TriggersRemembered = 24 * time.Hour

const (
	// triggersPage is the largest page of the status endpoint.
	triggersPage = 250
	// triggersOverlap is how far pages of a sweep overlap. Arrivals during a sweep push rows to
	// later pages, where they come twice; expiries pull rows to earlier pages, where they would be
	// missed without an overlap. The next sweep sees them in any case.
	triggersOverlap = 10
	// triggersKept is how many invocations the service keeps in all.
	triggersKept = 2000
	// triggersEnd ends a sweep of a service that always answers with a full page.
	triggersEnd = 5 * triggersKept
	// triggersBody limits a page, and a single invocation. Invocations are copied several times on
	// their way to rows, so less fits than of events; a push may have 4 MiB.
	triggersBody = 4 << 20
	// sweepAge is the age at which an interrupted sweep starts again: by then the list has moved
	// too far.
	sweepAge = 5 * time.Minute
)

// Triggers is the stream of trigger invocations; see the package comment.
type Triggers struct {
	c *Client
	// flaws and trouble record what could not be read recently.
	flaws   jsonwalk.Flaws
	trouble trouble
	// hides counts successive sweeps that ended although the service counts more than it lists.
	hides contradictions
	// swept says that this process has read the current sweep from its beginning, and sound that it
	// has met an invocation that can be read.
	swept, sound bool
}

var _ pipeline.Source = (*Triggers)(nil)

// sweep is a position in a sweep. Its JSON is the cursor.
type sweep struct {
	Offset int `json:"offset"`
	// Begun is when the sweep began; absent before one.
	Begun string `json:"sweep,omitempty"`
	// Seen is how many rows the sweep has read, if Offset does not show it.
	Seen int `json:"seen,omitzero"`
}

// seen is how many rows of the list the sweep has read up to s.
func (s sweep) seen() int {
	switch {
	case s.Seen > 0:
		return s.Seen
	case s.Offset > 0:
		return s.Offset + triggersOverlap
	}
	return 0
}

// Stream implements [pipeline.Source].
func (t *Triggers) Stream() pipeline.Stream {
	return pipeline.Stream{ID: "SailPointIDN_Triggers", Table: "SailPointIDN_Triggers"}
}

// Fetch implements [pipeline.Source]. The page's records are one page of a sweep, newest first;
// they include rows that were delivered before.
func (t *Triggers) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now()
	at, begun, err := beginSweep(after, now)
	if err != nil {
		return pipeline.Page{}, err
	}
	records, total, err := t.readAt(ctx, after, at.Offset)
	if err != nil {
		return pipeline.Page{}, err
	}
	page := pipeline.Page{Records: records, Warnings: t.c.warnings(t.c.triggers)}
	if at.Offset == 0 {
		t.swept, t.sound = true, false
	}
	t.sound = t.sound || slices.ContainsFunc(records, func(r pipeline.Record) bool { return r.Flaw == "" })
	reach := at.Offset + len(records)
	if all := at.Offset > 0 && int64(reach) == total; reach > at.seen() && !all && at.Offset < triggersEnd {
		// A short page is not the end: the service may serve fewer rows than requested. The total beside
		// the first page proves nothing, since it may be that of the page.
		next := sweep{Offset: reach - min(triggersOverlap, len(records)/2), Begun: formatMilli(begun)}
		if next.seen() != reach {
			next.Seen = reach
		}
		page.Next, page.More = encode(next), true
		return page, nil
	}
	page.Next, page.Through = encode(sweep{}), begun
	if reach > 0 && t.swept && !t.sound { // as a service in trouble answers, or something in between
		page.Through = time.Time{}
		page.Incomplete = errors.New("trigger invocation status: none of the invocations that SailPoint lists can be read: what came is in quarantine, and the list is read again")
		return page, nil
	}
	if known := max(reach, at.seen()); known < triggersKept {
		page.Incomplete, err = t.hides.judge(total-int64(known), func() string {
			return fmt.Sprintf("trigger invocation status: SailPoint counts %d invocations, but lists only %d", total, known)
		})
		if page.Incomplete != nil {
			page.Through = time.Time{}
		}
		return page, err
	}
	if reach >= triggersKept {
		page.Warnings = append(page.Warnings, fmt.Sprintf("the list of trigger invocations is full (%d): "+
			"older ones may have been dropped before they were read; a more frequent POLL_SCHEDULE reads it more often", triggersKept))
	}
	return page, nil
}

// beginSweep returns where to continue, and when that sweep began.
func beginSweep(after pipeline.Cursor, now time.Time) (sweep, time.Time, error) {
	fresh := now.Truncate(time.Millisecond)
	if after == "" {
		return sweep{}, fresh, nil
	}
	var at sweep
	if err := decode(after, &at); err != nil {
		return sweep{}, fresh, err
	}
	begun, ok := parseTime([]byte(at.Begun))
	if at.Offset <= 0 || !ok || now.Sub(begun).Abs() > sweepAge {
		return sweep{}, fresh, nil
	}
	return at, begun, nil
}

// read reads one page of the list. total is the length of the list; −1 if the service
// does not say.
func (t *Triggers) read(ctx context.Context, offset, limit int) (records []pipeline.Record, total int64, err error) {
	page, err := t.c.readPage(ctx, call{ep: t.c.triggers, query: url.Values{
		"limit":   {strconv.Itoa(limit)},
		"offset":  {strconv.Itoa(offset)},
		"sorters": {"-created"},
		"count":   {"true"},
	}}, triggersBody, min(int(t.c.bodyHint.Load()), triggersBody))
	if err != nil {
		return nil, 0, cmp.Or(tooLarge(limit, err), err)
	}
	records, err = readInvocations(page.body, jsonwalk.Walk)
	if err == nil {
		return records, page.total, nil
	}
	records, recovered := readInvocations(page.body, t.flaws.Recover)
	if recovered == nil {
		recovered = t.flaws.Confirm()
	}
	if recovered != nil {
		return nil, 0, t.c.unreadable(t.c.triggers.name, page.body, err, recovered)
	}
	return records, page.total, nil
}

// readInvocations makes records of a page.
func readInvocations(body []byte, walk walker) (records []pipeline.Record, err error) {
	var (
		rows rowWriter
		same twins
	)
	err = walk(body, invocationNames(), func(e jsonwalk.Element) error {
		if len(records) == maxRows {
			return jsonwalk.ErrTooMany
		}
		inv := readInvocation(e)
		rec := pipeline.Record{ID: inv.recordID(), Time: inv.time(), Flaw: e.Flaw}
		if rec.Flaw == "" {
			if rec.Raw, err = rows.row(e.Raw, inv); err != nil {
				rec.Flaw = err.Error()
			}
		}
		if rec.Flaw != "" {
			rec.Raw, rec.Flaw = withoutSecrets(e.Raw, rec.Flaw)
		}
		if inv.id == "" {
			rec.ID = same.number(rec.ID)
		}
		records = append(records, rec)
		return nil
	})
	return records, err
}

// withoutSecrets is what is kept of an invocation that can't become a row: nothing that may hold a
// secret, since secrets can't be found in it.
func withoutSecrets(raw []byte, flaw string) (kept []byte, why string) {
	if len(raw) > 0 && raw[0] != '{' && raw[0] != '[' && raw[0] != '"' && len(raw) <= maxTime {
		return raw, flaw
	}
	sum := sha256.Sum256(raw)
	return nil, fmt.Sprintf("%s; its bytes are not kept, because secrets in them could not be masked: %d bytes, SHA-256 %x", flaw, len(raw), sum)
}

// readAt reads the page at an offset. When that has failed several times, it reads smaller and
// smaller pieces, past a row that can't be read.
func (t *Triggers) readAt(ctx context.Context, after pipeline.Cursor, offset int) ([]pipeline.Record, int64, error) {
	records, total, err := t.read(ctx, offset, triggersPage)
	var bad *remote.Unreadable
	switch {
	case err == nil:
		t.trouble.times = 0
		return records, total, nil
	case !errors.As(err, &bad), !bad.Large && t.trouble.again(after) < sightings:
		return nil, 0, err
	}
	records, limit := []pipeline.Record(nil), triggersPage
	var same twins // unreadable ones may begin alike
	for at, end := offset, offset+triggersPage; at < end; {
		part, n, err := t.read(ctx, at, min(limit, end-at))
		switch {
		case err == nil:
			if total = n; len(part) == 0 {
				return records, total, nil
			}
			records = append(records, part...)
		case !errors.As(err, &bad):
			return nil, 0, err
		case limit > 1:
			limit /= 2
			continue
		default:
			rec, err := t.stepOver(ctx, at, bad)
			if err != nil {
				return nil, 0, err
			}
			rec.ID = same.number(rec.ID)
			records, limit = append(records, rec), triggersPage
		}
		at = offset + len(records)
	}
	t.trouble.times = 0
	return records, total, nil
}

// stepOver makes a record of what was received of the row at an offset, like [Events.stepOver].
func (t *Triggers) stepOver(ctx context.Context, offset int, bad *remote.Unreadable) (rec pipeline.Record, err error) {
	readable := func(at int) (bool, error) {
		part, _, err := t.read(ctx, at, 1)
		if err != nil && !errors.As(err, &bad) {
			return false, err
		}
		return err == nil && len(part) > 0, nil
	}
	if err := confirmUnreadable(offset, offset-1, bad.Rounds(), readable); err != nil {
		if errors.Is(err, jsonwalk.ErrDoubtful) {
			err = &pipeline.Retryable{Err: bad}
		}
		return rec, err
	}
	names := invocationNames()
	texts := jsonwalk.Glimpse(bad.Start, names)
	rec.ID = "unreadable:" + texts[0]
	if texts[0] == "" {
		rec.ID = "unreadable:" + string(appendHash(nil, bad.Start))
	}
	rec.Time, _ = parseTime([]byte(texts[2]))
	rec.Raw, rec.Flaw = withoutSecrets(bad.Start, fmt.Sprintf("this invocation can't be read: each time it was requested alone the answer was unreadable, while a neighbouring one could be read: %v", bad.Err))
	return rec, nil
}
