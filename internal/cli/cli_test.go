package cli_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/cli"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

func TestLag(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "-", -3: "-", 0.4: "-", 0.6: "1s", 62: "62s", 119.4: "119s", 120: "2m", 3599: "59m", 3600: "1h",
		3*3600 + 20*60 + 5: "3h20m", 47*3600 + 59: "47h", 48 * 3600: "2d", 100 * 3600: "4d4h",
	} {
		if got := cli.Lag(seconds); got != want {
			t.Errorf("Lag(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	got := cli.Table([]pipeline.Report{
		{Stream: "SailPointIDN_Events", State: pipeline.Drained, Fetched: 36016, Sent: 36000, Duplicates: 12, Conformed: 118, Quarantined: 4, LagSeconds: 62},
		{Stream: "SailPointIDN_Triggers", State: pipeline.Failed},
	}, nil)
	want := `
  STREAM                   STATE  FETCHED   SENT  DUPLICATES  CONFORMED  QUARANTINED  LAG
  SailPointIDN_Events    drained    36016  36000          12        118            4  62s
  SailPointIDN_Triggers   failed        0      0           0          0            0    -
`
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHelp: what the help says can be typed. Each example is a command line that
// its command understands, and lines fit a terminal.
func TestHelp(t *testing.T) {
	for _, cmd := range cli.Commands(cli.Process{}) {
		for line := range strings.Lines(cmd.Long) {
			if utf8.RuneCountInString(line) > 90 {
				t.Errorf("%s: line is too long: %s", cmd.Name(), line)
			}
		}
		examples := 0
		for line := range strings.Lines(cmd.Example + "\n" + cmd.Long) {
			_, call, ok := strings.Cut(line, "idnsentinel ")
			words := strings.Fields(call)
			if !ok || len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "-") && !strings.Contains(line, "--settings") && words[0] != "man" {
				continue
			}
			examples++
			named, rest, err := cli.Commands(cli.Process{})[0].Find(words)
			if err != nil || !named.HasParent() {
				t.Errorf("%s: example %q: there is no such command", cmd.Name(), strings.TrimSpace(line))
				continue
			}
			named.InitDefaultHelpFlag()
			if err := named.ParseFlags(rest); err != nil || named.ValidateArgs(named.Flags().Args()) != nil {
				t.Errorf("%s: example %q: %v, arguments %q", cmd.Name(), strings.TrimSpace(line), err, named.Flags().Args())
			}
		}
		if cmd.Short == "" || examples == 0 {
			t.Errorf("%s: %d examples, short text %q", cmd.Name(), examples, cmd.Short)
		}
	}
}

// screen is what a terminal was sent. It tells when a text is among it.
type screen struct {
	mu   sync.Mutex
	sent bytes.Buffer
	want string
	seen chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.Write(b)
	if s.want != "" && strings.Contains(s.sent.String(), s.want) {
		s.want = ""
		close(s.seen)
	}
	return len(b), nil
}

// left is what can be read on a screen after everything sent to it.
func (s *screen) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(s.sent.String(), "\n") {
		if i := strings.LastIndex(line, "\x1b[2K\r"); i >= 0 { // erases the line
			line = line[i+len("\x1b[2K\r"):]
		}
		lines = append(lines, line)
	}
	return lines
}

// TestProgress: on a terminal one line shows how far the run is, never longer than
// the terminal is wide, and is gone at the end.
func TestProgress(t *testing.T) {
	const width = 40
	// Of 100 sent: the line is cut where another stream with a lag comes first.
	serve(t, 250, func(out *screen) {
		out.want, out.seen = "Events 1", make(chan struct{})
	}, func(out *screen, stdout string, status int) {
		if status != 0 || stdout != "" {
			t.Errorf("status %d, stdout %q", status, stdout)
		}
		longest := 0
		for part := range strings.SplitSeq(out.sent.String(), "\r") {
			if strings.Contains(part, "sent") && !strings.Contains(part, "\n") {
				part = strings.NewReplacer("\x1b[0K", "", "\x1b[2K", "").Replace(part)
				longest = max(longest, utf8.RuneCountInString(part))
			}
		}
		if longest == 0 || longest > width {
			t.Errorf("longest line of progress has %d characters, want up to %d", longest, width)
		}
		left := out.left()
		for _, line := range left {
			if strings.Contains(line, "\x1b") || strings.Contains(line, "0 sent") {
				t.Errorf("left on the screen: %q", line)
			}
		}
		if text := strings.Join(left, "\n"); !strings.Contains(text, "SailPointIDN_Events\n  state: drained\n  fetched: 250\n  sent: 250\n") {
			t.Errorf("the table is missing:\n%s", text)
		}
	}, width)
}

// serve polls a tenant of n events into a workspace that holds the fourth batch of
// events back until the screen shows what it wants. Two pages of 50 make three batches,
// which go out together.
func serve(t *testing.T, n int, arrange func(*screen), judge func(*screen, string, int), width int) {
	t.Helper()
	out := &screen{}
	arrange(out)
	seen := out.seen
	generator := synth.New(synth.Options{Start: time.Now().Add(-time.Hour), Plain: true})
	ts := httptest.NewServer(&tenant.Tenant{Backlog: generator, BacklogSize: n})
	defer ts.Close()
	var posts atomic.Int64
	ws := &workspace.Workspace{}
	wsrv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Log-Type") == "SailPointIDN_Events" && posts.Add(1) == 4 {
			select {
			case <-seen:
			case <-time.After(10 * time.Second):
				t.Errorf("the screen never shows %q: %q", out.want, out.left())
			}
		}
		ws.ServeHTTP(w, r)
	}))
	defer wsrv.Close()
	for name, value := range map[string]string{
		"SAILPOINT_BASE_URL": ts.URL, "CLIENT_ID": "id", "CLIENT_SECRET": "secret", "LIMIT": "50", "BATCH_BYTES": "40000",
		"CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": workspace.DefaultKey, "logAnalyticsUri": wsrv.URL,
		"STATE_URL": "file://" + t.TempDir(), "INGESTION_API": "", "TENANT_ID": "",
	} {
		t.Setenv(name, value)
	}
	var stdout bytes.Buffer
	status := cli.Run(t.Context(), cli.Process{Args: []string{"poll"}, Out: &stdout, Err: out, Width: func() int { return width }})
	judge(out, stdout.String(), status)
}
