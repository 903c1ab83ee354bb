package state_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// Every kind has a bound, and what the connector writes of it fits.
func TestMaxSize(t *testing.T) {
	for key, least := range map[string]int64{
		"acme/checkpoints/SailPointIDN_Events.json":                    1 << 20,
		"acme/ledger/SailPointIDN_Events/2026-09-24/120000":            16 << 20, // a million ids
		"acme/ledger/SailPointIDN_Events/undated":                      16 << 20,
		"acme/quarantine/SailPointIDN_Events/undelivered/2026-09-24/x": 33 << 20, // a page in one record
		"acme/spool/SailPointIDN_Triggers/1":                           33 << 20,
		"acme/readback/SailPointIDN_Events.json":                       1 << 10,
		"acme/locks/SailPointIDN_Events.waiting":                       1 << 10,
		"acme/check/probe":                                             1 << 20,
		"acme/what/ever":                                               1 << 20,
		"acme":                                                         1 << 20,
	} {
		if most := state.MaxSize(key); most < least || most > state.Largest {
			t.Errorf("MaxSize(%q) = %d, want from %d to %d", key, most, least, state.Largest)
		}
		if err := state.CheckSize(key, state.MaxSize(key)); err != nil {
			t.Errorf("the largest %q: %v", key, err)
		}
		if err := state.CheckSize(key, state.MaxSize(key)+1); !errors.Is(err, state.ErrTooLarge) || !strings.Contains(err.Error(), key) {
			t.Errorf("one more of %q: %v", key, err)
		}
	}
}

func TestReadAll(t *testing.T) {
	const key = "acme/locks/x"
	most := int(state.MaxSize(key))
	for name, test := range map[string]struct {
		has  int
		size int64
		want error
	}{
		"as announced":          {1000, 1000, nil},
		"not announced":         {1000, -1, nil},
		"empty":                 {0, 0, nil},
		"empty, not announced":  {0, -1, nil},
		"the largest":           {most, int64(most), nil},
		"the largest, in doubt": {most, -1, nil},
		"shorter":               {999, 1000, io.ErrUnexpectedEOF},
		"none of it":            {0, 1000, io.ErrUnexpectedEOF},
		"longer":                {1001, 1000, state.ErrTooLarge},
		"more than of nothing":  {1, 0, state.ErrTooLarge},
		"too large":             {most + 1, -1, state.ErrTooLarge},
		"announced too large":   {0, int64(most) + 1, state.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Repeat([]byte("x"), test.has)
			for how, from := range map[string]io.Reader{"at once": bytes.NewReader(data), "in halves": iotest.HalfReader(bytes.NewReader(data)), "with its end": iotest.DataErrReader(bytes.NewReader(data))} {
				got, err := state.ReadAll(key, from, test.size)
				if !errors.Is(err, test.want) || err == nil && !bytes.Equal(got, data) {
					t.Errorf("%s: %d bytes, %v; want %d, %v", how, len(got), err, test.has, test.want)
				}
			}
		})
	}
	broken := errors.New("broken")
	if _, err := state.ReadAll(key, iotest.ErrReader(broken), 10); !errors.Is(err, broken) {
		t.Errorf("%v, want the reader's error", err)
	}
}
