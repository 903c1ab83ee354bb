package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// Whatever the state and the workspace do, a trigger that waits for a decision gets the exact neutral
// body within 5 s, in every mode, and the callback too where there is one; what it recorded arrives
// once that is possible, and no log line or stored object shows the callback's secret.
func TestHarmless(t *testing.T) {
	const secretOf = "canary-callback-secret-31f0"
	accessRequest := `"accessRequestId":"r1","requestedFor":{"type":"IDENTITY","id":"2c1","name":"William Wilson"},"requestedItems":[{"id":"2c9","name":"Engineering Access","type":"ACCESS_PROFILE","operation":"Add"}],"requestedBy":{"type":"IDENTITY","id":"2c2","name":"Billy Bob"}`
	neutral := map[string]string{
		"idn:access-request-dynamic-approver": `{"id":"","name":"","type":""}`,
		"idn:access-request-pre-approval":     `{"approved":true,"comment":"Recorded only: no decision was made here.","approver":"Billy Bob"}`,
	}
	states := map[string]func(*brittle, *scene){
		"up":      func(*brittle, *scene) {},
		"slow":    func(b *brittle, _ *scene) { b.delay = 3 * time.Second },
		"hanging": func(b *brittle, _ *scene) { b.delay = 10 * time.Minute },
		"down":    func(b *brittle, _ *scene) { b.err = errors.New("the account is gone") },
	}
	for trigger, want := range neutral {
		for mode, posts := range map[string]bool{"sync": false, "async": true, "dynamic": true} {
			for name, spoil := range states {
				t.Run(strings.Join([]string{trigger, mode, name}, "/"), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := receiving()
						store := &brittle{Store: s.store}
						s.store = store
						spoil(store, s)
						var mu sync.Mutex
						var posted []string
						var when time.Time // the last was posted
						s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
							switch {
							case strings.HasSuffix(req.URL.Path, "/complete"):
								body, _ := io.ReadAll(req.Body)
								mu.Lock()
								posted, when = append(posted, req.URL.String()+" "+string(body)), time.Now()
								mu.Unlock()
								return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
							case strings.Contains(req.URL.Host, "ods.opinsights"):
								return nil, errors.New("the workspace is away")
							}
							return on.RoundTrip(req)
						}
						var log bytes.Buffer
						a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
						if err != nil {
							t.Fatal(err)
						}
						callback := "https://" + s.source().BaseURL.Host + "/trigger-invocations/v1/" + guidOf(1) + "/complete"
						meta := ""
						if posts {
							meta = fmt.Sprintf(`,"callbackURL":%q,"secret":%q,"responseMode":%q`, callback, secretOf, mode)
						}
						begin := time.Now()
						answer := a.Inlet("sailpoint/"+trigger).Receive(t.Context(), fmt.Appendf(nil, `{%s,"_metadata":{"triggerType":"requestResponse","triggerId":%q,"invocationId":%q%s}}`, accessRequest, trigger, guidOf(1), meta))
						answered := time.Now()
						if took := answered.Sub(begin); answer.Status != http.StatusOK || string(answer.Body) != want || took >= 5*time.Second {
							t.Errorf("status %d after %v: %s, want %s", answer.Status, took, answer.Body, want)
						}
						<-time.After(time.Second)
						mu.Lock()
						if got := strings.Join(posted, "\n"); posts && got != callback+` {"secret":"`+secretOf+`","output":`+want+`}` || !posts && got != "" {
							t.Errorf("posted %s", got)
						}
						if posts && !when.After(answered) {
							t.Errorf("posted %v before the answer was given", answered.Sub(when))
						}
						mu.Unlock()
						<-time.After(time.Minute)
						a.Stop(t.Context())
						if strings.Contains(log.String(), "canary") {
							t.Errorf("the log shows a secret:\n%s", log.String())
						}
						for _, key := range s.keys(t, "") {
							o, err := store.Get(t.Context(), key)
							if err != nil || bytes.Contains(o.Data, []byte("canary")) {
								t.Errorf("%s shows a secret, or %v", key, err)
							}
						}
						s.pass = nil
						s.pollAll(t)
						stored := name == "up" || name == "slow"
						if got := s.workspace.Table(triggerTable).IDs()[guidOf(1)]; stored && got != 1 {
							t.Errorf("%d rows", got)
						}
					})
				})
			}
		}
	}
}

// A process that is asked to stop still posts the answers that it owes, as long as it may.
func TestStopPostsAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		takes, most time.Duration
		posted      int
	}{
		"in time":  {3 * time.Second, 10 * time.Second, 1},
		"too long": {time.Minute, 10 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := receiving()
				posted := 0
				s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
					if !strings.HasSuffix(req.URL.Path, "/complete") {
						return on.RoundTrip(req)
					}
					select {
					case <-time.After(tc.takes):
						posted++
						return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
				}
				a, push := s.receiver(t, nil)
				push("sailpoint", fmt.Appendf(nil, `{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-dynamic-approver","callbackURL":"https://%s/trigger-invocations/v1/%s/complete","secret":"s"}}`, s.source().BaseURL.Host, guidOf(1)))
				ctx, cancel := context.WithTimeout(t.Context(), tc.most)
				defer cancel()
				begin := time.Now()
				a.Stop(ctx)
				if took := time.Since(begin); posted != tc.posted || took > tc.most+time.Second {
					t.Errorf("%d posted, stopped after %v", posted, took)
				}
				<-time.After(3 * time.Minute) // whatever is left ends
			})
		})
	}
}

// An event beside an access request in one body is answered with 200 only if it is stored.
func TestEventBesideAnAccessRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		s.store = &brittle{Store: s.store, err: errors.New("the account is gone")}
		_, push := s.receiver(t, nil)
		waits := []byte(`{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-pre-approval"}}`)
		if got := push("sailpoint", waits); got != http.StatusOK {
			t.Errorf("an access request: status %d", got)
		}
		if got := push("sailpoint", slices.Concat([]byte("["), waits, []byte(","), event(1), []byte("]"))); got != http.StatusServiceUnavailable {
			t.Errorf("both: status %d", got)
		}
	})
}

// With REQUEST_RESPONSE_ANSWER=refuse such a trigger gets 403, others are received.
func TestRefusedTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		s.connection().Sources[1].(*config.EventTriggers).Refuse = true
		_, push := s.receiver(t, nil)
		if got := push("sailpoint/idn:access-request-pre-approval", []byte(`{"a":1}`)); got != http.StatusForbidden {
			t.Errorf("status %d", got)
		}
		if got := push("sailpoint", event(1)); got != http.StatusOK {
			t.Errorf("status %d", got)
		}
	})
}

// A trigger of that type whose neutral answer is not known is seen: in the log, and in a health row.
func TestUnknownTriggerIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		var log bytes.Buffer
		_, push := s.receiver(t, slog.New(slog.NewJSONHandler(&log, nil)))
		if got := push("sailpoint", []byte(`{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:new"}}`)); got != http.StatusOK {
			t.Errorf("status %d", got)
		}
		<-time.After(5 * time.Second)
		health := bytes.Join(s.workspace.Table("SailPointIDN_Health").Raw(), []byte("\n"))
		for where, text := range map[string]string{"the log": log.String(), "the health table": string(health)} {
			if !strings.Contains(text, "idn:new") || !strings.Contains(text, "unsubscribe") {
				t.Errorf("%s does not show it:\n%s", where, text)
			}
		}
	})
}

// Whatever came before has taken its time: the answer is given at the deadline of the request, and what is
// stored later arrives all the same.
func TestAnswerByTheDeadline(t *testing.T) {
	waits := bytes.Replace(event(1), []byte("fireAndForget"), []byte("requestResponse"), 1)
	for name, tc := range map[string]struct {
		body []byte
		want int
	}{"an access request": {waits, http.StatusOK}, "another event": {event(1), http.StatusServiceUnavailable}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := receiving()
				s.store = &brittle{Store: s.store, delay: 3 * time.Second}
				a, _ := s.receiver(t, nil)
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				begun := time.Now()
				answer := a.Inlet("sailpoint").Receive(ctx, tc.body)
				if took := time.Since(begun); answer.Status != tc.want || took > time.Second {
					t.Errorf("status %d after %v", answer.Status, took)
				}
				<-time.After(10 * time.Second)
				a.Poll(t.Context())
				if n := s.workspace.Table(triggerTable).IDs()[guidOf(1)]; n != 1 {
					t.Errorf("%d rows", n)
				}
			})
		})
	}
}
