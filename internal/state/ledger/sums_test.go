package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// Anyone who has the ids of a window can compute its checksum.
func TestSums(t *testing.T) {
	store := &mem.Store{}
	l := open(store)
	want := []ledger.Sum{}
	for _, at := range []time.Time{noon, noon.Add(5 * time.Minute), noon.Add(26 * time.Hour)} {
		var records []pipeline.Record
		var hashes [][]byte
		for i := range 3 {
			id := fmt.Sprintf("%s-%d", at, i)
			records = append(records, rec(id, at.Add(time.Duration(i)*time.Second)))
			sum := sha256.Sum256([]byte(id))
			hashes = append(hashes, sum[:16])
		}
		claim(t, l, records...)
		commit(t, l, records...)
		slices.SortFunc(hashes, bytes.Compare)
		sum := sha256.Sum256(bytes.Join(hashes, nil))
		want = append(want, ledger.Sum{From: at, IDs: 3, SHA256: hex.EncodeToString(sum[:])})
	}
	for range 2 {
		got, err := open(store).Sums(t.Context(), noon, noon.Add(48*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got, err := open(store).Sums(t.Context(), noon.Add(5*time.Minute), noon.Add(10*time.Minute)); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}
