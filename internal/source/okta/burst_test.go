package okta_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

// A burst of 100,000 events is read by 60 requests a minute at most, each event once, by processes
// that are killed after every 20 pages: the next one begins at the stored place.
func TestBurstAcrossKills(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 100_000
		o := newOrg()
		begin := time.Now()
		g := okta.Generator{Seed: 8, Start: begin.Add(-2 * time.Hour), Every: time.Millisecond}
		all := make([]okta.Event, n)
		for i := range all {
			id, at := g.UUID(i), g.Published(i)
			all[i] = okta.Event{UUID: id, Published: at, Make: func() []byte {
				return fmt.Appendf(nil, `{"uuid":%q,"published":%q}`, id, at.Format("2006-01-02T15:04:05.000Z"))
			}}
		}
		o.Add(all...)
		seen := make(map[string]bool, n)
		var after pipeline.Cursor
		more, kills := true, 0
		for ; more; kills++ {
			s := source.NewClient(config(o)).Logs()
			for page := 0; page < 20 && more; page++ {
				got, err := s.Fetch(t.Context(), after)
				var retry *pipeline.Retryable
				if errors.As(err, &retry) {
					<-time.After(max(retry.After, time.Second))
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range got.Records {
					if seen[r.ID] {
						t.Fatalf("event %s came twice", r.ID)
					}
					seen[r.ID] = true
				}
				after, more = got.Next, got.More
			}
		}
		peak, limited := o.Peak()
		if took := time.Since(begin); len(seen) != n || peak > 60 || limited > 0 || took > 4*time.Minute {
			t.Errorf("%d of %d events came in %v with %d kills; %d requests in a minute, %d were refused", len(seen), n, took, kills, peak, limited)
		}
	})
}
