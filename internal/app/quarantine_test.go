package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

const events = "SailPointIDN_Events"

// TestResendWaits: a resend waits for a run that is at work, but not for ever.
func TestResendWaits(t *testing.T) {
	for name, test := range map[string]struct {
		busy time.Duration
		want pipeline.State
	}{
		"a run that ends":         {20 * time.Second, pipeline.Drained},
		"a run that does not end": {10 * time.Minute, pipeline.Locked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
				if err != nil {
					t.Fatal(err)
				}
				rec := pipeline.Record{ID: "a", Time: time.Now(), Raw: jsontext.Value(`{"id":"a"}`)}
				if err := a.Connections()[0].Quarantine().Put(t.Context(), events, rec, pipeline.Unfit, "why"); err != nil {
					t.Fatal(err)
				}
				_, release, err := streamlock.New(s.store, s.connection().Tenant).Lock(t.Context(), events)
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(test.busy, func() { _ = release(context.WithoutCancel(t.Context())) })
				var entries []quarantine.Entry
				for e, err := range a.Connections()[0].Quarantine().List(t.Context(), "", "") {
					if err != nil {
						t.Fatal(err)
					}
					entries = append(entries, e)
				}
				begin := time.Now()
				rep := a.Connections()[0].Resend(t.Context(), events, entries, func(f app.ResendResult) {
					if !f.Sent || f.ID != "a" {
						t.Errorf("%+v", f)
					}
				})
				if rep.State != test.want || (rep.Sent == 1) != (test.want == pipeline.Drained) || time.Since(begin) > time.Minute {
					t.Errorf("%+v after %v", rep, time.Since(begin))
				}
			})
		})
	}
}

func TestResendOfNoStream(t *testing.T) {
	s := newScene()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
	if err != nil {
		t.Fatal(err)
	}
	if rep := a.Connections()[0].Resend(t.Context(), "Other", nil, nil); rep.State != pipeline.Failed || !strings.Contains(rep.Error, "there are SailPointIDN_Events and") {
		t.Errorf("%+v", rep)
	}
}
