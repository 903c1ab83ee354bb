package datacollector_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

func TestCheck(t *testing.T) {
	t.Run("right", func(t *testing.T) {
		ws := &workspace.Workspace{}
		if err := open(t, ws, nil).Check(t.Context()); err != nil {
			t.Error(err)
		}
		if len(ws.Tables()) != 0 || ws.Stats().Batches != 0 || ws.Stats().Requests != 1 {
			t.Errorf("stats %+v", ws.Stats())
		}
	})
	t.Run("taken_and_thrown_away", func(t *testing.T) {
		if err := open(t, answering(200, "", ""), nil).Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for name, c := range map[string]struct {
		handler http.Handler
		word    string
	}{
		"wrong_key":  {&workspace.Workspace{Key: base64.StdEncoding.EncodeToString([]byte("x"))}, "SHARED_KEY"},
		"clock":      {&workspace.Workspace{Now: func() time.Time { return time.Now().Add(time.Hour) }}, "set the clock"},
		"wrong_host": {answering(404, "", ""), "the address is wrong"},
		"busy":       {answering(503, "", ""), "status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, c.handler, nil).Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.word) || !strings.HasPrefix(err.Error(), "check workspace "+workspace.DefaultID) {
				t.Errorf("got %v", err)
			}
			var rejected *pipeline.Rejected
			if errors.As(err, &rejected) {
				t.Errorf("a check is rejected: %v", err)
			}
		})
	}
	t.Run("short_key", func(t *testing.T) {
		short := func(c *datacollector.Config) { c.Key = secret.New(base64.StdEncoding.EncodeToString(make([]byte, 48))) }
		if err := open(t, &workspace.Workspace{}, short).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "SHARED_KEY has 48 bytes where the keys of workspaces have 64") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			sink := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
			err := sink.Check(ctx)
			if err == nil || !strings.Contains(err.Error(), "check CUSTOMER_ID and logAnalyticsUri") || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := open(t, &workspace.Workspace{}, nil).Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
