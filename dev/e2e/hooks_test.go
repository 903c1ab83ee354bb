package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	pushed    = "SailPointIDN_TriggersPushed"
	pushToken = "canary-webhook-token-4c1d"
)

// receives turns event triggers on.
func (w *world) receives() { w.env["WEBHOOK_TOKEN"] = pushToken }

// startApp starts the handler with the function folders of the project, and the front end of the
// host. proxies says which of its two ways of passing a request on it knows.
func (w *world) startApp(proxies bool) (*host.Host, *httptest.Server) {
	w.t.Helper()
	dir := appFolder(w.t, proxies)
	h := w.startAs(host.Config{Path: handlerPath, Dir: dir})
	front := httptest.NewServer(h)
	w.t.Cleanup(func() {
		front.Close()
		h.Close()
		for _, line := range append(h.Stdout(), h.Stderr()...) {
			if strings.Contains(line, "canary") {
				w.t.Errorf("a credential is shown: %s", line)
			}
		}
	})
	return h, front
}

// appFolder is the root of the function app, without the handler.
func appFolder(t testing.TB, proxies bool) string {
	t.Helper()
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"host.json", "function/function.json", "hooks/function.json", "status/function.json"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "host.json" && !proxies { // a host that does not know it ignores it
			text = bytes.ReplaceAll(text, []byte(`"enableProxyingHttpRequest"`), []byte(`"enableSomethingElse"`))
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pushID is the id of a pushed invocation.
func pushID(n int) string { return fmt.Sprintf("aaaaaaaa-bbbb-4ccc-8ddd-%012d", n) }

func pushBody(n int) string {
	return fmt.Sprintf(`{"identity":{"id":"2c9180%026d","name":"a.b","type":"IDENTITY"},"changes":[{"attribute":"department","oldValue":"A","newValue":"B%d"}],`+
		`"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:identity-attributes-changed","invocationId":%q}}`, n, n, pushID(n))
}

// postPush sends a push as SailPoint does, and returns the status; 0 if there was no answer.
func postPush(ctx context.Context, url, body string, change func(*http.Request)) (int, string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+pushToken)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// eventually waits for something that happens in the background.
func eventually(t testing.TB, within time.Duration, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); !is(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// What is sent gets the right status through either kind of host, and what is good is a row within
// seconds, without the timer.
func TestPush(t *testing.T) {
	for name, proxies := range map[string]bool{"proxying": true, "forwarding": false, "proxying, Azurite": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0, time.Hour, synth.Options{Seed: 31})
			w.receives()
			if strings.Contains(name, "Azurite") {
				w.useAzurite(azurite.Start(t))
			}
			w.serve()
			h, front := w.startApp(proxies)
			at := front.URL + "/api/hooks/sailpoint"
			auth := func(values ...string) func(*http.Request) {
				return func(r *http.Request) { r.Header["Authorization"] = values }
			}
			gzipped := func(text string) string {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				_, _ = z.Write([]byte(text))
				_ = z.Close()
				return b.String()
			}
			chunked := func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(io.MultiReader(r.Body)) }
			chunkedStatus := 200
			if !proxies { // the body is lost on its way, which must not look like a success
				chunkedStatus = 400
			}
			large := strings.Replace(pushBody(9), `"A"`, `"`+strings.Repeat("x", 4<<20)+`"`, 1)
			good, refused := map[int]bool{}, 0
			for i, tc := range []struct {
				name, url, body string
				change          func(*http.Request)
				want            int
			}{
				{"good", at, pushBody(1), nil, 200},
				{"with the trigger in the address", at + "/idn:identity-attributes-changed", pushBody(2), nil, 200},
				{"lower-case scheme", at, pushBody(3), auth("bearer " + pushToken), 200},
				{"another content type", at, pushBody(4), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 200},
				{"gzip", at, gzipped(pushBody(5)), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 200},
				{"a byte order mark", at, "\xef\xbb\xbf" + pushBody(6), nil, 200},
				{"invalid UTF-8", at, strings.Replace(pushBody(7), `"A"`, "\"\xff\"", 1), nil, 200},
				{"duplicate names", at, strings.Replace(pushBody(8), `"changes"`, `"changes":1,"changes"`, 1), nil, 200},
				{"chunked", at, pushBody(10), chunked, chunkedStatus},
				{"EventBridge", at, `{"version":"0","id":"e","detail-type":"idn:identity-attributes-changed","source":"aws.partner/sailpoint.com/s/idn/x","time":"2026-11-29T02:50:56Z","detail":` + pushBody(11) + `}`, func(r *http.Request) {
					r.Header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
					r.Header.Set("Range", "bytes=0-1048575")
				}, 200},
				{"an array", at, "[" + pushBody(12) + "]", nil, 200},
				{"null metadata", at, strings.Replace(pushBody(13), `"_metadata":`, `"_metadata":null,"m":`, 1), nil, 200},
				{"1,000 deep", at, strings.Replace(pushBody(14), `"A"`, strings.Repeat("[", 1000)+strings.Repeat("]", 1000), 1), nil, 200},
				{"secrets and a signed link", at, strings.Replace(pushBody(15), `"changes"`, `"password":"canary-in-body","signedS3Url":"https://b.s3.amazonaws.com/r.zip?X-Amz-Signature=canary-in-link","changes"`, 1), nil, 200},
				{"no credentials", at, pushBody(90), func(r *http.Request) { r.Header.Del("Authorization") }, 401},
				{"wrong credentials", at, pushBody(90), auth("Bearer canary-wrong"), 401},
				{"two", at, pushBody(90), auth("Bearer "+pushToken, "Bearer "+pushToken), 401},
				{"empty", at, pushBody(90), auth(""), 401},
				{"no body", at, "", nil, 400},
				{"a text", at, `"canary"`, nil, 400},
				{"not JSON", at, `canary`, nil, 400},
				{"too large", at, large, nil, 413},
				{"another hook", front.URL + "/api/hooks/elsewhere", pushBody(90), nil, 404},
				{"a connection that does not exist", front.URL + "/api/hooks/acme/sailpoint", pushBody(90), nil, 404},
				{"the timer's path", front.URL + "/function", `{"Data":{"timer":{}}}`, nil, 404},
				{"the timer's path below the prefix", front.URL + "/api/function", `{}`, nil, 404},
			} {
				status, text := postPush(t.Context(), tc.url, tc.body, tc.change)
				if status != tc.want || strings.Contains(text, "canary") || status == 200 && text != "{}" {
					t.Errorf("%s: status %d %s, want %d", tc.name, status, text, tc.want)
				}
				switch {
				case status == 200:
					good[i] = true
				case strings.Contains(tc.url, "/api/hooks/"):
					refused++
				}
			}
			eventually(t, 5*time.Second+loaded, "a line in the log for each refusal", func() bool { return refusals(t, h) == refused })
			eventually(t, 30*time.Second+loaded, "rows", func() bool { return len(w.workspace.Table(triggers).IDs()) == len(good) })
			for id, n := range w.workspace.Table(triggers).IDs() {
				if n != 1 || !strings.HasPrefix(id, "aaaaaaaa-bbbb-") && id != "" {
					t.Errorf("%d rows of %s", n, id)
				}
			}
			if rows := bytes.Join(w.workspace.Table(triggers).Raw(), nil); bytes.Contains(rows, []byte("canary")) || !bytes.Contains(rows, []byte("(masked)")) {
				t.Error("a row shows a secret")
			}
			eventually(t, 10*time.Second+loaded, "a run of the timer that finds nothing", func() bool {
				rep := report(t, w.fire(h), pushed) // locked while a run for pushes is still at it
				return rep.State == pipeline.Drained && rep.Sent == 0
			})
			if !strings.Contains(name, "Azurite") {
				w.stateIsQuiet("canary")
			}
			for _, path := range []string{"hooks/sailpoint", "hooks/acme/sailpoint"} {
				if !strings.Contains(strings.Join(append(h.Stdout(), h.Stderr()...), "\n"), path) {
					t.Errorf("the log does not name %s", path)
				}
			}
		})
	}
}

// refusals is how many lines of the log say that a push or report was refused. Each says at which
// address and why.
func refusals(t *testing.T, h *host.Host) (n int) {
	t.Helper()
	for _, line := range append(h.Stdout(), h.Stderr()...) {
		if !strings.Contains(line, " refused") {
			continue
		}
		n++
		var of struct{ Msg, Path, Hook, Reason, Error string }
		if err := json.Unmarshal([]byte(line), &of); err != nil || !strings.HasPrefix(of.Path+of.Hook, "/api/hooks/") || of.Reason+of.Error == "" {
			t.Errorf("the log says %s (%v)", line, err)
		}
	}
	return n
}

// Without a token nothing is received.
func TestPushIsOff(t *testing.T) {
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 32})
	w.serve()
	_, front := w.startApp(true)
	if status, _ := postPush(t.Context(), front.URL+"/api/hooks/sailpoint", pushBody(1), nil); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

// sender is what pushes: it repeats, as EventBridge does, what was not answered with 2xx.
type sender struct {
	urls atomic.Pointer[[]string]
	mu   sync.Mutex
	sent map[int]time.Time // when it was first sent
	took []time.Duration   // of good answers
}

func (s *sender) send(ctx context.Context, n int) {
	s.mu.Lock()
	s.sent[n] = time.Now()
	s.mu.Unlock()
	for i := 0; ctx.Err() == nil; i++ {
		urls := *s.urls.Load()
		begin := time.Now()
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		status, _ := postPush(try, urls[(n+i)%len(urls)]+"/api/hooks/sailpoint", pushBody(n), nil)
		cancel()
		if status == http.StatusOK {
			s.mu.Lock()
			s.took = append(s.took, time.Since(begin))
			s.mu.Unlock()
			return
		}
		timer := time.NewTimer(300 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// Hook and timer processes are killed at random moments while events are pushed: every event
// arrives, and at most the batches in flight come again.
func TestPushKill(t *testing.T) {
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 33})
	w.receives()
	w.serve()
	s := &sender{sent: map[int]time.Time{}}
	dice := rand.New(rand.NewPCG(3, 4))
	const events, kills = 900, 10
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	timer, timerFront := w.startApp(true)
	hook, hookFront := w.startApp(true)
	s.urls.Store(&[]string{hookFront.URL, timerFront.URL})
	var senders sync.WaitGroup
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	senders.Go(func() {
		for n := range events {
			<-pace.C
			senders.Go(func() { s.send(ctx, n) })
		}
	})
	for range kills {
		if _, err := timer.Fire(ctx); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(dice.IntN(500)) * time.Millisecond)
		if dice.IntN(2) == 0 {
			hook.Kill()
			hook, hookFront = w.startApp(true)
		} else {
			timer.Kill()
			timer, timerFront = w.startApp(true)
		}
		s.urls.Store(&[]string{hookFront.URL, timerFront.URL})
	}
	senders.Wait()
	eventually(t, 30*time.Second+loaded, "all rows", func() bool {
		_, _ = timer.Fire(ctx)
		return len(w.workspace.Table(triggers).IDs()) == events
	})
	ids, twice := w.workspace.Table(triggers).IDs(), 0
	for n := range events {
		if got := ids[pushID(n)+"|"]; got == 0 {
			t.Errorf("event %d is lost", n)
		} else {
			twice += got - 1
		}
	}
	if most := kills * w.workspace.Stats().LargestRows * 3; twice > most {
		t.Errorf("%d rows came again, want at most %d", twice, most)
	}
	t.Logf("%d events, %d kills, %d rows again", events, kills, twice)
	w.stateIsQuiet()
}

// The load that is promised: 50 posts a second. make load-push runs it for ten minutes; otherwise it
// takes some seconds, and only what is lost counts.
func TestPushLoad(t *testing.T) {
	lasts := 4 * time.Second
	if text := os.Getenv("IDN_PUSH_LOAD"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	const rate = 50
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 34})
	w.receives()
	w.env["LOG_LEVEL"], w.env["WEBHOOK_TOKEN"] = "info", pushToken
	var mu sync.Mutex
	arrived := map[string]time.Time{}
	w.workspace.Identify = func(table string, raw []byte) string {
		if !strings.HasPrefix(table, triggers) {
			return ""
		}
		var row struct{ ID string }
		_ = json.Unmarshal(raw, &row)
		mu.Lock()
		defer mu.Unlock()
		if _, known := arrived[row.ID]; !known {
			arrived[row.ID] = time.Now()
		}
		return row.ID
	}
	w.serve()
	h, front := w.startApp(true)
	s := &sender{sent: map[int]time.Time{}}
	s.urls.Store(&[]string{front.URL})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // the timer, once in a while
		for ctx.Err() == nil {
			_, _ = h.Fire(ctx)
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
		}
	}()
	var senders sync.WaitGroup
	pace := time.NewTicker(time.Second / rate)
	defer pace.Stop()
	total := int(lasts / (time.Second / rate))
	for n := range total {
		<-pace.C
		senders.Go(func() { s.send(ctx, n) })
	}
	senders.Wait()
	eventually(t, 30*time.Second+loaded, "all rows", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(arrived) == total
	})
	peak, _ := h.PeakRSS()
	mu.Lock()
	defer mu.Unlock()
	var delays []time.Duration
	for n, at := range s.sent {
		delays = append(delays, arrived[pushID(n)].Sub(at))
	}
	rank := func(all []time.Duration, share float64) time.Duration {
		slices.Sort(all)
		return all[min(int(share*float64(len(all))), len(all)-1)].Round(time.Millisecond)
	}
	t.Logf("%d posts at %d/s: answer p50 %v, p99 %v, longest %v; post to row p50 %v, p99 %v, longest %v; peak memory %.1f MiB; events lost %d; rows twice %d",
		total, rate, rank(s.took, 0.5), rank(s.took, 0.99), rank(s.took, 1), rank(delays, 0.5), rank(delays, 0.99), rank(delays, 1), float64(peak)/(1<<20), total-len(arrived), w.workspace.Stats().Duplicates)
	if os.Getenv("IDN_PUSH_LOAD") != "" {
		if p99 := rank(s.took, 0.99); p99 > 200*time.Millisecond {
			t.Errorf("p99 of the answers is %v, want at most 200ms", p99)
		}
		if longest := rank(delays, 1); longest > 30*time.Second {
			t.Errorf("a row came after %v, want at most 30s", longest)
		}
	}
	if peak > maxMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
	}
}
