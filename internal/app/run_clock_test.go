package app_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
)

// By a clock that is off for one run the ledger is not pruned and nothing is audited, whichever
// service tells. The runs behind it send nothing again.
func TestOneRunByAWrongClock(t *testing.T) {
	for name, test := range map[string]struct {
		tenant, workspace time.Duration // by which their clocks are behind this machine's
		says              []string      // empty: the run is as any other
	}{
		"ten days ahead":                {240 * time.Hour, 240 * time.Hour, []string{"240h0m0s ahead of SailPoint", "set the clock"}},
		"ten days behind":               {-240 * time.Hour, -240 * time.Hour, []string{"240h0m0s behind SailPoint", "set the clock"}},
		"an hour, as by a wrong zone":   {time.Hour, time.Hour, []string{"1h0m0s ahead of SailPoint"}},
		"six minutes from the source":   {6 * time.Minute, 6 * time.Minute, []string{"6m0s ahead of SailPoint"}},
		"four minutes":                  {4 * time.Minute, 4 * time.Minute, nil},
		"they disagree":                 {0, 240 * time.Hour, []string{"240h0m0s ahead of the workspace", "of SailPoint", "one of these clocks is wrong"}},
		"the workspace is off a little": {0, 13 * time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.connection().Health = true // so that the workspace answers in each run
			off := false
			s.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
				resp, err := service.RoundTrip(req)
				if err == nil {
					behind := test.workspace
					if req.URL.Host == s.source().BaseURL.Host {
						behind = test.tenant
					}
					if !off {
						behind = 0
					}
					resp.Header.Set("Date", time.Now().Add(-behind).UTC().Format(http.TimeFormat))
				}
				return resp, err
			}
			synctest.Test(t, func(t *testing.T) {
				a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
				if err != nil {
					t.Fatal(err)
				}
				poll := func() pipeline.Report {
					reports := a.Poll(t.Context())
					return reports[0]
				}
				if rep := poll(); rep.State != pipeline.Drained {
					t.Fatalf("%+v", rep)
				}
				before := s.saved(t)
				// Windows that are due to be pruned.
				const old = "acme/ledger/SailPointIDN_Events/1999-12-20/120000"
				if _, err := s.store.Put(t.Context(), old, make([]byte, 48), state.Any); err != nil {
					t.Fatal(err)
				}
				<-time.After(25 * time.Hour)
				off = true
				var rep pipeline.Report
				for range 2 { // the first may learn of the workspace's clock behind its end only
					rep = poll()
				}
				if (rep.State == pipeline.Failed) != (len(test.says) > 0) {
					t.Errorf("%+v", rep)
				}
				for _, text := range test.says {
					if !strings.Contains(rep.Error, text) {
						t.Errorf("error %q lacks %q", rep.Error, text)
					}
				}
				_, err = s.store.Get(t.Context(), old)
				now := s.saved(t)
				if wrong := len(test.says) > 0 && test.tenant != 0; wrong && (err != nil || !now.Pruned.Equal(before.Pruned) || !now.Through.Equal(before.Through)) {
					t.Errorf("window: %v, before %+v, now %+v", err, before, now)
				}
				off = false
				<-time.After(11 * time.Minute)
				if rep := poll(); rep.State != pipeline.Drained || rep.Sent != 0 {
					t.Errorf("the clock is right: %+v", rep)
				}
			})
		})
	}
}

func (s *scene) saved(t *testing.T) pipeline.Checkpoint {
	t.Helper()
	cp, err := checkpoint.New(s.store, "acme").Load(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}
