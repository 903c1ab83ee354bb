package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/queuenote"
)

// The process with the timer polls half a tick later what no instance has polled: the message's
// instance was killed, or there is none. What was polled, or is being polled, it leaves alone.
func TestFollowUp(t *testing.T) {
	for name, tc := range map[string]struct {
		polled bool          // by an instance, after the tick
		locked time.Duration // by one that was killed, from the tick on
		runs   int
		at     time.Duration // of the arrival
	}{
		"nobody polls":                    {runs: 2, at: 30 * time.Second},
		"an instance has polled":          {polled: true},
		"one was killed right away":       {locked: 20 * time.Second, runs: 2, at: 30 * time.Second},
		"one was killed after a while":    {locked: 38 * time.Second, runs: 2, at: 40 * time.Second},
		"another found it locked":         {locked: 38 * time.Second, polled: true, runs: 2, at: 40 * time.Second},
		"one polls until the next tick":   {locked: 2 * time.Minute},
		"one was killed at the last look": {locked: 50 * time.Second, runs: 2, at: 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene().named("prod")
				timer := s.spread(t, "")
				s.polling(t)() // an earlier run
				<-time.After(time.Minute)
				tick := time.Now()
				s.event("", 1, tick.Add(-10*time.Minute))
				if tc.locked > 0 {
					_, release, err := s.store.Lock(t.Context(), "acme/locks/connection")
					if err != nil {
						t.Fatal(err)
					}
					go func() {
						<-time.After(tc.locked - time.Millisecond)
						if err := release(t.Context()); err != nil {
							t.Error(err)
						}
					}()
				}
				if tc.polled {
					<-time.After(3 * time.Second)
					if _, err := s.spread(t, "").Work(t.Context(), fanout.Message{Connection: "prod", Tenant: "acme"}); err != nil {
						t.Fatal(err)
					}
				}
				runs := timer.FollowUp(t.Context(), tick)
				if len(runs) != tc.runs || tc.runs > 0 && (runs[0].State != pipeline.Drained || runs[0].Sent != 1) {
					t.Errorf("%d runs: %+v", len(runs), runs)
				}
				if took := time.Since(tick); tc.runs > 0 && (took < tc.at || took > tc.at+5*time.Second) {
					t.Errorf("polled after %v, want %v", took, tc.at)
				}
				if took := time.Since(tick); took > time.Minute {
					t.Errorf("it took %v, longer than a tick", took)
				}
				<-time.After(2 * time.Minute)
			})
		})
	}
}

// However many connections no instance has polled, the process with the timer polls no more at once
// than an instance does, and reaches all of them.
func TestFollowUpOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().times(3 * fanout.AtOnce)
		atOnce := s.slow(time.Second)
		runs := s.spread(t, "").FollowUp(t.Context(), time.Now())
		if len(runs) != 2*3*fanout.AtOnce || atOnce() != fanout.AtOnce {
			t.Errorf("%d runs, of %d connections at once, want %d", len(runs), atOnce(), fanout.AtOnce)
		}
	})
}

// queueAt serves a queue with these messages, or refuses it.
func (s *scene) queueAt(refuses string, messages ...string) {
	queue := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		switch {
		case refuses == "missing":
			w.Header().Set("X-Ms-Error-Code", "QueueNotFound")
			w.WriteHeader(http.StatusNotFound)
		case refuses != "":
			w.Header().Set("X-Ms-Error-Code", refuses)
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Query().Has("peekonly"):
			fmt.Fprint(w, "<QueueMessagesList>")
			for _, text := range messages {
				fmt.Fprintf(w, "<QueueMessage><MessageText>%s</MessageText></QueueMessage>", base64.StdEncoding.EncodeToString([]byte(text)))
			}
			fmt.Fprint(w, "</QueueMessagesList>")
		default:
			w.Header().Set("X-Ms-Approximate-Messages-Count", strconv.Itoa(len(messages)))
		}
	})
	const host = "acme.queue.core.windows.net"
	s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		if req.URL.Host == host {
			return fault.Transport(queue).RoundTrip(req)
		}
		return on.RoundTrip(req)
	}
	s.settings.FanOut = true
	s.settings.Queue = config.Queue{Endpoint: &url.URL{Scheme: "https", Host: host}, Account: config.Account{Auth: config.AccountKey, Setting: "AzureWebJobsStorage", Name: "acme", Key: secret.Plain("Y2FuYXJ5")}}
}

// queued is a message in the queue.
func queued(t *testing.T, app string, age time.Duration) string {
	t.Helper()
	tick := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-age) // when a bubble begins
	text, err := fanout.Encode(fanout.Message{App: app, Tenant: "acme", Tick: tick, Expires: tick.Add(2 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is wrong with the queue is a finding of the check, and the app itself, with its own identity,
// finds the same and leaves it where the status shows it. A queue that is missing is normal.
func TestQueueInTrouble(t *testing.T) {
	for name, tc := range map[string]struct {
		refuses  string
		messages []string
		says     string
		fails    bool
	}{
		"missing":         {"missing", nil, "does not exist yet: the host creates it", false},
		"empty":           {"", nil, "0 messages are in it", false},
		"in use":          {"", []string{queued(t, "app-1", 0), queued(t, "app-1", time.Hour)}, "2 messages are in it", false},
		"refused":         {"AuthenticationFailed", nil, "AzureWebJobsStorage is wrong or expired", true},
		"two apps":        {"", []string{queued(t, "app-1", 0), queued(t, "app-2", 0)}, "two apps share the queue idn-sentinel-work: messages of app-1 and app-2", true},
		"something else":  {"", []string{queued(t, "app-1", 0), "canary"}, "something else writes to the queue", true},
		"no one takes it": {"", []string{queued(t, "app-1", time.Hour)}, "no instance works them off", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.queueAt(tc.refuses, tc.messages...)
			_, found := s.check(t)
			want := check.Passed
			if tc.fails {
				want = check.Failed
			}
			if f := found["queue"]; f.State != want || !strings.Contains(f.Detail, tc.says) || strings.Contains(f.Detail, "canary") {
				t.Errorf("%+v", f)
			}
			synctest.Test(t, func(t *testing.T) {
				s.spread(t, "app-1").FollowUp(t.Context(), time.Now())
				n, err := queuenote.Read(t.Context(), s.store)
				if err != nil || n.At.IsZero() || (n.Problem != "") != tc.fails || tc.fails && !strings.Contains(n.Problem, tc.says) {
					t.Errorf("%v: the app noted %+v", err, n)
				}
				shown := fmt.Sprint(s.spread(t, "app-1").Status(t.Context()).Problems)
				if strings.Contains(shown, "can't be relied on") != tc.fails || tc.fails && !strings.Contains(shown, tc.says) {
					t.Errorf("status: %s", shown)
				}
			})
		})
	}
}

// A person may not look into the queue of an app that may: then the app's own note counts.
func TestQueueOfAnotherIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		note  *queuenote.Note
		state check.Verdict
		says  string
	}{
		"the app has not looked":     {nil, check.Failed, "has not noted yet"},
		"the app could use it":       {&queuenote.Note{}, check.Passed, "the app itself could use it 60s ago"},
		"the app is refused as well": {&queuenote.Note{Problem: "give the app's identity the role"}, check.Failed, "60s ago the app found: give the app's identity the role"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.queueAt("AuthorizationPermissionMismatch")
			s.settings.Queue.Auth, s.settings.Queue.Key = config.ManagedIdentity, secret.Value{}
			s.person, s.credential = true, workspace.Credential{}
			if tc.note != nil {
				tc.note.At = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Minute)
				if err := queuenote.Write(t.Context(), s.store, *tc.note); err != nil {
					t.Fatal(err)
				}
			}
			if _, found := s.check(t); found["queue"].State != tc.state || !strings.Contains(found["queue"].Detail, tc.says) {
				t.Errorf("%+v", found["queue"])
			}
		})
	}
}

// The settings of a person's machine may not say where the queue is.
func TestCheckWithoutTheQueuesAddress(t *testing.T) {
	s := newScene()
	s.settings.FanOut = true
	if _, found := s.check(t); found["queue"].State != check.Skipped || !strings.Contains(found["queue"].Detail, "AzureWebJobsStorage") {
		t.Errorf("%+v", found["queue"])
	}
	s.settings.FanOut = false
	if _, found := s.check(t); found["queue"].State != "" {
		t.Errorf("FAN_OUT is off: %+v", found["queue"])
	}
}
