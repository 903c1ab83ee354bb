package state_test

import (
	"io"
	"testing"
	"testing/iotest"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

func TestPartsReader(t *testing.T) {
	parts := [][]byte{[]byte("head\n"), nil, []byte("body"), []byte("!")}
	if err := iotest.TestReader(state.NewReader(parts), []byte("head\nbody!")); err != nil {
		t.Error(err)
	}
	if state.SizeOf(parts) != 10 || !state.SameAs(parts, []byte("head\nbody!")) || state.SameAs(parts, []byte("head\nbody")) || state.SameAs(parts, []byte("head\nbody!!")) {
		t.Error("size or comparison is wrong")
	}
	if _, err := state.NewReader(parts).Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the beginning is no error")
	}
}
