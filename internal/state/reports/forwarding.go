package reports

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

var _ forward.Queue = (*Store)(nil)

func (s *Store) forward(id string) string { return s.prefix + "forward/" + id }

type span struct {
	First int       `json:"first"`
	Last  int       `json:"last"`
	At    time.Time `json:"at,omitzero"`
	Tries int       `json:"tries,omitzero"`
	Why   string    `json:"why,omitzero"`
}

type entry struct {
	Version     int       `json:"version"`
	ID          string    `json:"id"`
	Name        string    `json:"report"`
	ContentType string    `json:"contentType"`
	Received    time.Time `json:"received"`
	Bytes       int64     `json:"bytes"`
	Parts       int       `json:"parts"`
	Settled     int       `json:"settled"`
	Read        bool      `json:"read"`
	Starts      int       `json:"starts"`
	Posting     *span     `json:"posting,omitzero"`
	Again       []span    `json:"again,omitzero"`
	Doubts      []span    `json:"doubts,omitzero"`
	Refused     []span    `json:"refused,omitzero"`
	Since       time.Time `json:"since"`
	Failures    int       `json:"failures,omitzero"`
	Parked      string    `json:"parked,omitzero"`
}

// EncodeForwarding returns the object that says how far the forwarding of a report is.
func EncodeForwarding(e forward.Entry) ([]byte, error) {
	o := entry{
		Version: version, ID: e.ID, Name: e.Name, ContentType: e.ContentType, Received: e.Received.UTC(), Bytes: e.Bytes, Parts: e.Parts,
		Settled: e.Settled, Read: e.Read, Starts: e.Starts, Since: e.Since.UTC(), Failures: e.Failures, Parked: e.Parked,
		Again: stored(e.Again), Doubts: stored(e.Doubts), Refused: stored(e.Refused),
	}
	if e.Posting != nil {
		o.Posting = &stored([]forward.Span{*e.Posting})[0]
	}
	return format.Line(o)
}

func stored(list []forward.Span) (out []span) {
	for _, s := range list {
		out = append(out, span{s.First, s.Last, format.UTC(s.At), s.Tries, s.Why})
	}
	return out
}

// DecodeForwarding reads such an object of any version up to the latest.
func DecodeForwarding(data []byte) (forward.Entry, error) {
	var o entry
	if err := format.JSON(data, version, &o); err != nil {
		return forward.Entry{}, err
	}
	if !format.Dated(o.Received) || !format.Dated(o.Since) || !isID(o.ID) || o.Parts < 1 || o.Settled < 0 {
		return forward.Entry{}, errors.New("it describes no report")
	}
	e := forward.Entry{
		ID: o.ID, Name: o.Name, ContentType: o.ContentType, Received: o.Received.UTC(), Bytes: o.Bytes, Parts: o.Parts,
		Settled: o.Settled, Read: o.Read, Starts: o.Starts, Since: o.Since.UTC(), Failures: o.Failures, Parked: o.Parked,
	}
	var errs [4]error
	e.Again, errs[0] = restored(o.Again)
	e.Doubts, errs[1] = restored(o.Doubts)
	e.Refused, errs[2] = restored(o.Refused)
	if o.Posting != nil {
		var posting []forward.Span
		if posting, errs[3] = restored([]span{*o.Posting}); errs[3] == nil {
			e.Posting = &posting[0]
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return forward.Entry{}, err
	}
	return e, nil
}

func restored(list []span) (out []forward.Span, err error) {
	for _, s := range list {
		if s.First < 1 || s.Last < s.First {
			return nil, errors.New("it names rows that no report has")
		}
		out = append(out, forward.Span{First: s.First, Last: s.Last, At: format.UTC(s.At), Tries: s.Tries, Why: s.Why})
	}
	return out, nil
}

// newEntry is the forwarding of a report of which nothing was forwarded yet.
func newEntry(r Report) forward.Entry {
	return forward.Entry{ID: r.ID, Name: r.Name, ContentType: r.ContentType, Received: r.Received, Bytes: r.Bytes, Parts: r.Parts, Since: r.Received}
}

// begin stores the entry of a report, unless there is one. begun reports whether there was none.
func (s *Store) begin(ctx context.Context, r Report) (begun bool, err error) {
	object, err := EncodeForwarding(newEntry(r))
	if err != nil {
		return false, err
	}
	_, err = s.store.Put(ctx, s.forward(r.ID), object, state.Absent)
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return false, fmt.Errorf("store the forwarding of a report: %w", err)
	}
	return err == nil, nil
}

// beginListed begins the forwarding of a report that waited when it was listed. If it was delivered since, and
// forwarded before that, its entry was removed after its parts: then there is nothing to begin.
func (s *Store) beginListed(ctx context.Context, r Report) error {
	begun, err := s.begin(ctx, r)
	if err != nil || !begun {
		return err
	}
	for _, err := range s.store.List(ctx, s.parts(r.ID)) {
		return err
	}
	return s.store.Delete(ctx, s.forward(r.ID))
}

// handOver has the forwarding of a report not end with its delivery. kept is false if nothing of it is
// to be forwarded.
func (s *Store) handOver(ctx context.Context, id string) (kept bool, err error) {
	if s.Forward {
		object, err := s.store.Get(ctx, s.waiting(id))
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return false, err
		}
		if r, bad := DecodeReport(object.Data); err == nil && bad == nil && r.Forward {
			if _, err := s.begin(ctx, r); err != nil {
				return false, err
			}
		}
	}
	object, err := s.store.Get(ctx, s.forward(id))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return false, nil
	case errors.Is(err, state.ErrTooLarge):
		return true, nil
	case err != nil:
		return false, err
	}
	if e, bad := DecodeForwarding(object.Data); bad == nil && e.Done() {
		return false, nil
	}
	return true, nil // also what can't be read is kept with its report
}

// Items implements [forward.Queue].
func (s *Store) Items(ctx context.Context) (list []forward.Item, problems []string, err error) {
	waiting, _, err := s.Waiting(ctx) // the stream of rows reports its problems
	if err != nil {
		return nil, nil, err
	}
	for _, r := range waiting {
		if !r.Forward || !s.Forward {
			continue
		}
		if err := s.beginListed(ctx, r); err != nil {
			return nil, nil, err
		}
	}
	list, problems, _, err = s.entries(ctx, 0)
	return list, problems, err
}

// Forwardings lists how far the forwarding of up to most reports is, without changing anything. more is set
// if there are others. One that was not begun yet is missing.
func (s *Store) Forwardings(ctx context.Context, most int) (list []forward.Entry, problems []string, more bool, err error) {
	items, problems, more, err := s.entries(ctx, most)
	for _, item := range items {
		list = append(list, item.Entry)
	}
	return list, problems, more, err
}

// entries reads the entries that are stored, most of them at most; 0 means all.
func (s *Store) entries(ctx context.Context, most int) (list []forward.Item, problems []string, more bool, err error) {
	for info, err := range s.store.List(ctx, s.prefix+"forward/") {
		if err != nil {
			return nil, nil, false, fmt.Errorf("list the reports to forward: %w", err)
		}
		if most > 0 && len(list)+len(problems) == most {
			return list, problems, true, nil
		}
		object, err := s.store.Get(ctx, info.Key)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil && !errors.Is(err, state.ErrTooLarge) {
			return nil, nil, false, fmt.Errorf("read the forwarding of a report: %w", err)
		}
		var e forward.Entry
		if err == nil {
			e, err = DecodeForwarding(object.Data)
		}
		if err == nil && e.ID != path.Base(info.Key) {
			err = fmt.Errorf("it describes report %s", e.ID)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%q can't be read, so its report is not forwarded and stays as it is: %v", info.Key, err))
			continue
		}
		list = append(list, forward.Item{Entry: e, Tag: string(object.ETag)})
	}
	return list, problems, false, nil
}

// Save implements [forward.Queue].
func (s *Store) Save(ctx context.Context, item *forward.Item) error {
	object, err := EncodeForwarding(item.Entry)
	if err != nil {
		return err
	}
	tag, err := s.store.Put(ctx, s.forward(item.ID), object, state.ETag(item.Tag))
	if err != nil {
		return fmt.Errorf("store the forwarding of a report: %w", err)
	}
	item.Tag = string(tag)
	return nil
}

// Finish implements [forward.Queue]. While the report waits for its delivery the entry stays, so that it
// is not begun once more.
func (s *Store) Finish(ctx context.Context, item forward.Item) error {
	if !item.Done() { // dropped: what was read counts
		item.Read, item.Posting, item.Parked, item.Again, item.Doubts, item.Refused = true, nil, "", nil, nil, nil
		if err := s.Save(ctx, &item); err != nil {
			return err
		}
	}
	_, err := s.store.Get(ctx, s.waiting(item.ID))
	if errors.Is(err, state.ErrNotFound) {
		return s.withdraw(ctx, item.ID)
	}
	if err != nil {
		return fmt.Errorf("finish the forwarding of a report: %w", err)
	}
	return nil
}

// PartOf implements [forward.Queue].
func (s *Store) PartOf(ctx context.Context, e forward.Entry, number int) ([]byte, error) {
	return s.Part(ctx, Report{ID: e.ID}, number)
}
