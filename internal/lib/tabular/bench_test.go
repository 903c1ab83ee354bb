package tabular_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
)

// endless is a report of at least that many bytes, made while it is read.
type endless struct {
	head, row, tail string
	left            int
	buf             []byte
}

func (e *endless) Read(p []byte) (int, error) {
	for len(e.buf) < len(p) && e.left > 0 {
		if e.head != "" {
			e.buf, e.head = append(e.buf, e.head...), ""
		}
		e.buf = append(e.buf, e.row...)
		if e.left -= len(e.row); e.left <= 0 {
			e.buf = append(e.buf, e.tail...)
		}
	}
	n := copy(p, e.buf)
	e.buf = append(e.buf[:0], e.buf[n:]...)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func forms(size int) map[string]*endless {
	row := `{"Name":"Adam Kennedy","Email":"adam.kennedy@acme.example","Department":"Finance","Last activity":"2026-11-28T17:03:11Z","Apps":["Zoom","Slack"]}`
	return map[string]*endless{
		"list":  {head: `{"report":"Users","rows":[`, row: row + ",", tail: `{}]}`, left: size},
		"lines": {row: row + "\n", left: size},
		"CSV":   {head: "Name,Email,Department,Last activity\n", row: "Adam Kennedy,adam.kennedy@acme.example,Finance,\"2026-11-28,\n17:03\"\n", left: size},
	}
}

func drain(tb testing.TB, src io.Reader) (rows int) {
	tb.Helper()
	r := tabular.NewReader(src, tabular.Options{})
	for {
		switch row, err := r.Next(); {
		case errors.Is(err, io.EOF):
			return rows
		case err != nil:
			tb.Fatal(err)
		case row.Flaw != "":
			tb.Fatal(row.Flaw)
		}
		rows++
	}
}

// TestMemory: a report of any size is read in little memory.
func TestMemory(t *testing.T) {
	for name, src := range forms(30 << 20) {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			r := tabular.NewReader(src, tabular.Options{})
			for range 50_000 {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(r)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("%d KB are in use", grown>>10)
			}
			runtime.KeepAlive(src)
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for name := range forms(1) {
		b.Run(name, func(b *testing.B) {
			const size = 4 << 20
			b.SetBytes(size)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				rows += drain(b, forms(size)[name])
			}
			if rows == 0 {
				b.Fatal("no rows")
			}
		})
	}
}

// TestQuotesTakeLinearTime: a report in which quotes never end is not read again and again.
func TestQuotesTakeLinearTime(t *testing.T) {
	for name, lines := range map[string]string{
		"one":       "1,\"\n" + strings.Repeat("2,3\n", 1_000_000),
		"pairs":     strings.Repeat("1,\"\"\"\n2,3\n", 300_000),
		"odd pairs": "1,\"\n" + strings.Repeat("1,\"\"\n", 500_000),
	} {
		t.Run(name, func(t *testing.T) {
			rows, end := 0, error(nil)
			r := tabular.NewReader(strings.NewReader("a,b\n"+lines), tabular.Options{})
			for end == nil {
				if _, end = r.Next(); end == nil {
					rows++
				}
			}
			if !errors.Is(end, io.EOF) || rows < 2 {
				t.Errorf("%d rows, %v", rows, end)
			}
			t.Log(fmt.Sprint(rows, " rows"))
		})
	}
}
