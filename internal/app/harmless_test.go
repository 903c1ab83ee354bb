package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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
						s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
							switch {
							case strings.HasSuffix(req.URL.Path, "/complete"):
								body, _ := io.ReadAll(req.Body)
								mu.Lock()
								posted = append(posted, req.URL.String()+" "+string(body))
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
						if took := time.Since(begin); answer.Status != http.StatusOK || string(answer.Body) != want || took >= 5*time.Second {
							t.Errorf("status %d after %v: %s, want %s", answer.Status, took, answer.Body, want)
						}
						<-time.After(time.Second)
						mu.Lock()
						if got := strings.Join(posted, "\n"); posts && got != callback+` {"secret":"`+secretOf+`","output":`+want+`}` || !posts && got != "" {
							t.Errorf("posted %s", got)
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
