package pipeline_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// A run that finds its stream locked is no failure, unless the lock outlasts every run, or nobody
// can say for how long it has been held. The lag is told in any case.
func TestLockedOut(t *testing.T) {
	for name, test := range map[string]struct {
		longest  time.Duration
		held     time.Duration
		sinceErr error
		clockErr error
		want     pipeline.State
		says     string
	}{
		"for a minute":                {5 * time.Minute, time.Minute, nil, nil, pipeline.Locked, ""},
		"for as long as a run takes":  {5 * time.Minute, 5 * time.Minute, nil, nil, pipeline.Locked, ""},
		"for longer":                  {5 * time.Minute, 5*time.Minute + time.Second, nil, nil, pipeline.Failed, "5m1s"},
		"for ever, and any run may":   {0, 1000 * time.Hour, nil, nil, pipeline.Locked, ""},
		"nobody can say":              {5 * time.Minute, 0, errors.New("store is full"), nil, pipeline.Failed, "store is full"},
		"for ten days by a bad clock": {5 * time.Minute, 240 * time.Hour, nil, errors.New("clock is ahead"), pipeline.Failed, "clock is ahead"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 5)
				if rep := w.run(time.Minute); rep.State != pipeline.Drained {
					t.Fatalf("%+v", rep)
				}
				w.held, w.sinceErr = true, test.sinceErr
				<-time.After(time.Hour)
				w.since = time.Now().Add(-test.held)
				r := w.runner()
				r.Longest, r.Clock = test.longest, &clock{test.clockErr}
				rep := r.Run(t.Context())
				if rep.State != test.want || !strings.Contains(rep.Error, test.says) || (rep.Error == "") != (test.want == pipeline.Locked) {
					t.Errorf("%+v, want %s that says %q", rep, test.want, test.says)
				}
				if rep.LagSeconds < 3600 {
					t.Errorf("lag %v s, want an hour and more", rep.LagSeconds)
				}
			})
		})
	}
}
