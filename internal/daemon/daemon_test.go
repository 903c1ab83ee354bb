package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/daemon"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// poller is an app whose runs are functions.
type poller func(ctx context.Context) []pipeline.Report

func (p poller) Poll(ctx context.Context) []pipeline.Report { return p(ctx) }

func handler(p functions.Poller, log *slog.Logger) *functions.Handler {
	return &functions.Handler{Budget: time.Hour, Log: log, Open: func() (functions.Poller, error) { return p, nil }}
}

func schedule(t *testing.T, text string) ncrontab.Schedule {
	t.Helper()
	s, err := ncrontab.Parse(text, strconv.Quote)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// work does nothing for a while, or until it is asked to stop.
func work(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func TestSchedule(t *testing.T) {
	const clock = "15:04:05"
	for _, tc := range []struct {
		name, schedule string
		takes          []time.Duration // of the first runs; later ones take no time
		jump           time.Duration   // of the clock, after ten minutes
		within         time.Duration
		want           []string // the bubble begins at midnight
	}{
		{"the first run begins at once", "0 */5 * * * *", nil, 0, 11 * time.Minute, []string{"00:00:00", "00:05:00", "00:10:00"}},
		{"a run may take its time", "0 * * * * *", []time.Duration{59 * time.Second}, 0, 2*time.Minute + time.Second, []string{"00:00:00", "00:01:00", "00:02:00"}},
		{"a tick that was missed is made up for once", "0 * * * * *", []time.Duration{90 * time.Second}, 0, 3*time.Minute + time.Second, []string{"00:00:00", "00:01:30", "00:02:00", "00:03:00"}},
		{"so are many", "*/10 * * * * *", []time.Duration{605 * time.Second}, 0, 621 * time.Second, []string{"00:00:00", "00:10:05", "00:10:10", "00:10:20"}},
		{"a machine that slept", "0 0 * * * *", nil, 3 * time.Hour, 62 * time.Minute, []string{"00:00:00", "03:10:00", "04:00:00"}},
		{"a clock that is set back", "0 0 * * * *", nil, -9 * time.Hour, 62 * time.Minute, []string{"00:00:00", "16:00:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				now := func() time.Time {
					if time.Since(begun) < 10*time.Minute {
						return time.Now()
					}
					return time.Now().Add(tc.jump)
				}
				var got []string
				running := 0
				app := poller(func(ctx context.Context) []pipeline.Report {
					if running++; running > 1 {
						t.Error("two runs at a time")
					}
					defer func() { running-- }()
					got = append(got, now().UTC().Format(clock))
					if n := len(got); n <= len(tc.takes) {
						work(ctx, tc.takes[n-1])
					}
					return nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), tc.within)
				defer cancel()
				if err := daemon.Run(ctx, daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, tc.schedule), Now: now}); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("runs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// closing is an app that works between runs, and needs a while to end that.
type closing struct {
	poller
	takes time.Duration
	once  *sync.Once
}

func (c closing) Stop(ctx context.Context) { c.once.Do(func() { work(ctx, c.takes) }) }

func TestStop(t *testing.T) {
	const grace = 8 * time.Second
	soft := func(ctx context.Context) []pipeline.Report { work(ctx, time.Hour); return nil }
	for _, tc := range []struct {
		name  string
		app   functions.Poller
		want  error
		takes time.Duration
	}{
		{"a run that ends when it is asked", poller(soft), nil, 0},
		{"a run that writes for a while", poller(func(ctx context.Context) []pipeline.Report { soft(ctx); <-time.After(3 * time.Second); return nil }), nil, 3 * time.Second},
		{"a run that takes too long", poller(func(ctx context.Context) []pipeline.Report { soft(ctx); <-time.After(time.Minute); return nil }), daemon.ErrCutShort, grace},
		{"pushes that are being delivered", closing{soft, 5 * time.Second, new(sync.Once)}, nil, 5 * time.Second},
		{"pushes that take too long", closing{soft, time.Hour, new(sync.Once)}, daemon.ErrCutShort, grace},
		{"between runs", poller(func(context.Context) []pipeline.Report { return nil }), nil, 0},
		{"a run that panics", poller(func(context.Context) []pipeline.Report { panic("canary") }), nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				var stopped time.Time
				time.AfterFunc(100*time.Second, func() { stopped = time.Now(); cancel(errors.New("terminated")) })
				calls := ""
				err := daemon.Run(ctx, daemon.Config{
					Handler: handler(tc.app, nil), Schedule: schedule(t, "0 * * * * *"), Grace: grace,
					Ready: func() { calls += "ready " }, Stopping: func() { calls += "stopping" },
				})
				if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
					t.Errorf("error %v, want %v", err, tc.want)
				}
				if took := time.Since(stopped); took != tc.takes {
					t.Errorf("the stop took %v, want %v", took, tc.takes)
				}
				if calls != "ready stopping" {
					t.Errorf("calls %q", calls)
				}
				<-time.After(2 * time.Minute) // for what was left running
			})
		})
	}
}

// A run that a person asked for is waited for, too, although its request has got an answer.
func TestStopDuringPollNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		h := handler(poller(func(ctx context.Context) []pipeline.Report {
			if polls++; polls == 2 {
				work(ctx, time.Hour)
				<-time.After(3 * time.Second) // for what is under way
			}
			return nil
		}), nil)
		time.AfterFunc(time.Minute, func() {
			w := httptest.NewRecorder()
			h.Status().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/status/run", nil))
			if w.Code != http.StatusAccepted {
				t.Errorf("status %d", w.Code)
			}
		})
		const stops = 5 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), stops)
		defer cancel()
		begun := time.Now()
		if err := daemon.Run(ctx, daemon.Config{Handler: h, Schedule: schedule(t, "0 0 * * * *")}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun) - stops; polls != 2 || took != 3*time.Second {
			t.Errorf("%d polls, and the stop took %v", polls, took)
		}
	})
}

// Each run is in the log, one line for each stream, as that of the function, and a stop is no
// failure.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		app := poller(func(context.Context) []pipeline.Report {
			return []pipeline.Report{{Stream: "a", State: pipeline.Drained}, {Stream: "b", State: pipeline.Locked}, {Stream: "c", State: pipeline.Failed, Error: "refused"}}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		if err := daemon.Run(ctx, daemon.Config{Handler: handler(app, log), Schedule: schedule(t, "0 * * * * *"), Log: log}); err != nil {
			t.Error(err)
		}
		text := out.String()
		for line, want := range map[string]int{
			`"stream":"a","state":"drained"`: 3, `"stream":"b","state":"locked"`: 3, `"level":"ERROR","msg":"stream run failed","stream":"c"`: 3,
			`"msg":"stopping"`: 1, `"msg":"invocation failed"`: 0,
		} {
			if n := strings.Count(text, line); n != want {
				t.Errorf("%s is there %d times, want %d:\n%s", line, n, want, text)
			}
		}
	})
}
