package e2e_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// service is idnsentinel serve, as a service manager starts it.
type service struct {
	w       *world
	cmd     *exec.Cmd
	address string        // of the listener
	ended   chan struct{} // closed when all lines are there

	mu    sync.Mutex
	lines []logLine
}

// logLine is a line of a service's log.
type logLine struct {
	Level, Msg, Address, Stream, State string
	text                               string
}

// startService starts a service and returns when it is ready.
func (w *world) startService(args ...string) *service {
	w.t.Helper()
	s := &service{w: w, ended: make(chan struct{})}
	s.cmd = w.command(w.t.Context(), slices.Concat([]string{"serve", "--listen", "127.0.0.1:0"}, args)...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(s.ended)
		for in := bufio.NewScanner(stderr); in.Scan(); {
			line := logLine{text: in.Text()}
			_ = json.Unmarshal(in.Bytes(), &line) // what is none is kept as text
			s.mu.Lock()
			s.lines = append(s.lines, line)
			s.mu.Unlock()
			if line.Msg == "ready" {
				ready <- line.Address
			}
		}
	}()
	w.t.Cleanup(func() { s.kill(); w.quiet(s.texts()) })
	select {
	case s.address = <-ready:
	case <-s.ended:
		w.t.Fatalf("the service ended: %q", s.texts())
	case <-time.After(30*time.Second + loaded):
		w.t.Fatalf("the service is not ready: %q", s.texts())
	}
	return s
}

func (s *service) texts() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		list = append(list, line.text)
	}
	return list
}

// count returns how many lines a function picks.
func (s *service) count(pick func(logLine) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if pick(line) {
			n++
		}
	}
	return n
}

// runs counts the runs of a stream that ended like this.
func (s *service) runs(stream string, state pipeline.State) int {
	return s.count(func(l logLine) bool { return l.Stream == stream && l.State == string(state) })
}

// kill ends it with SIGKILL, if it runs.
func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	s.end()
}

// end waits for the end and returns the exit status, -1 after a signal.
func (s *service) end() int {
	<-s.ended
	_ = s.cmd.Wait() // the status says it
	return s.cmd.ProcessState.ExitCode()
}

// A push is a row at once, although no run is due for months.
func TestServicePush(t *testing.T) {
	w := newWorld(t, 100, time.Hour, synth.Options{Seed: 71})
	w.receives()
	w.env["POLL_SCHEDULE"] = "0 0 0 29 2 *"
	w.serve()
	s := w.startService()
	eventually(t, 30*time.Second+loaded, "the run at the start", func() bool { return s.runs(pushed, pipeline.Drained) == 1 })
	w.complete(0)
	for token, want := range map[string]int{pushToken: http.StatusOK, "canary-wrong": http.StatusUnauthorized} {
		status, text := postPush(t.Context(), s.address+"/api/hooks/sailpoint", pushBody(1), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		if status != want {
			t.Errorf("status %d %s, want %d", status, text, want)
		}
	}
	eventually(t, 10*time.Second+loaded, "the row", func() bool { return w.workspace.Table(triggers).IDs()[pushID(1)+"|"] == 1 })
	if n := s.runs(events, pipeline.Drained); n != 1 {
		t.Errorf("%d runs of events, want only the one at the start", n)
	}
	w.stateIsQuiet("canary")
	w.quiet(s.texts())
}

// SIGKILL at random moments, while events are polled and others are pushed to two services with one
// state: nothing is lost, and at most the batches in flight come again.
func TestServiceKill(t *testing.T) {
	for name, where := range map[string]func(*world) func(){
		"file state": func(*world) func() { return func() {} },
		"Azurite":    func(w *world) func() { return w.useAzurite(azurite.Start(w.t)) },
	} {
		t.Run(name, func(t *testing.T) { killServices(t, where) })
	}
}

func killServices(t *testing.T, where func(*world) (released func())) {
	const count, kills = 500, 8
	w := newWorld(t, 20_000, 24*time.Hour, synth.Options{Seed: 72, Rate: 1})
	w.receives()
	w.env["POLL_SCHEDULE"], w.env["LIMIT"], w.env["BATCH_BYTES"] = "* * * * * *", "500", "300000"
	released := where(w)
	w.serve()
	services := []*service{w.startService(), w.startService()}
	s := &sender{sent: map[int]time.Time{}}
	aim := func() { s.urls.Store(&[]string{services[0].address, services[1].address}) }
	aim()
	var senders sync.WaitGroup
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	senders.Go(func() {
		for n := range count {
			<-pace.C
			senders.Go(func() { s.send(t.Context(), n) })
		}
	})
	dice := rand.New(rand.NewPCG(7, 8))
	for range kills {
		<-time.After(time.Duration(dice.IntN(900)) * time.Millisecond)
		i := dice.IntN(2)
		services[i].kill()
		released()
		services[i] = w.startService()
		aim()
	}
	senders.Wait()
	eventually(t, 60*time.Second+loaded, "everything", func() bool {
		return len(w.workspace.Table(events).IDs()) == w.n && len(w.workspace.Table(triggers).IDs()) == count
	})
	for _, s := range services {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if status := s.end(); status != 0 {
			t.Errorf("exit status %d: %q", status, s.texts())
		}
	}
	w.complete(kills * pipeline.Parallel * w.workspace.Stats().LargestRows)
	ids, twice := w.workspace.Table(triggers).IDs(), 0
	for n := range count {
		got := ids[pushID(n)+"|"]
		if got == 0 {
			t.Errorf("push %d is lost", n)
		}
		twice += max(got, 1) - 1
	}
	if most := kills * w.workspace.Stats().LargestRows * 3; twice > most {
		t.Errorf("%d pushes came again, want at most %d", twice, most)
	}
	t.Logf("%d events, %d pushes, %d kills, %d rows again", w.n, count, kills, w.workspace.Stats().Duplicates)
}

// Of two services one works on a stream, and the other continues it when that one is killed.
func TestTwoServices(t *testing.T) {
	w := newWorld(t, 2_000, 24*time.Hour, synth.Options{Seed: 73, Rate: 1})
	w.env["POLL_SCHEDULE"], w.env["LIMIT"] = "* * * * * *", "200"
	held, release := make(chan struct{}), make(chan struct{})
	var first, free sync.Once
	w.workspace.OnAck = func(int) {
		hold := false
		first.Do(func() { hold = true })
		if hold {
			close(held)
			<-release
		}
	}
	w.serve()
	letGo := func() { free.Do(func() { close(release) }) }
	t.Cleanup(letGo)
	one := w.startService()
	<-held
	other := w.startService()
	eventually(t, 30*time.Second+loaded, "that the other finds the stream locked", func() bool { return other.runs(events, pipeline.Locked) > 1 })
	one.kill()
	letGo()
	eventually(t, 30*time.Second+loaded, "that the other continues", func() bool {
		return other.runs(events, pipeline.Drained) > 0 && len(w.workspace.Table(events).IDs()) == w.n
	})
	w.complete(pipeline.Parallel * w.workspace.Stats().LargestRows)
}

// A signal in the middle of a run: it ends in seconds, in order, and nothing comes twice.
func TestServiceStops(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			w := newWorld(t, 8_000, 24*time.Hour, synth.Options{Seed: 74, Rate: 1})
			w.env["LIMIT"], w.env["BATCH_BYTES"] = "250", "1000000"
			first := make(chan struct{})
			var once sync.Once
			w.workspace.OnAck = func(int) { once.Do(func() { close(first) }) }
			w.serve()
			s := w.startService()
			<-first
			begin := time.Now()
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if status := s.end(); status != want || time.Since(begin) > 8*time.Second+loaded {
				t.Errorf("exit status %d after %v, want %d: %q", status, time.Since(begin), want, s.texts())
			}
			if s.runs(events, pipeline.Budget) != 1 {
				t.Errorf("the run was not cut: %q", s.texts())
			}
			next := w.startService()
			eventually(t, 30*time.Second+loaded, "the rest", func() bool { return next.runs(events, pipeline.Drained) > 0 })
			w.complete(0)
		})
	}
}

// The promise about memory holds for a service as for the function.
func TestServiceMemory(t *testing.T) {
	w := newWorld(t, 60_000, 24*time.Hour, synth.Options{Seed: 75, Rate: 1})
	w.env["LOG_LEVEL"] = "info"
	w.serve()
	s := w.startService()
	eventually(t, 2*time.Minute+loaded, "everything", func() bool { return s.runs(events, pipeline.Drained) > 0 })
	peak, err := host.PeakRSS(s.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak memory %.1f MiB", float64(peak)/(1<<20))
	if peak > maxMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
	}
	w.complete(0)
}

// With a certificate it speaks TLS, also with a client that would rather speak HTTP/2.
func TestServiceTLS(t *testing.T) {
	w := newWorld(t, 1, time.Hour, synth.Options{Seed: 77})
	w.serve()
	spare := httptest.NewTLSServer(nil) // for its certificate
	spare.Close()
	pair := spare.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := w.startService("--tls-cert", certFile, "--tls-key", keyFile)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		transport := spare.Client().Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = http2
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.address+"/api/status", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.TLS == nil {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}

// A wrong setting ends the start with status 2 and its name, and no secret.
func TestServiceDoesNotStart(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		args   []string
		want   string
	}{
		"a setting":  {func(w *world) { w.env["SHARED_KEY"] = "not a key" }, nil, "SHARED_KEY"},
		"an address": {func(*world) {}, []string{"--listen", "192.0.2.1:80"}, "--listen"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, time.Hour, synth.Options{Seed: 76})
			w.serve()
			tc.change(w)
			ctx, cancel := context.WithTimeout(t.Context(), loaded)
			defer cancel()
			cmd := w.command(ctx, append([]string{"serve", "--listen", "off"}, tc.args...)...)
			out, _ := cmd.CombinedOutput() // the status says it
			w.quiet([]string{string(out)})
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), tc.want) {
				t.Errorf("exit status %d: %s", cmd.ProcessState.ExitCode(), out)
			}
		})
	}
}
