// Package ndjson writes records as lines of JSON, for inspection.
//
// A line names the stream and holds the record, so that two streams can share
// an output and be distinguished:
//
//	{"stream":"SailPointIDN_Events","record":{"id":"…","created":"…",…}}
//
//	jq -c 'select(.stream == "SailPointIDN_Events").record' out.ndjson
//	jq -r '.record | [.created, .type, .name] | @tsv' out.ndjson
//
// The record is what the source sent, byte for byte, with one exception: a
// record with line breaks between its tokens is written without insignificant
// white space, so that it stays on one line. There are no column rules here;
// package app adds those of the destination in a preview.
//
// This is not a reliable destination: a pipe may lose what was written to it
// when the reader ends. A file is appended to, and is on disk when Write returns.
package ndjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// batchBytes is small so that output appears early; there is no technical limit.
const batchBytes = 1 << 20

// begin is the start of each line.
const begin = `{"stream":"`

// Sink writes to one output.
type Sink struct {
	mu    sync.Mutex
	w     io.Writer
	close func() error
	disk  *os.File // w, if it is a regular file
	lines []byte
}

var _ pipeline.Sink = (*Sink)(nil)

// New returns a sink that writes to w, with one call of w.Write per batch.
func New(w io.Writer) *Sink { return &Sink{w: w} }

// Open returns a sink that appends to the file at path, and creates it if needed.
// Only its owner can read it, because audit data names people. A partial line at
// its end, left by a killed process, is removed: it was not acknowledged, so it
// comes again.
func Open(path string) (*Sink, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("NDJSON_PATH: %w", err)
	}
	s := &Sink{w: f, close: f.Close}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() { // a pipe or a terminal has no end and is not on disk
		s.disk = f
		err = mendEnd(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("NDJSON_PATH: %w", err), f.Close())
	}
	return s, nil
}

// Close closes the file of [Open]; after [New], it does nothing.
func (s *Sink) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Limits implements [pipeline.Sink].
func (s *Sink) Limits() pipeline.Limits { return pipeline.Limits{BatchBytes: batchBytes} }

// Fit implements [pipeline.Sink]: every object is a row.
func (s *Sink) Fit(_ string, raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	return raw, nil, nil
}

// Write implements [pipeline.Sink]. The lines of a batch stay together, also
// when several batches are written at the same time.
func (s *Sink) Write(ctx context.Context, stream string, batch []pipeline.Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write %d records: %w", len(batch), context.Cause(ctx))
	}
	if len(batch) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, err := appendLines(s.lines[:0], stream, batch)
	if err != nil {
		return err
	}
	if cap(lines) <= 4*batchBytes { // don't keep the memory of a huge record
		s.lines = lines
	}
	if err := s.put(lines); err != nil {
		return fmt.Errorf("write %d records of %s: %w", len(batch), stream, err)
	}
	return nil
}

// appendLines appends a line for each record.
func appendLines(b []byte, stream string, batch []pipeline.Record) ([]byte, error) {
	name, err := jsontext.AppendQuote(nil, stream)
	if err != nil {
		return nil, fmt.Errorf("name of the stream %q: %w", stream, err)
	}
	for _, r := range batch {
		raw := r.Raw
		if bytes.ContainsAny(raw, "\r\n") {
			raw = raw.Clone()
			if err := raw.Compact(); err != nil {
				return nil, &pipeline.Rejected{Err: fmt.Errorf("record %.100q is not JSON", r.ID)}
			}
		}
		b = append(b, begin[:len(begin)-1]...)
		b = append(b, name...)
		b = append(b, `,"record":`...)
		b = append(b, raw...)
		b = append(b, "}\n"...)
	}
	return b, nil
}

// put writes the lines. In a file, it writes all of them or none.
func (s *Sink) put(lines []byte) error {
	if s.disk == nil {
		_, err := s.w.Write(lines)
		return err
	}
	info, err := s.disk.Stat()
	if err != nil {
		return err
	}
	if _, err := s.disk.Write(lines); err != nil {
		return errors.Join(err, s.disk.Truncate(info.Size()))
	}
	return s.disk.Sync()
}

// mendEnd makes the file, which has size bytes, end after a whole line.
func mendEnd(f *os.File, size int64) error {
	// Read backwards until the last line break is seen.
	var tail []byte
	for at := size; at > 0; {
		piece := make([]byte, min(at, 64<<10))
		at -= int64(len(piece))
		if _, err := f.ReadAt(piece, at); err != nil {
			return err
		}
		i := bytes.LastIndexByte(piece, '\n')
		tail = append(piece[i+1:], tail...)
		if i >= 0 {
			break
		}
	}
	switch {
	case len(tail) == 0:
		return nil
	case bytes.HasPrefix(tail, []byte(begin)) || bytes.HasPrefix([]byte(begin), tail):
		return f.Truncate(size - int64(len(tail)))
	default: // not written by this package
		_, err := f.WriteString("\n")
		return err
	}
}
