package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/file"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

// left is a folder of state and a settings file, for a tenant whose last runs came to this.
func left(t *testing.T, of ...pipeline.Report) (settings string) {
	t.Helper()
	return leftOf(t, 0, func(int) []pipeline.Report { return of })
}

// leftOf is left for several connections, c000 and so on; 0 is one without a name.
func leftOf(t *testing.T, connections int, of func(n int) []pipeline.Report) (settings string) {
	t.Helper()
	dir := t.TempDir()
	store, err := file.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"TENANT_ID": "acme", "CLIENT_ID": "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "CLIENT_SECRET": "canary-secret-1111",
		"CUSTOMER_ID": "11111111-2222-4333-8444-555555555555", "SHARED_KEY": "Y2FuYXJ5LWtleS0yMjIy", "STATE_URL": "file://" + filepath.Join(dir, "state"), "LEGACY_CHECKPOINT": "off",
	}
	var names []string
	now := time.Now()
	for n := range max(connections, 1) {
		tenant := "acme"
		if connections > 0 {
			name := fmt.Sprintf("c%03d", n)
			tenant, names = "org-"+name, append(names, name)
			values[strings.ToUpper(name)+"_TENANT_ID"] = tenant
		}
		for _, rep := range of(n) {
			cp := pipeline.Checkpoint{Since: now.Add(-30 * time.Hour), Through: now.Add(-time.Minute)}
			cp.Audit.Through = []time.Time{now.Add(-10 * time.Minute)}
			if _, err := checkpoint.New(store, tenant).Save(t.Context(), rep.Stream, cp); err != nil {
				t.Fatal(err)
			}
			if err := runs.New(store, tenant).End(t.Context(), rep, runs.Program{By: "function", Version: "v1.2.0"}, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	if connections > 0 {
		delete(values, "TENANT_ID")
		values["CONNECTIONS"] = strings.Join(names, ",")
	}
	text, err := json.Marshal(map[string]any{"Values": values})
	if err != nil {
		t.Fatal(err)
	}
	settings = filepath.Join(dir, "settings.json")
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return settings
}

// statusOf runs the command. width is that of the terminal; 0 means a pipe.
func statusOf(t *testing.T, settings string, width int, more ...string) (code int, out, complaint string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := cli.Process{Args: append([]string{"status", "--settings", settings}, more...), Out: &stdout, Err: &stderr}
	if width > 0 {
		p.OutWidth = func() int { return width }
	}
	code = cli.Run(t.Context(), p)
	if strings.Contains(stdout.String()+stderr.String(), "canary") {
		t.Errorf("shows a secret: %s%s", &stdout, &stderr)
	}
	return code, stdout.String(), stderr.String()
}

func drained(stream string) pipeline.Report {
	return pipeline.Report{Stream: stream, State: pipeline.Drained, Sent: 7}
}

func failed(stream, text string) pipeline.Report {
	return pipeline.Report{Stream: stream, State: pipeline.Failed, Error: text, Err: errors.New(text)}
}

const (
	eventsID   = "SailPointIDN_Events"
	triggersID = "SailPointIDN_Triggers"
)

func TestStatus(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	good := left(t, drained(eventsID), drained(triggersID))
	bad := left(t, drained(eventsID), failed(triggersID, "search: the client secret has expired: set CLIENT_SECRET"))
	none := left(t)
	for name, c := range map[string]struct {
		settings string
		width    int
		more     []string
		code     int
		says     []string
		not      []string
	}{
		"good":            {good, 0, nil, 0, []string{"ok: Data flows", "STREAM    STATE  LAG", "Events    ok", "function v1.2.0"}, []string{"\x1b", "->"}},
		"bad":             {bad, 0, nil, 1, []string{"failing: 1 of 2 streams is failing", "failing Triggers: The last run failed: search: the client secret has expired: set CLIENT_SECRET", "  -> Do what the message says"}, []string{"\x1b"}},
		"nothing":         {none, 0, nil, 1, []string{"failing Events, Triggers: No run has left anything in this state"}, nil},
		"wide terminal":   {bad, 120, nil, 1, []string{"\x1b[1;31mfailing\x1b[0m", "STREAM"}, nil},
		"narrow terminal": {bad, 40, nil, 1, []string{"Events: \x1b[32mok", "  last success: "}, []string{"STREAM"}},
		"one connection":  {good, 0, []string{"--connection", "globex"}, 2, nil, nil},
		"a preview":       {good, 0, []string{"--ingestion-api", "ndjson"}, 2, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, complaint := statusOf(t, c.settings, c.width, c.more...)
			if code != c.code || code == 2 && (complaint == "" || strings.Count(complaint, "\n") > 2) {
				t.Errorf("status %d: %s%s", code, out, complaint)
			}
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("%q is missing in:\n%s", text, out)
				}
			}
			for _, text := range c.not {
				if strings.Contains(out, text) {
					t.Errorf("%q is in:\n%s", text, out)
				}
			}
			for line := range strings.SplitSeq(strings.NewReplacer("\x1b[1;31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(out), "\n") {
				if n := utf8.RuneCountInString(line); c.width == 40 && n > 40 && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
	t.Run("NO_COLOR", func(t *testing.T) {
		t.Setenv("NO_COLOR", "1")
		if _, out, _ := statusOf(t, bad, 120); strings.Contains(out, "\x1b") {
			t.Errorf("colours: %q", out)
		}
	})
	t.Run("json", func(t *testing.T) {
		code, out, _ := statusOf(t, bad, 0, "--json")
		var s struct {
			State    string
			Problems []struct{ State, What, Remedy string }
			Streams  []struct{ Name, State string }
		}
		if err := json.Unmarshal([]byte(out), &s); err != nil || code != 1 || s.State != "failing" || len(s.Problems) != 1 || len(s.Streams) != 2 {
			t.Errorf("%d, %v: %s", code, err, out)
		}
	})
}

// A person sees the trouble of hundreds of connections first, and no more than fits; a script sees all.
func TestStatusOfHundreds(t *testing.T) {
	settings := leftOf(t, 120, func(n int) []pipeline.Report {
		if n%40 == 39 {
			return []pipeline.Report{drained(triggersID), failed(eventsID, fmt.Sprintf("no answer for number %d", n))}
		}
		return []pipeline.Report{drained(eventsID), drained(triggersID)}
	})
	lines := func(out string) (rows []string) {
		_, table, _ := strings.Cut(out, "STREAM ")
		for line := range strings.Lines(table) {
			if strings.HasPrefix(line, "c") {
				rows = append(rows, strings.Join(strings.Fields(line)[:2], " "))
			}
		}
		return rows
	}
	for name, tc := range map[string]struct {
		width int
		more  []string
		rows  int
		first string
		says  string
	}{
		"terminal":          {200, nil, 40, "c039/Events failing", "… and 200 more streams: --trouble"},
		"pipe":              {0, nil, 240, "c039/Events failing", "failing: 3 of 240 streams (3 of 120 connections) are failing or late"},
		"all on a terminal": {200, []string{"--all"}, 240, "c039/Events failing", ""},
		"trouble":           {200, []string{"--trouble"}, 3, "c039/Events failing", "c119/Events, for example: The last run failed: no answer for number 39"},
		"one":               {200, []string{"--connection", "c079"}, 2, "c079/Events failing", "no answer for number 79"},
		"one without any":   {200, []string{"--connection", "c001", "--trouble"}, 0, "", "ok: Data flows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "1")
			_, out, _ := statusOf(t, settings, tc.width, tc.more...)
			rows := lines(out)
			if len(rows) != tc.rows || !strings.Contains(out, tc.says) || len(rows) > 0 && rows[0] != tc.first {
				t.Errorf("%d rows, want %d:\n%.3000s", len(rows), tc.rows, out)
			}
		})
	}
	_, out, _ := statusOf(t, settings, 0, "--json", "--trouble")
	var s struct {
		Streams []struct{ Connection, State string }
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Streams) != 3 || s.Streams[0].Connection != "c039" {
		t.Errorf("%v: %.1000s", err, out)
	}
}

// What is in the state can't command a terminal.
func TestStatusOfHostileState(t *testing.T) {
	settings := left(t, failed(eventsID, "evil \x1b[2J\x07 text"), drained(triggersID))
	dir := filepath.Join(filepath.Dir(settings), "state")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "runs") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, bytes.ReplaceAll(text, []byte("evil"), []byte(`evil \u001b[31m`)), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, out, _ := statusOf(t, settings, 0); strings.ContainsAny(out, "\x1b\x07") || !strings.Contains(out, "evil") {
		t.Errorf("%q", out)
	}
}

// --watch shows it again until it is stopped.
func TestStatusWatch(t *testing.T) {
	settings := left(t, drained(eventsID), drained(triggersID))
	ctx, cancel := context.WithCancel(t.Context())
	out := &until{stop: cancel, want: 2}
	code := cli.Run(ctx, cli.Process{Args: []string{"status", "--settings", settings, "--watch"}, Out: out, Err: out, OutWidth: func() int { return 100 }})
	if code != 0 || strings.Count(out.text.String(), "\x1b[2J") < 2 {
		t.Errorf("status %d: %q", code, out.text.String())
	}
}

// until stops after a number of writes.
type until struct {
	text bytes.Buffer
	stop func()
	want int
}

func (u *until) Write(p []byte) (int, error) {
	if u.want--; u.want <= 0 {
		u.stop()
	}
	return u.text.Write(p)
}
