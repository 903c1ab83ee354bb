package app_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What versions before have stored is found by every later one: the keys of a stream stay what
// they are.
func TestStateKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.addEvent("e1")
		at := time.Now().Add(-2 * time.Minute)
		s.tenant.AddEvent(fmt.Appendf(nil, `{"id":"e2","created":%q,"RawData":1}`, at.UTC().Format("2006-01-02T15:04:05.000Z")), at)
		s.polling(t)()
		kinds := map[string]bool{}
		for _, key := range s.keys(t, "") {
			parts := strings.Split(key, "/")
			kinds[strings.Join(parts[:min(3, len(parts))], "/")] = true
		}
		want := map[string]bool{
			"acme/checkpoints/SailPointIDN_Events.json":   true,
			"acme/checkpoints/SailPointIDN_Triggers.json": true,
			"acme/ledger/SailPointIDN_Events":             true,
			"acme/quarantine/SailPointIDN_Events":         true,
			"acme/runs/SailPointIDN_Events.json":          true,
			"acme/runs/SailPointIDN_Triggers.json":        true,
		}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}
