package logsingestion

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/gzip"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// body is a batch as it is sent.
type body struct {
	wire []byte // compressed
	raw  int    // bytes before compression
	// padded says that white space makes it larger than its records need.
	padded bool
}

// tooLarge means that a batch does not fit into one request.
type tooLarge struct {
	raw, records int
	limit        int
	what         string
}

func (e *tooLarge) Error() string {
	return fmt.Sprintf("%d records are more than %d bytes %s, the most that a request may have", e.records, e.limit, e.what)
}

// errFull stops the compression of a batch that becomes too large.
var errFull = errors.New("too large")

// packer holds the reusable buffers for packing a batch.
type packer struct {
	fast, best *gzip.Writer
	row        []byte
	out        bounded
}

// bounded is a buffer of at most MaxWire bytes.
type bounded struct{ buf []byte }

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.buf)+len(p) > MaxWire {
		return 0, errFull
	}
	b.buf = append(b.buf, p...)
	return len(p), nil
}

const (
	// guess is the assumed compression ratio, for the initial size of a buffer.
	guess = 6
	// maxScratch is the largest row whose memory is kept.
	maxScratch = 1 << 20
	// padSlack is more than what the compressor still holds back when a batch is padded.
	padSlack = 128 << 10
	padBytes = 16 << 10
)

// rawSize is the size of a batch as a JSON array.
func rawSize(batch []pipeline.Record) int {
	size := 1 + len(batch)
	for i := range batch {
		size += len(batch[i].Raw)
	}
	return size
}

// pack makes the body of a batch, of at least atLeast bytes on the wire. After an error, fewer
// records may succeed.
func (s *Sink) pack(rule *table.Declared, batch []pipeline.Record, atLeast int) (body, error) {
	raw := rawSize(batch)
	if raw > MaxRaw {
		return body{}, &tooLarge{raw: raw, records: len(batch), limit: MaxRaw, what: "of JSON"}
	}
	p, ok := s.packers.Get().(*packer)
	if !ok {
		p = &packer{}
	}
	defer func() {
		p.out.buf = nil // belongs to the request
		if cap(p.row) <= maxScratch {
			s.packers.Put(p)
		}
	}()
	p.out.buf = make([]byte, 0, min(max(raw/guess, atLeast)+1024, MaxWire))
	if p.fast == nil {
		p.fast, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for unknown levels only
	}
	b, err := p.pack(p.fast, rule, batch, atLeast)
	if errors.Is(err, errFull) && len(batch) == 1 {
		// A single record can't be split: compress it better.
		if p.best == nil {
			p.best, _ = gzip.NewWriterLevel(nil, gzip.BestCompression)
		}
		p.out.buf = p.out.buf[:0]
		b, err = p.pack(p.best, rule, batch, atLeast)
	}
	if errors.Is(err, errFull) {
		err = &tooLarge{raw: b.raw, records: len(batch), limit: MaxWire, what: "on the wire"}
	}
	return b, err
}

// pack compresses a JSON array of the rows. After errFull, b.raw is how far it got.
func (p *packer) pack(z *gzip.Writer, rule *table.Declared, batch []pipeline.Record, atLeast int) (b body, err error) {
	z.Reset(&p.out)
	if len(batch) == 0 {
		b.raw = len("[]")
		if _, err := z.Write([]byte("[]")); err != nil {
			return b, err
		}
	}
	for i := range batch {
		p.row = append(p.row[:0], ',')
		if i == 0 {
			p.row[0] = '['
		}
		if p.row, err = rule.AppendRow(p.row, batch[i].Raw); err != nil {
			return b, fmt.Errorf("record %d: %w", i, err)
		}
		if i == len(batch)-1 {
			p.row = append(p.row, ']')
		}
		b.raw += len(p.row)
		if _, err := z.Write(p.row); err != nil {
			return b, err
		}
	}
	if atLeast > 0 {
		if err := z.Flush(); err != nil {
			return b, err
		}
	}
	order := rand.New(rand.NewPCG(0, 0)) //nolint:gosec // nothing secret, and the same batch has the same body
	for len(p.out.buf) < atLeast && b.raw < MaxRaw-padBytes {
		b.padded = true
		if _, err := z.Write(blanks(padBytes, order)); err != nil {
			return b, err
		}
		b.raw += padBytes
	}
	if err := z.Close(); err != nil {
		return b, err
	}
	b.wire = p.out.buf
	return b, nil
}

// blanks is white space, as JSON allows it after its end, in an order that hardly compresses.
func blanks(n int, order *rand.Rand) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = " \t\r\n"[order.IntN(4)]
	}
	return out
}
