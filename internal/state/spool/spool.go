// Package spool keeps batches in the state store while the sink is down, for a
// stream whose source forgets its records within a day or two.
//
// The objects are {tenant}/spool/{stream}/{number}, where the number has 19
// digits and is the time of storing in nanoseconds since 1970, or one more than
// the latest number, so that the keys are in the order of the batches. Each
// object holds one batch: a JSON line that describes it, then for each record a
// JSON line with its id, time and length, and its bytes verbatim.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the format that this package writes and reads.
const version = 1

// Store is the spool of one tenant.
type Store struct {
	store  state.Store
	tenant string
}

var _ pipeline.Spool = (*Store)(nil)

// New returns the spool of a tenant, which is the first element of the keys. It
// does not access the store.
func New(store state.Store, tenant string) *Store { return &Store{store, tenant} }

func (s *Store) prefix(stream string) string { return s.tenant + "/spool/" + stream + "/" }

// Put implements [pipeline.Spool].
func (s *Store) Put(ctx context.Context, stream string, batch []pipeline.Record) error {
	next := time.Now().UnixNano()
	for info, err := range s.store.List(ctx, s.prefix(stream)) {
		if err != nil {
			return fmt.Errorf("spool %s: %w", stream, err)
		}
		if n, err := strconv.ParseInt(path.Base(info.Key), 10, 64); err == nil && n >= next {
			next = n + 1
		}
	}
	key := fmt.Sprintf("%s%019d", s.prefix(stream), next)
	if _, err := s.store.Put(ctx, key, Encode(stream, batch), state.Absent); err != nil {
		return fmt.Errorf("spool %s: %w", stream, err)
	}
	return nil
}

// Drain implements [pipeline.Spool]. It stops at an object that can't be read: the
// error names the key, and later objects are neither delivered out of order nor lost.
//
// Before it writes the first batch, it rewrites that batch's object unchanged: one that
// can't be changed could not be removed either, and every run would deliver it again.
func (s *Store) Drain(ctx context.Context, stream string, write func(context.Context, []pipeline.Record) error) error {
	proven := false
	for info, err := range s.store.List(ctx, s.prefix(stream)) {
		if err != nil {
			return fmt.Errorf("drain spool of %s: %w", stream, err)
		}
		obj, err := s.store.Get(ctx, info.Key)
		if errors.Is(err, state.ErrNotFound) {
			continue // another process delivered it
		}
		if errors.Is(err, state.ErrTooLarge) {
			return fmt.Errorf("spool object %q: %w", info.Key, damaged(err.Error()))
		}
		if err != nil {
			return fmt.Errorf("drain spool of %s: %w", stream, err)
		}
		batch, err := Decode(stream, obj.Data)
		if err != nil {
			return fmt.Errorf("spool object %q: %w", info.Key, err)
		}
		if len(batch) > 0 {
			if !proven {
				if obj.ETag, err = s.store.Put(ctx, info.Key, obj.Data, obj.ETag); err != nil {
					return fmt.Errorf("drain spool of %s: a batch could not be removed, so it was not delivered: %w", stream, err)
				}
				proven = true
			}
			if err := write(ctx, batch); err != nil {
				return err
			}
		}
		if err := s.remove(ctx, stream, info.Key, obj.ETag); err != nil {
			return fmt.Errorf("drain spool of %s: delivered, but it could not be removed and will come again: %w", stream, err)
		}
	}
	return nil
}

// remove removes an object whose batch was delivered. It ignores the end of ctx, because
// an object that stays is delivered again. If removing is not allowed, it replaces the
// object with an empty batch, so that not every run delivers it again.
func (s *Store) remove(ctx context.Context, stream, key string, etag state.ETag) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := s.store.Delete(ctx, key)
	if err != nil {
		if _, emptied := s.store.Put(ctx, key, Encode(stream, nil), etag); emptied == nil {
			return nil // the next run tries again to remove it
		}
	}
	return err
}

// head is the first line of an object.
type head struct {
	Version int    `json:"version"`
	Stream  string `json:"stream"`
	Records int    `json:"records"`
	// SHA256 is the hash of everything after the line, in hex.
	SHA256 string `json:"sha256"`
}

// line precedes the bytes of a record.
type line struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time,omitzero"`
	Length int       `json:"length"`
}

// Encode writes a batch.
func Encode(stream string, batch []pipeline.Record) []byte {
	var body bytes.Buffer
	for _, r := range batch {
		l := line{ID: r.ID, Length: len(r.Raw)}
		if format.Dated(r.Time) { // the ledger treats an invalid time as no time
			l.Time = r.Time
		}
		body.Write(marshal(l))
		body.Write(r.Raw)
		body.WriteByte('\n')
	}
	return append(marshal(head{version, stream, len(batch), format.Sum(body.Bytes())}), body.Bytes()...)
}

// marshal can't fail on these types. An id may contain invalid UTF-8.
func marshal(v any) []byte {
	b, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("encode spool: %v", err))
	}
	return append(b, '\n')
}

// Decode reads a batch. It fails if the object is damaged, belongs to another stream, or is newer.
func Decode(stream string, data []byte) ([]pipeline.Record, error) {
	var h head
	body, err := format.Header(data, version, &h)
	switch {
	case errors.Is(err, format.ErrNewer):
		return nil, err
	case err != nil:
		return nil, damaged(err.Error())
	}
	if h.Stream != stream {
		return nil, damaged(fmt.Sprintf("it belongs to %q", h.Stream))
	}
	if format.Sum(body) != h.SHA256 {
		return nil, damaged("its checksum is wrong")
	}
	var batch []pipeline.Record
	for len(body) > 0 {
		var l line
		text, rest, ok := bytes.Cut(body, []byte("\n"))
		if err := json.Unmarshal(text, &l, jsontext.AllowInvalidUTF8(true)); !ok || err != nil || l.Length < 0 || l.Length >= len(rest) || rest[l.Length] != '\n' {
			return nil, damaged("a record can't be read")
		}
		if !format.Dated(l.Time) {
			l.Time = time.Time{}
		}
		batch = append(batch, pipeline.Record{ID: l.ID, Time: l.Time, Raw: jsontext.Value(rest[:l.Length:l.Length])})
		body = rest[l.Length+1:]
	}
	if len(batch) != h.Records {
		return nil, damaged(fmt.Sprintf("it holds %d records instead of %d", len(batch), h.Records))
	}
	return batch, nil
}

func damaged(why string) error {
	return fmt.Errorf("is damaged (%s): restore an earlier copy of it, or take what you need from it, which is text, and delete it: "+
		"its records then never arrive, since they count as delivered", why)
}
