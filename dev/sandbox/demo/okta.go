package demo

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
)

const oktaToken = "00synthetic-okta-token"

// serveOkta adds an Okta org to the stage: an event each second, from the past on into the future, of
// which every 50th is persisted ten minutes late.
func (s *Stage) serveOkta(ctx context.Context, cfg StageConfig) (err error) {
	const future, late = time.Hour, 10 * time.Minute
	s.Okta = &okta.Org{APIToken: oktaToken, Scheme: "http"}
	made := okta.Generator{Seed: cfg.Seed, Start: time.Now().Add(-cfg.Past), Every: time.Second}
	events := make([]okta.Event, int((cfg.Past + future).Seconds()))
	for i := range events {
		events[i] = made.Event(i)
		if i%50 == 17 {
			events[i].Persisted = events[i].Published.Add(late)
		}
	}
	s.Okta.Add(events...)
	s.oktaURL, err = s.serve(ctx, cfg.OktaAddr, s.Okta)
	return err
}

// oktaSettings are the app settings for the Okta org, if there is one.
func (s *Stage) oktaSettings() []string {
	if s.oktaURL == "" {
		return nil
	}
	return []string{"OKTA_ORG_URL=" + s.oktaURL, "OKTA_API_TOKEN=" + oktaToken}
}
