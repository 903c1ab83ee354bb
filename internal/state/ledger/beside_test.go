package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const hour = time.Hour

func openAs(store state.Store, stream string, window time.Duration) *ledger.Ledger {
	return ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: stream, Window: window})
}

// besides opens the ledger of the pushes beside that of the polls.
func besides(store state.Store) *ledger.Beside {
	return &ledger.Beside{Ledger: openAs(store, "Pushed", hour), Reach: hour, Others: []*ledger.Ledger{openAs(store, "Polled", 24*hour)}}
}

func claimBeside(t *testing.T, b *ledger.Beside, records ...pipeline.Record) []string {
	t.Helper()
	fresh, err := b.Claim(t.Context(), records)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	var ids []string
	for i, is := range fresh {
		if is {
			ids = append(ids, records[i].ID)
		}
	}
	return ids
}

// What another stream has delivered, and what came before under a slightly different time, is not
// new; everything else is.
func TestBeside(t *testing.T) {
	store := &mem.Store{}
	polled := openAs(store, "Polled", 24*hour)
	midnight := noon.Add(12 * hour)
	known := []pipeline.Record{rec("polled", noon), rec("polled before midnight", midnight.Add(-time.Second))}
	claim(t, polled, known...)
	commit(t, polled, known...)

	b := besides(store)
	at := noon.Add(59 * time.Minute)
	want(t, "first", claimBeside(t, b, rec("polled", at), rec("polled before midnight", midnight.Add(time.Second)), rec("a", at), rec("b", at), rec("a", at)), "a", "b")
	commit(t, b.Ledger, rec("a", at), rec("b", at))
	want(t, "the same run", claimBeside(t, b, rec("a", at.Add(2*time.Minute)), rec("c", at), rec("polled", at)), "c")

	b = besides(store) // c was not committed
	want(t, "the next run", claimBeside(t, b, rec("a", at.Add(2*time.Minute)), rec("b", at.Add(-hour)), rec("c", at)), "c")
	want(t, "out of reach", claimBeside(t, besides(store), rec("a", at.Add(3*hour))), "a")
}

// What can't be read in another stream's ledger holds up nothing; in the own one it does, and then
// nothing is claimed.
func TestBesideWithDamage(t *testing.T) {
	store := &mem.Store{}
	put := func(stream, key, text string) {
		if _, err := store.Put(t.Context(), "acme/ledger/"+stream+"/2026-09-24/"+key, []byte(text), state.Any); err != nil {
			t.Fatal(err)
		}
	}
	put("Polled", "000000", "damaged")
	want(t, "the other is damaged", claimBeside(t, besides(store), rec("a", noon)), "a")

	put("Pushed", "110000", "damaged") // the window before
	b := besides(store)
	if _, err := b.Claim(t.Context(), []pipeline.Record{rec("a", noon)}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("got %v", err)
	}
	if err := store.Delete(t.Context(), "acme/ledger/Pushed/2026-09-24/110000"); err != nil {
		t.Fatal(err)
	}
	want(t, "after a failed claim", claimBeside(t, b, rec("a", noon)), "a")
}
