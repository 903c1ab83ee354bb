package app_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// After a pause that is longer than SailPoint keeps invocations, the run says so;
// events are kept, and nothing is said of them.
func TestPause(t *testing.T) {
	for name, test := range map[string]struct {
		pause  time.Duration
		warned int // streams
	}{
		"20 h": {20 * time.Hour, 0},
		"30 h": {30 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
				if err != nil {
					t.Fatal(err)
				}
				warned := 0
				for range 2 {
					reports := a.Poll(t.Context())
					for _, rep := range reports {
						if rep.State != pipeline.Drained {
							t.Errorf("%+v", rep)
						}
						for _, text := range rep.Warnings {
							if strings.HasPrefix(text, "no checkpoint:") {
								continue // the first of the two
							}
							warned++
							if rep.Stream == events || !strings.Contains(text, "keeps records for 24 h") {
								t.Errorf("%s warns: %s", rep.Stream, text)
							}
						}
					}
					<-time.After(test.pause)
				}
				if warned != test.warned {
					t.Errorf("%d warnings, want %d", warned, test.warned)
				}
			})
		})
	}
}
