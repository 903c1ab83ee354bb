package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// dataset is a file of events, one a line, and what must arrive of it.
type dataset struct {
	file   string
	events int
	bytes  int64 // of the events, without the ends of lines
	ids    uint64
}

// writeData makes the events of a day, of the size and kind that the benchmark of
// the whole connector uses, too.
func writeData(file string, events int) (d dataset, err error) {
	g := synth.New(synth.Options{Seed: 41, Start: time.Now().Add(-24 * time.Hour), Rate: float64(events) / (23.5 * 3600), Bytes: 1024, Plain: true})
	f, err := os.Create(file)
	if err != nil {
		return d, err
	}
	d = dataset{file: file, events: events}
	digest, w := workspace.NewDigest(), bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for i := range events {
		line = g.AppendEvent(line[:0], i)
		digest.Add(g.ID(i), line)
		d.bytes += int64(len(line))
		_, _ = w.Write(append(line, '\n')) // Flush has the error
	}
	d.ids = digest.IDs
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return d, err
	}
	return d, f.Close()
}

// readData returns the events as a source would. Their bytes stay in the mapped
// file: on the heap they would let the garbage collector rest in a way that it
// never can in the product, which holds a few pages at a time.
func readData(file string) ([]pipeline.Record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", file, err)
	}
	// Little garbage, so that reading needs hardly more memory than what it leaves.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	records := make([]pipeline.Record, 0, bytes.Count(data, []byte("\n")))
	for line := range bytes.Lines(data) {
		raw := jsontext.Value(bytes.TrimSuffix(line, []byte("\n")))
		var event struct {
			ID      string    `json:"id"`
			Created time.Time `json:"created"`
		}
		if err := json.Unmarshal(raw, &event); err != nil {
			return nil, fmt.Errorf("event %d: %w", len(records), err)
		}
		records = append(records, pipeline.Record{ID: event.ID, Time: event.Created, Raw: raw})
	}
	return records, nil
}
