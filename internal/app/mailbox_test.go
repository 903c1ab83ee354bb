package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	hookToken    = "canary-webhook-token-4c1d"
	pushedStream = "SailPointIDN_TriggersPushed"
	triggerTable = "SailPointIDN_Triggers"
	inboxPrefix  = "acme/inbox/" + pushedStream + "/"
)

// receiving is a scene whose connection receives event triggers.
func receiving() *scene {
	s := newScene()
	c := s.connection()
	c.Sources = append(c.Sources, &config.EventTriggers{Token: secret.Plain(hookToken)})
	s.workspace.Identify = func(_ string, raw []byte) string { return idOf(raw) }
	return s
}

// idOf is the invocation's id in a row, or else the row.
func idOf(raw []byte) string {
	_, rest, ok := bytes.Cut(raw, []byte(`"id":"`))
	if !ok {
		return string(raw)
	}
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// guidOf is an invocation's id.
func guidOf(n int) string { return fmt.Sprintf("aaaaaaaa-bbbb-4ccc-8ddd-%012d", n) }

func event(n int) []byte {
	return fmt.Appendf(nil, `{"identity":{"id":"i%d","name":"a.b","type":"IDENTITY"},"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:identity-created","invocationId":%q}}`, n, guidOf(n))
}

// receiver opens an app, and returns how to push to it. It is stopped at the end.
func (s *scene) receiver(t *testing.T, log *slog.Logger) (a *app.App, push func(path string, body []byte) int) {
	t.Helper()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop(context.Background()) })
	return a, func(path string, body []byte) int {
		inlet := a.Inlet(path)
		if inlet == nil {
			return http.StatusNotFound
		}
		answer := inlet.Receive(t.Context(), body)
		if answer.Status == http.StatusServiceUnavailable && answer.RetryAfter == 0 {
			t.Error("503 without Retry-After")
		}
		return answer.Status
	}
}

// A push is durable before it is answered, and a row within seconds, without the timer.
func TestPushBecomesARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		down := &brittle{Store: s.store}
		s.store = down
		s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
			if len(s.keys(t, inboxPrefix)) == 0 && strings.Contains(req.URL.Host, "ods.opinsights") && strings.Contains(req.Header.Get("Log-Type"), "Triggers") {
				t.Error("a row is sent that is not in the inbox")
			}
			return on.RoundTrip(req)
		}
		a, push := s.receiver(t, nil)
		begin := time.Now()
		if got := push("sailpoint", event(1)); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
		if n := len(s.keys(t, inboxPrefix)); n != 1 && s.workspace.Table(triggerTable).IDs()[guidOf(1)] == 0 || time.Since(begin) > time.Second {
			t.Errorf("%d objects in the inbox after %v", n, time.Since(begin))
		}
		<-time.After(5 * time.Second)
		if n := s.workspace.Table(triggerTable).IDs()[guidOf(1)]; n != 1 {
			t.Errorf("%d rows after 5 s, want 1", n)
		}
		if keys := s.keys(t, inboxPrefix); len(keys) != 0 {
			t.Errorf("the inbox still has %q", keys)
		}
		// The same once more, and another one: only that is new.
		push("sailpoint", event(1))
		push("sailpoint/idn:identity-created", event(2))
		<-time.After(5 * time.Second)
		ids := s.workspace.Table(triggerTable).IDs()
		if ids[guidOf(1)] != 1 || ids[guidOf(2)] != 1 {
			t.Errorf("rows: %v", ids)
		}
		if got := push("saas", event(3)); got != http.StatusNotFound {
			t.Errorf("a hook that does not exist: status %d", got)
		}
		// The timer has nothing left to do.
		for _, rep := range a.Poll(t.Context()) {
			if rep.State != pipeline.Drained {
				t.Errorf("%+v", rep)
			}
		}
	})
}

// Many pushes at once share a few objects, and each becomes one row.
func TestPushesShareObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		store := &brittle{Store: s.store}
		s.store = store
		_, push := s.receiver(t, nil)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if got := push("sailpoint", event(i)); got != http.StatusOK {
					t.Errorf("status %d", got)
				}
			})
		}
		wg.Wait()
		if store.inboxPuts > 5 {
			t.Errorf("200 pushes at once took %d objects", store.inboxPuts)
		}
		<-time.After(10 * time.Second)
		if ids := s.workspace.Table(triggerTable).IDs(); len(ids) != 200 {
			t.Errorf("%d rows", len(ids))
		}
	})
}

// A push of thousands of events is stored in pieces. It is accepted once all of them are durable, and if
// it is sent again because one was not, no event has two rows.
func TestLargePushIsStoredInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 12_000
		body := []byte("[")
		for i := range events {
			body = append(append(body, event(i)...), ',')
		}
		body[len(body)-1] = ']'
		s := receiving()
		store := &brittle{Store: s.store, failing: 2}
		s.store = store
		_, push := s.receiver(t, nil)
		if got := push("sailpoint", body); got != http.StatusServiceUnavailable {
			t.Errorf("status %d although one piece was not stored", got)
		}
		if got := push("sailpoint", body); got != http.StatusOK {
			t.Errorf("status %d", got)
		}
		if store.inboxPuts < 4 || store.largest > 3<<20 {
			t.Errorf("%d objects, the largest has %d bytes", store.inboxPuts, store.largest)
		}
		<-time.After(30 * time.Second)
		ids := s.workspace.Table(triggerTable).IDs()
		if len(ids) != events {
			t.Errorf("%d rows, want %d", len(ids), events)
		}
		for id, n := range ids {
			if n != 1 {
				t.Fatalf("%s has %d rows", id, n)
			}
		}
	})
}

// Tiny events make rows that are larger than they are, so their number has a limit, too.
func TestPushOfTooManyEvents(t *testing.T) {
	_, push := receiving().receiver(t, nil)
	for name, tc := range map[string]struct {
		element string
		n, want int
	}{
		"too many events":          {"{}", 20_001, http.StatusRequestEntityTooLarge},
		"too many that are broken": {"1", 20_001, http.StatusRequestEntityTooLarge},
		"as many as may be":        {`{"a":1}`, 20_000, http.StatusOK},
	} {
		if got := push("sailpoint", []byte("["+strings.Repeat(tc.element+",", tc.n-1)+tc.element+"]")); got != tc.want {
			t.Errorf("%s: status %d, want %d", name, got, tc.want)
		}
	}
}

// What is stored no longer counts as waiting: more pushes than may wait at once are accepted one after
// the other, also after some that could not be stored.
func TestManyLargePushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		store := &brittle{Store: s.store}
		s.store = store
		_, push := s.receiver(t, nil)
		long := []byte(strings.Repeat("x", 2<<20))
		for i := range 20 {
			want := http.StatusOK
			store.mu.Lock()
			if store.err = nil; i < 10 {
				store.err, want = errors.New("disk is full"), http.StatusServiceUnavailable
			}
			store.mu.Unlock()
			if got := push("sailpoint", bytes.Replace(event(i), []byte("a.b"), long, 1)); got != want {
				t.Errorf("push %d: status %d, want %d", i, got, want)
			}
		}
	})
}

// brittle is a store whose inbox fails or is slow.
type brittle struct {
	state.Store
	mu        sync.Mutex
	err       error
	delay     time.Duration
	inboxPuts int
	failing   int // the write of the inbox that fails, from 1 on; 0 means none
	largest   int // bytes of an object of the inbox
}

func (b *brittle) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if strings.HasPrefix(key, inboxPrefix) {
		b.mu.Lock()
		err, delay := b.err, b.delay
		b.inboxPuts++
		if b.inboxPuts == b.failing {
			err = errors.New("this one is not stored")
		}
		b.largest = max(b.largest, len(data))
		b.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		if err != nil {
			return "", err
		}
	}
	return b.Store.Put(ctx, key, data, prev)
}

// What is not durable is answered with 503, in less than 5 s, and logged once.
func TestPushWithStateDown(t *testing.T) {
	for name, spoil := range map[string]func(*brittle){
		"failing": func(b *brittle) { b.err = errors.New("the account is gone") },
		"slow":    func(b *brittle) { b.delay = 20 * time.Second },
		"hanging": func(b *brittle) { b.delay = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := receiving()
				store := &brittle{Store: s.store}
				s.store = store
				spoil(store)
				var out bytes.Buffer
				_, push := s.receiver(t, slog.New(slog.NewJSONHandler(&out, nil)))
				for i := range 3 {
					begin := time.Now()
					if got := push("sailpoint", event(i)); got != http.StatusServiceUnavailable || time.Since(begin) > 5*time.Second {
						t.Errorf("status %d after %v", got, time.Since(begin))
					}
				}
				if n := strings.Count(out.String(), "can't be stored"); n != 1 {
					t.Errorf("it is logged %d times:\n%s", n, out.String())
				}
				<-time.After(time.Minute)
				store.mu.Lock()
				store.err, store.delay = nil, 0
				store.mu.Unlock()
				for i := range 3 { // as EventBridge repeats it
					if got := push("sailpoint", event(i)); got != http.StatusOK {
						t.Errorf("status %d", got)
					}
				}
				<-time.After(10 * time.Second)
				ids := s.workspace.Table(triggerTable).IDs()
				for i := range 3 {
					if ids[guidOf(i)] != 1 {
						t.Errorf("event %d has %d rows", i, ids[guidOf(i)])
					}
				}
			})
		})
	}
}

// What a push run does not get done is done by the next tick, in another process.
func TestTickDeliversWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
			if strings.Contains(req.URL.Host, "ods.opinsights") {
				return nil, errors.New("the workspace is away")
			}
			return on.RoundTrip(req)
		}
		a, push := s.receiver(t, nil)
		for i := range 5 {
			if got := push("sailpoint", event(i)); got != http.StatusOK {
				t.Errorf("status %d", got)
			}
		}
		<-time.After(5 * time.Second)
		a.Stop(t.Context())
		if n := len(s.keys(t, inboxPrefix)); n == 0 {
			t.Fatal("the inbox is empty although nothing was delivered")
		}
		s.pass = nil
		reports := s.pollAll(t)
		rep := reports[len(reports)-1]
		if rep.Stream != pushedStream || rep.State != pipeline.Drained || rep.Sent != 5 {
			t.Errorf("%+v", rep)
		}
		if keys := s.keys(t, inboxPrefix); len(keys) != 0 {
			t.Errorf("the inbox still has %q", keys)
		}
	})
}

// pollAll polls once in a new process.
func (s *scene) pollAll(t *testing.T) []pipeline.Report {
	t.Helper()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), s.settings.RunBudget)
	defer cancel()
	return a.Poll(ctx)
}

// An object of the inbox that can't be read is named and kept, and holds up nothing else.
func TestUnreadableInboxObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		for name, text := range map[string]string{
			"0000000000000000001-damaged": "{\"version\":1}\nnothing", "0000000000000000002-newer": "{\"version\":99}\n", "0000000000000000003-empty": "",
		} {
			if _, err := s.store.Put(t.Context(), inboxPrefix+name, []byte(text), state.Any); err != nil {
				t.Fatal(err)
			}
		}
		_, push := s.receiver(t, nil)
		push("sailpoint", event(1))
		<-time.After(3 * time.Second)
		if n := s.workspace.Table(triggerTable).IDs()[guidOf(1)]; n != 1 {
			t.Errorf("the sound push has %d rows", n)
		}
		reports := s.pollAll(t)
		rep := reports[len(reports)-1]
		for _, name := range []string{"1-damaged", "2-newer", "3-empty", "upgrade", "restore"} {
			if !strings.Contains(rep.Error, name) {
				t.Errorf("the error does not say %q: %s", name, rep.Error)
			}
		}
		if n := len(s.keys(t, inboxPrefix)); rep.State != pipeline.Failed || n != 3 {
			t.Errorf("%s, and %d objects are left, want 3", rep.State, n)
		}
	})
}

// With several connections the path names the one that a push is for.
func TestHookPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		s.connection().Name = "acme"
		other := *s.connection()
		other.Name, other.Tenant, other.Sources = "globex", "globex", other.Sources[:1]
		s.settings.Connections = append(s.settings.Connections, other)
		_, push := s.receiver(t, nil)
		for path, want := range map[string]int{
			"acme/sailpoint": 200, "ACME/sailpoint/idn:identity-created": 200, "acme/sailpoint/": 200, "acme/SailPoint": 200,
			"sailpoint": 404, "globex/sailpoint": 404, "initech/sailpoint": 404, "acme": 404, "": 404, "acme/": 404, "acme/sailpointx": 404,
			"acme/sailpoint/two/parts": 400,
		} {
			if got := push(path, event(1)); got != want {
				t.Errorf("%s: status %d, want %d", path, got, want)
			}
		}
		<-time.After(5 * time.Second)
		if ids := s.workspace.Table(triggerTable).IDs(); len(ids) != 1 || ids[guidOf(1)] != 1 {
			t.Errorf("rows %v", ids)
		}
	})
}
