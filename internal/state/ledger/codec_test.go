package ledger_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

var update = flag.Bool("update", false, "write golden files")

func byBytes(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }

// sample is the content of the golden file.
func sample() ledger.Object {
	o := ledger.Object{Start: time.Date(2026, 9, 24, 13, 5, 0, 0, time.UTC).Unix(), Width: 5 * time.Minute}
	for _, id := range []string{"2c9180835d2e5168015d32f890ca1581", "b2e1c7f0", "", "with \xff bytes"} {
		o.IDs = append(o.IDs, ledger.HashOf(id))
	}
	slices.SortFunc(o.IDs, byBytes)
	return o
}

// TestGolden keeps version 1 readable.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "v1.ledger")
	if *update {
		if err := os.WriteFile(path, ledger.Encode(sample()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ledger.Encode(sample()), golden) {
		t.Error("Encode does not give the golden file")
	}
	got, err := ledger.Decode(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
}

func drawIDs(t *rapid.T, name string) [][16]byte {
	set := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) (id [16]byte) {
		id[rapid.IntRange(0, 15).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		return id
	}), 0, 50).Draw(t, name)
	slices.SortFunc(set, byBytes)
	return slices.Compact(set)
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := ledger.Object{
			Start: rapid.Int64().Draw(t, "start"),
			Width: time.Duration(rapid.Uint32().Draw(t, "width")) * time.Second,
			IDs:   slices.Clip(drawIDs(t, "ids")),
		}
		if len(want.IDs) == 0 {
			want.IDs = nil
		}
		got, err := ledger.Decode(ledger.Encode(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawIDs(t, "a"), drawIDs(t, "b")
		want := slices.Concat(a, b)
		slices.SortFunc(want, byBytes)
		want = slices.Compact(want)
		if diff := cmp.Diff(len(want), len(ledger.Merge(a, b))); diff != "" {
			t.Fatalf("size of the union (-want +got):\n%s", diff)
		}
		if got := ledger.Merge(a, b); !slices.Equal(want, got) {
			t.Fatalf("union is %x, want %x", got, want)
		}
	})
}

// sealed sets a right checksum, so that a test meets the check behind it.
func sealed(data []byte) []byte {
	body := data[:len(data)-4]
	return binary.BigEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

func change(at int, to byte) []byte {
	data := ledger.Encode(sample())
	data[at] = to
	return data
}

func TestDecodeRefuses(t *testing.T) {
	good := ledger.Encode(sample())
	swapped := bytes.Clone(good)
	copy(swapped[28:], good[28+16:28+32])
	copy(swapped[28+16:], good[28:28+16])
	twice := bytes.Clone(good)
	copy(twice[28:], good[28+16:28+32])
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "0 bytes"},
		{"cut in the header", good[:20], "20 bytes"},
		{"cut", good[:len(good)-1], "checksum"},
		{"cut by an id", good[:len(good)-16], "checksum"},
		{"longer", append(bytes.Clone(good), 0), "checksum"},
		{"zeros", make([]byte, len(good)), "not a ledger window"},
		{"another kind of file", bytes.Repeat([]byte("{}"), 50), "not a ledger window"},
		{"one bit", change(40, good[40]^1), "checksum"},
		{"version 0", sealed(change(9, 0)), "never existed"},
		{"newer", sealed(change(9, 2)), "newer version"},
		{"newer, laid out in another way", change(8, 1), "newer version"},
		{"count", sealed(change(27, 5)), "header does not fit"},
		{"reserved bytes", sealed(change(11, 1)), "header does not fit"},
		{"not in order", sealed(swapped), "not in order"},
		{"an id twice", sealed(twice), "not in order"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ledger.Decode(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Decode: %v, want it to say %q", err, test.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(ledger.Encode(sample()))
	f.Add(ledger.Encode(ledger.Object{Start: ledger.Undated}))
	f.Add(change(9, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, append(bytes.Clone(data), 0, 0, 0, 0)} {
			if len(data) >= 4 {
				data = sealed(data) // or nothing would get past the checksum
			}
			o, err := ledger.Decode(data)
			if err != nil {
				continue
			}
			if !bytes.Equal(ledger.Encode(o), data) {
				t.Errorf("%x is decoded, but encoded in another way", data)
			}
		}
	})
}
