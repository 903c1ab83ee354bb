package identityiq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// hashed is the prefix of the id of a row without one, which has hashedID bytes.
const (
	hashed   = "sha256:"
	hashedID = len(hashed) + 2*sha256.Size
	// maxID is the longest id that is accepted: the column has 128 characters at most.
	maxID = 1 << 10
)

// idOf is the id of a row. One that has none gets the hash of its bytes.
func idOf(id jsonwalk.Pick, raw []byte) string {
	if id.Kind == jsonwalk.String && len(id.Text) > 0 && len(id.Text) <= maxID {
		return string(id.Text)
	}
	sum := sha256.Sum256(raw)
	return hashed + hex.EncodeToString(sum[:])
}

// doubt is a range of time whose pages can't be read.
type doubt struct {
	cause *remote.Unreadable // the last such page; nil once the range is passed
	at    time.Time          // where the first one began
	until time.Time
	times int
}

// about judges an answer of a window that can't be read. An error means that the window is to be
// read again; otherwise it is to be divided.
func (d *doubt) about(w window, bad *remote.Unreadable, err error) error {
	known := d.cause != nil && w.from.Before(d.until) && !w.from.Before(d.at)
	if !known {
		*d = doubt{at: w.from, until: w.to}
	}
	d.cause = bad
	if bad.Large {
		return nil // a part of it is smaller, which is not a fault of any row
	}
	if d.times++; d.times < jsonwalk.Sightings {
		return err
	}
	return nil
}

// past notes a window that was read.
func (d *doubt) past(w window) {
	if d.cause != nil && !w.to.Before(d.until) {
		*d = doubt{}
	}
}

// rowByRow reads a millisecond whose pages can't be read one row at a time. A row is blamed, and not
// the connection, only if it fails again and again while another one can be read.
func (e *Events) rowByRow(ctx context.Context, w window) (found, error) {
	all, seen := found{total: -1, newest: w.from}, map[string]bool{}
	passes := 0
	for number := 1; ; number++ {
		got, err := e.read(ctx, w, number, 1)
		var bad *remote.Unreadable
		switch {
		case errors.As(err, &bad):
			rec, err := e.blame(ctx, w, number, bad)
			if err != nil {
				return found{}, err
			}
			got = found{records: []pipeline.Record{rec}, total: all.total}
		case err != nil:
			return found{}, e.doubt.explain(err)
		}
		if got.total >= 0 && all.total >= 0 && got.total != all.total {
			// A row that is committed late shifts the numbers of the others.
			return found{}, &pipeline.Retryable{Err: e.doubt.cause}
		}
		all.total = max(all.total, got.total)
		for _, rec := range got.records {
			if !seen[rec.ID] {
				seen[rec.ID] = true
				all.records = append(all.records, rec)
				all.unsure = all.unsure || rec.Time.IsZero()
			}
		}
		switch end := len(got.records) == 0 || all.total >= 0 && int64(number) >= all.total; {
		case end && passes < jsonwalk.Sightings && int64(len(seen)) < all.total: // the order of ties changed
			passes++
			number = 0
		case end:
			return e.moment(w, all)
		}
	}
}

// blame makes a record of what was received of the row with a number in its millisecond.
func (e *Events) blame(ctx context.Context, w window, number int, bad *remote.Unreadable) (rec pipeline.Record, err error) {
	for round := 0; round < bad.Rounds(); round++ {
		ok, err := e.others(ctx, w, number)
		if err != nil {
			return rec, err
		}
		if !ok {
			return rec, &pipeline.Retryable{Err: bad}
		}
		_, err = e.read(ctx, w, number, 1)
		var again *remote.Unreadable
		switch {
		case err == nil:
			return rec, &pipeline.Retryable{Err: bad}
		case !errors.As(err, &again):
			return rec, err
		case again.SaysMore(bad):
			bad = again // what is kept is the most that was received
		}
	}
	sum := sha256.Sum256(bad.Start)
	return pipeline.Record{
		// The id has nothing of what was received, which may differ each time.
		ID: fmt.Sprintf("unreadable:%s#%d", formatMilli(w.from), number-1), Time: w.from.UTC(), Raw: bad.Start,
		Flaw: fmt.Sprintf("this row, created at %s, can't be read: each time it was requested alone the answer was unreadable, while another one could be read: %v; "+
			"%d bytes of the answer were received and %d are kept, SHA-256 %s", formatMilli(w.from), bad.Err, bad.Size, len(bad.Start), hex.EncodeToString(sum[:])),
	}, nil
}

// othersWithin is how far back to look for a row that can be read.
const othersWithin = 30 * 24 * time.Hour

// others reports whether the server serves a row that can be read at this moment: one beside the row
// with a number in a millisecond, or one of the last days.
func (e *Events) others(ctx context.Context, w window, number int) (bool, error) {
	wide := window{w.from.Add(-othersWithin), w.to}
	if now := time.Now().Truncate(time.Millisecond); now.After(wide.to) {
		wide.to = now
	}
	for _, try := range []struct {
		window
		number int
	}{{w, number + 1}, {w, number - 1}, {wide, 1}, {wide, 2}, {wide, 3}} {
		if try.number < 1 {
			continue
		}
		got, err := e.read(ctx, try.window, try.number, 1)
		switch {
		case err == nil && len(got.records) > 0 && got.records[0].Flaw == "":
			return true, nil
		case err != nil && !errors.As(err, new(*remote.Unreadable)):
			return false, err
		}
	}
	return false, nil
}
