package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// completions is the tenant's side of the answers that are posted.
type completions struct {
	mu     sync.Mutex
	posted map[string]int // by address and body
	// gone makes posts hang as long as their senders wait, as if the process had died, or the tenant.
	gone bool
	// takes is how long one takes.
	takes time.Duration
}

// through has a scene's posts of answers go to the completions.
func (c *completions) through(s *scene) {
	c.posted = map[string]int{}
	s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		if !strings.HasSuffix(req.URL.Path, "/complete") {
			return on.RoundTrip(req)
		}
		c.mu.Lock()
		gone := c.gone
		c.mu.Unlock()
		if gone {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		<-time.After(c.takes)
		body, _ := io.ReadAll(req.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.posted[req.URL.String()+" "+string(body)]++
		return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
	}
}

func (c *completions) set(gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = gone
}

const owedSecret = "canary-owed-secret-7d1e"

// asks is an access request that waits for its answer at the tenant.
func asks(s *scene, n int) (body []byte, want string) {
	address := "https://" + s.source().BaseURL.Host + "/trigger-invocations/v1/" + guidOf(n) + "/complete"
	return fmt.Appendf(nil, `{"n":%d,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-dynamic-approver","invocationId":%q,"callbackURL":%q,"secret":%q,"responseMode":"async"}}`, n, guidOf(n), address, owedSecret),
		address + ` {"secret":"` + owedSecret + `","output":{"id":"","name":"","type":""}}`
}

func owedKeys(t *testing.T, s *scene) []string { return s.keys(t, "acme/hooks/owed/") }

// The answer that an access request waits for outlives the process that owes it, a tenant that is away,
// and a new token; it is posted once, is in the state only as long as that, and no one can read its
// secret there.
func TestAnswersOutliveTheProcess(t *testing.T) {
	for name, tc := range map[string]struct {
		away    time.Duration // the tenant
		change  func(*config.EventTriggers)
		dropped bool
		ahead   time.Duration // the clock of the store, when it stored the answers
	}{
		"the process dies":                   {away: time.Second},
		"the tenant is away for ten minutes": {away: 10 * time.Minute},
		"the clock of the store was ahead":   {away: time.Second, ahead: 10 * 365 * 24 * time.Hour},
		"the token is replaced": {away: time.Second, change: func(e *config.EventTriggers) {
			e.TokenPrevious, e.Token = e.Token, secret.Plain("another-token-of-the-hook-12345678")
		}},
		"the token is forgotten": {away: time.Second, change: func(e *config.EventTriggers) { e.Token = secret.Plain("another-token-of-the-hook-12345678") }, dropped: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := receiving(), &completions{gone: true}
				c.through(s)
				s.store = datedAhead{s.store, tc.ahead}
				_, push := s.receiver(t, nil) // it never gets to post anything, as if it was killed after the answer
				body, want := asks(s, 1)
				if got := push("sailpoint", body); got != http.StatusOK {
					t.Fatalf("status %d", got)
				}
				if n := len(owedKeys(t, s)); n != 1 {
					t.Fatalf("%d answers are kept", n)
				}
				for _, key := range s.keys(t, "") {
					if o, err := s.store.Get(t.Context(), key); err != nil || bytes.Contains(o.Data, []byte("canary")) {
						t.Errorf("%s shows a secret, or %v", key, err)
					}
				}
				<-time.After(3 * time.Minute)
				synctest.Wait()
				if tc.change != nil {
					tc.change(s.connection().Sources[1].(*config.EventTriggers))
				}
				var log bytes.Buffer
				next, _ := s.receiver(t, slog.New(slog.NewJSONHandler(&log, nil)))
				<-time.After(tc.away)
				c.set(false)
				for range 3 {
					next.Poll(t.Context())
					<-time.After(time.Minute)
				}
				synctest.Wait()
				if tc.dropped {
					if n := len(owedKeys(t, s)); n != 1 || len(c.posted) > 0 || strings.Count(log.String(), "could not be posted") != 1 || !strings.Contains(log.String(), "was replaced") {
						t.Errorf("%d are kept, %v posted, log:\n%s", n, c.posted, log.String())
					}
					<-time.After(24 * time.Hour)
					next.Poll(t.Context())
					<-time.After(time.Minute)
					synctest.Wait()
				} else if c.posted[want] != 1 || len(c.posted) != 1 {
					t.Errorf("posted %v, want %s", c.posted, want)
				}
				if left := owedKeys(t, s); len(left) > 0 {
					t.Errorf("left: %q", left)
				}
				if strings.Contains(log.String(), "canary") || tc.dropped != strings.Contains(log.String(), "is dropped") {
					t.Errorf("log:\n%s", log.String())
				}
			})
		})
	}
}

// datedAhead is a store whose objects are dated ahead.
type datedAhead struct {
	state.Store
	by time.Duration
}

func (d datedAhead) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		for info, err := range d.Store.List(ctx, prefix) {
			info.Modified = info.Modified.Add(d.by)
			if !yield(info, err) {
				return
			}
		}
	}
}

// However many access requests come at once, each gets its answer posted, soon, and nothing is left of it.
func TestManyAnswersAtOnce(t *testing.T) {
	for name, down := range map[string]bool{"state up": false, "state down": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := receiving(), &completions{takes: 2 * time.Second}
				c.through(s)
				if down {
					s.store = &brittle{Store: s.store, err: errors.New("the account is gone")}
				}
				var log bytes.Buffer
				_, push := s.receiver(t, slog.New(slog.NewJSONHandler(&log, nil)))
				const requests = 200
				var posts sync.WaitGroup
				for n := range requests {
					posts.Go(func() {
						body, _ := asks(s, n)
						if got := push("sailpoint", body); got != http.StatusOK {
							t.Errorf("status %d", got)
						}
					})
				}
				posts.Wait()
				<-time.After(time.Minute)
				synctest.Wait()
				for n := range requests {
					if _, want := asks(s, n); c.posted[want] != 1 {
						t.Fatalf("request %d: posted %d times; %d in all", n, c.posted[want], len(c.posted))
					}
				}
				if strings.Contains(log.String(), "not posted") {
					t.Errorf("log:\n%s", log.String())
				}
				if !down {
					if left := owedKeys(t, s); len(left) > 0 {
						t.Errorf("left: %q", left)
					}
				}
			})
		})
	}
}

// The next process posts what is owed soon, also if the next tick is minutes away.
func TestAnswersAreNotForTheNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := receiving(), &completions{gone: true}
		c.through(s)
		_, push := s.receiver(t, nil)
		body, want := asks(s, 1)
		push("sailpoint", body)
		<-time.After(5 * time.Second)
		next, _ := s.receiver(t, nil)
		next.Poll(t.Context())
		c.set(false)
		<-time.After(2 * time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.posted[want] == 0 {
			t.Errorf("posted %v", c.posted)
		}
	})
}

// What is kept is posted to the tenant's own address or not at all, whatever the settings name by then.
func TestAnswersStayAtTheTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := receiving(), &completions{gone: true}
		c.through(s)
		_, push := s.receiver(t, nil)
		body, _ := asks(s, 1)
		push("sailpoint", body)
		<-time.After(3 * time.Minute)
		synctest.Wait()
		other := *s.source().BaseURL
		other.Host = "elsewhere.api.identitynow.com"
		s.source().BaseURL = &other
		c.set(false)
		next, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
		if err != nil {
			t.Fatal(err)
		}
		defer next.Stop(t.Context())
		next.Poll(t.Context())
		<-time.After(time.Minute)
		synctest.Wait()
		if len(c.posted) > 0 {
			t.Errorf("posted %v", c.posted)
		}
	})
}
