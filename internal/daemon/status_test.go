package daemon_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/daemon"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// shown is an app that has a status.
type shown struct{ poller }

func (shown) Status(context.Context) status.Snapshot {
	return status.Snapshot{Version: "canary-status"}
}

// The status is shown to this machine, and to whoever has the key, and starts a run for no one else:
// no web page, nobody to whom a proxy passes the listener on, no one with a wrong key.
func TestStatusAccess(t *testing.T) {
	const key = "0123456789abcdef0123"
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("any", password) }
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	none := func(*http.Request) {}
	local, keyed, both := daemon.Access{Local: true}, daemon.Access{Key: secret.New(key)}, daemon.Access{Local: true, Key: secret.New(key)}
	for _, tc := range []struct {
		name   string
		access daemon.Access
		change func(*http.Request)
		want   int
	}{
		{"this machine", local, none, 200},
		{"this machine by name", local, host("localhost:8480"), 200},
		{"a page that points its name here", local, host("evil.example:8480"), 403},
		{"a proxy", local, header("X-Forwarded-For", "192.0.2.1"), 403},
		{"another proxy", local, header("Forwarded", "for=192.0.2.1"), 403},
		{"no key is needed, so none helps", local, func(r *http.Request) { host("evil.example")(r); basic("")(r) }, 403},
		{"no one", daemon.Access{}, none, 403},
		{"an empty key", daemon.Access{}, header("X-Functions-Key", ""), 403},
		{"the key of a browser", keyed, basic(key), 200},
		{"the key of a monitor", keyed, header("X-Functions-Key", key), 200},
		{"the key through a proxy", both, func(r *http.Request) { basic(key)(r); header("X-Forwarded-For", "192.0.2.1")(r) }, 200},
		{"a wrong key", keyed, basic(key + "0"), 401},
		{"the key as user name", keyed, func(r *http.Request) { r.SetBasicAuth(key, "") }, 401},
		{"no key", keyed, none, 401},
		{"this machine, with a key for others", both, none, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ln := listen(t)
			polls := make(chan struct{}, 10)
			app := shown{poller(func(context.Context) []pipeline.Report { polls <- struct{}{}; return nil })}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- daemon.Run(ctx, daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 0 0 29 2 *"), Listener: ln, Access: tc.access})
			}()
			<-polls // that of the start
			for _, one := range []struct{ method, path string }{
				{http.MethodGet, "/"}, {http.MethodGet, "/api/status?format=json"}, {http.MethodGet, "/API/Status"}, {http.MethodPost, "/api/status/run"},
			} {
				r, err := http.NewRequest(one.method, "http://"+ln.Addr().String()+one.path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				tc.change(r)
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				want := tc.want
				if one.path == "/" && want == 200 {
					want = http.StatusFound
				}
				if resp.StatusCode != want || tc.want != 200 && strings.Contains(string(body), "canary") {
					t.Errorf("%s %s: status %d, want %d: %s", one.method, one.path, resp.StatusCode, want, body)
				}
			}
			if got := len(polls); (got > 0) != (tc.want == 200) {
				t.Errorf("%d runs were started", got)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
