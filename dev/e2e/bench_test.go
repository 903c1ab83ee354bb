package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const (
	benchEvents = 100_000
	standInsEnv = "IDN_E2E_STANDINS"
)

// standIns starts that process.
func standIns(b *testing.B) (tenantURL, workspaceURL string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), standInsEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	tenantURL = lines.Text()
	lines.Scan()
	return tenantURL, lines.Text()
}

// pages are settings as far as memory depends on them.
func pages(limit int) config.Settings {
	return config.Settings{Connections: []config.Connection{{Sources: []config.Source{&config.SailPoint{Limit: limit}}}}}
}

// BenchmarkRun copies 100,000 events of 1 KB from one stand-in to the other: the
// whole connector, and in turn with it a bare loop that does no more than fetch a page,
// sign it and post it. State in memory shows what is the connector's own; state in a
// folder adds what the disk of that folder takes. The figures are medians.
func BenchmarkRun(b *testing.B) {
	tenantURL, workspaceURL := standIns(b)
	// Removed after all copies: ext4 looks past the inodes of files that were removed moments ago,
	// which made each new file up to ten times as expensive, and no state is removed in practice.
	folders := b.TempDir()
	for _, limit := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("LIMIT=%d/state=memory", limit), func(b *testing.B) {
			compare(b, limit, tenantURL, workspaceURL, func() (string, state.Store) { return "", new(mem.Store) })
		})
		b.Run(fmt.Sprintf("LIMIT=%d/state=folder", limit), func(b *testing.B) {
			compare(b, limit, tenantURL, workspaceURL, func() (string, state.Store) {
				dir, err := os.MkdirTemp(folders, "state-*")
				if err != nil {
					b.Fatal(err)
				}
				return dir, nil
			})
		})
	}
}

// compare runs both in turn. place is a new one for the connector's state: a folder or a store.
func compare(b *testing.B, limit int, tenantURL, workspaceURL string, place func() (string, state.Store)) {
	b.Helper()
	// As the handler does.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(app.MemoryLimit(pages(limit))))
	var ours, bares spent
	var ratios []float64
	for b.Loop() {
		theirs := bares.measure(b, func() { bare(b, tenantURL, workspaceURL, limit) })
		dir, store := place()
		mine := ours.measure(b, func() { connector(b, tenantURL, workspaceURL, limit, dir, store) })
		ratios = append(ratios, theirs.Seconds()/mine.Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ratios), "of-bare")
	b.ReportMetric(median(ours.cpu), "cpu-s/Mevents")
	b.ReportMetric(median(bares.cpu), "bare-cpu-s/Mevents")
	b.ReportMetric(median(ours.rate), "events/s")
	b.ReportMetric(median(bares.rate), "bare-events/s")
	b.ReportMetric(median(ours.bytes), "B/event")
	b.ReportMetric(median(ours.allocs), "allocs/event")
	b.ReportMetric(median(bares.bytes), "bare-B/event")
}

// spent is what several copies of the events took.
type spent struct {
	cpu    []float64 // seconds per million events
	rate   []float64 // events per second
	bytes  []float64 // allocated per event
	allocs []float64 // allocations per event
}

// measure runs one copy, and returns its time on the wall.
func (s *spent) measure(b *testing.B, copyAll func()) time.Duration {
	runtime.GC() // what the other left costs this one nothing
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpuBefore, begin := cpu(b), time.Now()
	copyAll()
	took := time.Since(begin)
	s.cpu = append(s.cpu, (cpu(b)-cpuBefore).Seconds()*1e6/benchEvents)
	runtime.ReadMemStats(&after)
	s.rate = append(s.rate, benchEvents/took.Seconds())
	s.bytes = append(s.bytes, float64(after.TotalAlloc-before.TotalAlloc)/benchEvents)
	s.allocs = append(s.allocs, float64(after.Mallocs-before.Mallocs)/benchEvents)
	return took
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func connector(b *testing.B, tenantURL, workspaceURL string, limit int, dir string, store state.Store) {
	base, err := url.Parse(tenantURL)
	if err != nil {
		b.Fatal(err)
	}
	ws, err := url.Parse(workspaceURL)
	if err != nil {
		b.Fatal(err)
	}
	a, err := app.Open(config.Settings{
		State: config.State{Dir: dir},
		Connections: []config.Connection{{
			Tenant: "bench",
			Sources: []config.Source{&config.SailPoint{
				BaseURL: base, APIVersion: "v1", ClientID: clientID, ClientSecret: secret.Plain(secretCanary), Limit: limit,
			}},
			Sink: config.Sink{
				IngestionAPI: config.UseDataCollector, BatchBytes: 4_000_000,
				DataCollector: config.DataCollector{WorkspaceID: workspace.DefaultID, SharedKey: secret.Plain(workspace.DefaultKey), URL: ws},
			},
			InitialLookback: 8760 * time.Hour, SettleDelay: time.Second,
		}},
	}, app.Options{Store: store, Limiter: rate.NewLimiter(rate.Inf, 0)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 4*time.Minute)
	defer cancel()
	reports := a.Poll(ctx)
	if reports[0].State != pipeline.Drained || reports[0].Sent != benchEvents {
		b.Fatalf("%+v", reports)
	}
}

// bare knows nothing of state, limits or errors. It looks for the cursor at the
// end of a page without parsing it.
func bare(b *testing.B, tenantURL, workspaceURL string, limit int) {
	key, err := base64.StdEncoding.DecodeString(workspace.DefaultKey)
	if err != nil {
		b.Fatal(err)
	}
	token := bareToken(b, tenantURL)
	after, total := "", 0
	for {
		body := `{"indices":["events"],"query":{"query":"*"},"sort":["created","id"]` + after + `}`
		page := post(b, fmt.Sprintf("%s/search/v1?limit=%d", tenantURL, limit), []byte(body), "Authorization", "Bearer "+token)
		n := bytes.Count(page, []byte(`"technicalName":`)) // as good as any other key that each event has once
		total += n
		if n > 0 {
			date := time.Now().UTC().Format(http.TimeFormat)
			post(b, workspaceURL+"/api/logs?api-version=2016-04-01", page,
				"Authorization", "SharedKey "+workspace.DefaultID+":"+datacollector.Signature(key, len(page), date),
				"Log-Type", events, "x-ms-date", date)
		}
		if n < limit {
			break
		}
		after = fmt.Sprintf(`,"searchAfter":[%q,%q]`, last(page, `"created":"`), last(page, `"id":"`))
	}
	if total != benchEvents {
		b.Fatalf("%d events, want %d", total, benchEvents)
	}
}

func bareToken(b *testing.B, tenantURL string) string {
	resp, err := http.PostForm(tenantURL+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secretCanary}})
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
		b.Fatal(err)
	}
	return token.AccessToken
}

func post(b *testing.B, address string, body []byte, headers ...string) []byte {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	page := make([]byte, max(0, resp.ContentLength))
	if _, err := io.ReadFull(resp.Body, page); err != nil && err != io.EOF {
		b.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s %s", address, resp.Status, page)
	}
	return page
}

// last is the text behind the last occurrence of a key, up to its quote: of the
// last event, because the events of the benchmark have both keys at their top level only.
func last(page []byte, key string) string {
	i := bytes.LastIndex(page, []byte(key))
	value, _, _ := strings.Cut(string(page[i+len(key):]), `"`)
	return value
}

// BenchmarkStart is the time from the start of the process to its open port.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b, 0, time.Hour, synth.Options{})
	w.serve()
	var total time.Duration
	n := 0
	for b.Loop() {
		h := w.start()
		total += h.ReadyAfter()
		n++
		h.Close()
	}
	b.ReportMetric(float64(total.Microseconds())/float64(n)/1000, "ms-to-port")
}
