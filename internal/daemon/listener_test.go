package daemon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/daemon"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// receiving is an app with one hook, which answers after a while.
type receiving struct {
	poller
	begun chan struct{}
	takes time.Duration
}

func (r receiving) Inlet(path string) source.Inlet {
	if path != "sailpoint" {
		return nil
	}
	return r
}
func (r receiving) MaxBody() int64 { return 100 }
func (r receiving) Admits(_ context.Context, authorization []string) (bool, error) {
	return len(authorization) == 1 && authorization[0] == "Bearer right", nil
}

func (r receiving) Receive(ctx context.Context, _ []byte) source.Answer {
	r.begun <- struct{}{}
	work(ctx, r.takes)
	return source.Answer{}
}

// admitting says when it has admitted a request.
type admitting struct {
	receiving
	admitted chan struct{}
}

func (a admitting) Inlet(string) source.Inlet { return a }
func (a admitting) Admits(context.Context, []string) (bool, error) {
	a.admitted <- struct{}{}
	return true, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Only pushes are received, by the rules of the function, and one under way gets its answer when the
// process is asked to stop.
func TestListener(t *testing.T) {
	ln := listen(t)
	app := receiving{poller(func(context.Context) []pipeline.Report { return nil }), make(chan struct{}), 300 * time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 * * * * *"), Listener: ln})
	}()
	send := func(method, path, credentials string) int {
		r, err := http.NewRequest(method, "http://"+ln.Addr().String()+path, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
		}
		r.Header.Set("Authorization", credentials)
		r.Header.Set("X-Azure-Functions-InvocationId", "as if from the host")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, tc := range []struct {
		method, path, credentials string
		want                      int
	}{
		{http.MethodPost, "/api/hooks/sailpoint", "Bearer wrong", http.StatusUnauthorized},
		{http.MethodGet, "/api/hooks/sailpoint", "Bearer right", http.StatusMethodNotAllowed},
		{http.MethodPost, "/api/hooks/other", "Bearer right", http.StatusNotFound},
		{http.MethodPost, "/function", "Bearer right", http.StatusNotFound},
		{http.MethodGet, "/", "", http.StatusForbidden},
	} {
		if got := send(tc.method, tc.path, tc.credentials); got != tc.want {
			t.Errorf("%s %s with %q: status %d, want %d", tc.method, tc.path, tc.credentials, got, tc.want)
		}
	}
	answered := make(chan int, 1)
	go func() { answered <- send(http.MethodPost, "/api/hooks/sailpoint", "Bearer right") }()
	<-app.begun
	stop()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the push under way got %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if status := send(http.MethodPost, "/api/hooks/sailpoint", "Bearer right"); status != 0 {
		t.Errorf("after the stop: status %d", status)
	}
}

// Strangers who open connections and say nothing, or half of a request, or nothing more, keep no one waiting,
// with TLS and without, nor do they keep the process from stopping. A request under way is answered however
// many come.
func TestSilentConnections(t *testing.T) {
	for name, says := range map[string]string{
		"nothing":     "",
		"half a head": "POST /api/hooks/sailpoint HTTP/1.1\r\nHost: a\r\n",
		"one request": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secure), func(t *testing.T) {
				t.Parallel()
				ln := listen(t)
				app := admitting{receiving{poller(func(context.Context) []pipeline.Report { return nil }), make(chan struct{}, 9), 0}, make(chan struct{}, 9)}
				cfg := daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 0 0 29 2 *"), Listener: ln}
				address, client := "http://"+ln.Addr().String(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				if secure {
					certFile, keyFile := issue(t, t.TempDir(), "listener", time.Now())
					c, err := daemon.LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
					if err != nil {
						t.Fatal(err)
					}
					cfg.TLS = c.Config()
					address = "https://" + ln.Addr().String()
					client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is self-signed
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- daemon.Run(ctx, cfg) }()
				post := func(body io.Reader) (int, time.Duration) {
					begun := time.Now()
					r, err := http.NewRequest(http.MethodPost, address+"/api/hooks/sailpoint", body)
					if err != nil {
						t.Error(err)
						return 0, 0
					}
					r.Header.Set("Authorization", "Bearer right")
					resp, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return 0, 0
					}
					resp.Body.Close()
					return resp.StatusCode, time.Since(begun)
				}
				rest, send := io.Pipe()
				underWay := make(chan int, 1)
				go func() {
					status, _ := post(rest)
					underWay <- status
				}()
				<-app.admitted
				for range 600 {
					conn, err := net.Dial("tcp", ln.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if !secure {
						if _, err := io.WriteString(conn, says); err != nil {
							t.Fatal(err)
						}
					}
				}
				const bound = 8 * time.Second // less than the server waits for the head of a request
				if status, took := post(strings.NewReader("{}")); status != http.StatusOK || took > bound {
					t.Errorf("status %d after %v", status, took)
				}
				_, _ = io.WriteString(send, "{}")
				_ = send.Close()
				if status := <-underWay; status != http.StatusOK {
					t.Errorf("the request under way got %d", status)
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// More senders at once than there are connections all get their answer.
func TestMoreSendersThanConnections(t *testing.T) {
	ln := listen(t)
	app := receiving{poller(func(context.Context) []pipeline.Report { return nil }), make(chan struct{}, 2000), 0}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 0 0 29 2 *"), Listener: ln})
	}()
	var senders sync.WaitGroup
	for range 800 {
		senders.Go(func() {
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "POST /api/hooks/sailpoint HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				t.Error(err)
				return
			}
			if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Errorf("%.40s, %v", answer, err)
			}
		})
	}
	senders.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestListenerFails(t *testing.T) {
	ln := listen(t)
	_ = ln.Close()
	app := poller(func(ctx context.Context) []pipeline.Report { work(ctx, time.Hour); return nil })
	err := daemon.Run(t.Context(), daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 * * * * *"), Listener: ln})
	if err == nil || !strings.Contains(err.Error(), "serve the listener") {
		t.Errorf("error %v", err)
	}
}

// issue writes a certificate with this name, and its key, dated at.
func issue(t *testing.T, dir, name string, at time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A renewed certificate is used without a restart, and one that can't be read does not take the old
// one away.
func TestCertificate(t *testing.T) {
	dir, day := t.TempDir(), time.Now().Add(-24*time.Hour)
	certFile, keyFile := issue(t, dir, "first", day)
	if _, err := daemon.LoadCertificate(certFile, filepath.Join(dir, "none.pem"), nil); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a missing key: %v", err)
	}
	if _, err := daemon.LoadCertificate(certFile, certFile, nil); err == nil {
		t.Error("a certificate is taken as a key")
	}
	now := time.Now()
	c, err := daemon.LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.SetClock(func() time.Time { return now })
	name := func() string {
		client, server := net.Pipe()
		defer client.Close()
		go func() {
			conn := tls.Server(server, c.Config())
			_ = conn.Handshake() // the client says
		}()
		conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is self-signed
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for _, step := range []struct {
		what   string
		change func()
		want   string
	}{
		{"at first", func() {}, "first"},
		{"renewed", func() { issue(t, dir, "second", day.Add(time.Hour)); now = now.Add(time.Minute) }, "second"},
		{"half written", func() {
			if err := os.WriteFile(certFile, []byte("-----BEGIN CERT"), 0o600); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}, "second"},
		{"removed", func() { _ = os.Remove(certFile); now = now.Add(time.Minute) }, "second"},
		{"there again", func() { issue(t, dir, "third", day.Add(2*time.Hour)); now = now.Add(time.Minute) }, "third"},
	} {
		step.change()
		if got := name(); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}

// Every client gets an answer over TLS, also one that would rather speak HTTP/2.
func TestTLS(t *testing.T) {
	certFile, keyFile := issue(t, t.TempDir(), "listener", time.Now())
	c, err := daemon.LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	app := receiving{poller: func(context.Context) []pipeline.Report { return nil }, begun: make(chan struct{}, 2)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Config{Handler: handler(app, nil), Schedule: schedule(t, "0 * * * * *"), Listener: ln, TLS: c.Config()})
	}()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2} //nolint:gosec // it is self-signed
		r, err := http.NewRequest(http.MethodPost, "https://"+ln.Addr().String()+"/api/hooks/sailpoint", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer right")
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		transport.CloseIdleConnections()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNotify(t *testing.T) {
	daemon.Notify("READY=1") // without systemd it does nothing
	if runtime.GOOS == "windows" {
		t.Skip("no such sockets")
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	daemon.Notify("READY=1")
	got := make([]byte, 100)
	n, err := conn.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("%q, %v", got[:n], err)
	}
}
