package app_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// A stream whose checkpoint is gone after a pause begins where its ledger ends: INITIAL_LOOKBACK alone
// would skip what happened before it, in runs that are drained.
func TestCheckpointIsGoneAfterAPause(t *testing.T) {
	const lookback = time.Hour
	for name, pause := range map[string]time.Duration{"shorter than the lookback": lookback / 2, "longer": 5 * lookback} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().InitialLookback = lookback
				n := 0
				happens := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); n++ {
						s.addEvent(fmt.Sprintf("e%d", n))
						<-time.After(10 * time.Minute)
					}
				}
				happens(lookback / 2)
				first, _ := s.poll(t)
				happens(pause)
				if err := s.store.Delete(t.Context(), "acme/checkpoints/"+events+".json"); err != nil {
					t.Fatal(err)
				}
				<-time.After(10 * time.Minute) // the last one may still show up
				second, _ := s.poll(t)
				if sent := int(first.Sent + second.Sent); second.State != pipeline.Drained || sent != n {
					t.Errorf("%d of %d events were sent: %+v", sent, n, second)
				}
				if text := strings.Join(second.Warnings, "\n"); !strings.HasPrefix(text, "no checkpoint: begins at ") || strings.Contains(text, "ledger") != (pause > lookback) {
					t.Errorf("warnings: %s", text)
				}
			})
		})
	}
}
