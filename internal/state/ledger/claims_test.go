package ledger_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// The set of claims is what a map is, also where hashes get in each other's way.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s ledger.Set
		model := map[[16]byte]bool{}
		draw := func(t *rapid.T) (h [16]byte) {
			h[0] = rapid.SampledFrom([]byte{0, 1, 2, 254, 255}).Draw(t, "place") // around the end, too
			h[1] = rapid.SampledFrom([]byte{0, 3}).Draw(t, "turn")
			h[15] = byte(rapid.IntRange(1, 8).Draw(t, "hash"))
			return h
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				h := draw(t)
				if added := s.Add(h); added == model[h] {
					t.Fatalf("add %x: %v", h, added)
				}
				model[h] = true
			},
			"remove": func(t *rapid.T) {
				h := draw(t)
				s.Remove(h)
				delete(model, h)
			},
			"": func(t *rapid.T) {
				if s.Len() != len(model) {
					t.Fatalf("%d hashes, want %d", s.Len(), len(model))
				}
			},
		})
		for h := range model {
			if s.Add(h) {
				t.Fatalf("%x is lost", h)
			}
		}
	})
}

// What is committed is what was delivered, in whatever order and with whatever left out.
func TestManyClaims(t *testing.T) {
	for name, order := range map[string][][2]int{
		"in order":      {{0, 2000}, {2000, 4000}, {4000, 5000}},
		"the last part": {{4000, 5000}, {0, 4000}},
		"with gaps":     {{10, 1000}, {1015, 3000}, {3500, 5000}},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			l := open(store)
			records := manyRecords(0, 5000)
			want(t, "first", claim(t, l, records[:2000]...), idsOf(records[:2000])...)
			want(t, "again, with more", claim(t, l, records...), idsOf(records[2000:])...)
			left := idsOf(records)
			for _, part := range order {
				delivered := records[part[0]:part[1]]
				commit(t, l, delivered...)
				left = slices.DeleteFunc(left, func(id string) bool { return id >= delivered[0].ID && id <= delivered[len(delivered)-1].ID })
			}
			want(t, "claimed", claim(t, l, records...))
			want(t, "in the next run", claim(t, open(store), records...), append([]string(nil), left...)...)
		})
	}
}

func idsOf(records []pipeline.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}
