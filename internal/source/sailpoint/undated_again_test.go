package sailpoint_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// Documents without id and time that are the same, byte for byte, have the same ids in each search: the
// second one of an hour later would otherwise deliver all of them again.
func TestUndatedTwinsKeepTheirIDs(t *testing.T) {
	for name, refuse := range map[string]bool{"by id": false, "unsorted": true} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.RefuseIDSort = refuse
			for i := range 3 {
				tn.AddEvent(fmt.Appendf(nil, `{"id":"u%d","created":null}`, i), time.Time{})
				tn.AddEvent([]byte(`{"name":"neither"}`), time.Time{})
			}
			cfg := config(tn)
			cfg.PageSize = 2 // so that they are read by their number
			src := sailpoint.NewClient(cfg).Events()
			if _, err := src.Fetch(t.Context(), ""); err != nil { // which learns the order
				t.Fatal(err)
			}
			first := undatedIDs(t, src)
			if len(first) != 6 {
				t.Errorf("%d ids, want one for each of 6 documents: %v", len(first), first)
			}
			if diff := cmp.Diff(first, undatedIDs(t, src)); diff != "" {
				t.Errorf("ids of the second search (-first +second):\n%s", diff)
			}
		})
	}
}
