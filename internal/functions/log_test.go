package functions_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

// TestLog: the host takes a line of stderr for an error unless it has "warn" in it.
func TestLog(t *testing.T) {
	const text = `\Warning: "WARN" of warner, \warn, ` + "\u00fcwarn"
	var out, errs bytes.Buffer
	log := functions.NewLog(&out, &errs, slog.LevelInfo).With("warned", text).WithGroup("g")
	log.Debug("not shown")
	log.Info("fine", "text", text)
	log.Warn("odd", "text", text)
	log.Error("bad", "text", text, "error", errors.New(text))

	if lines := logged(t, &out); len(lines) != 1 || lines[0]["msg"] != "fine" {
		t.Errorf("stdout: %v", lines)
	}
	raw := strings.SplitAfter(errs.String(), "\n")
	for i, want := range []bool{true, false} {
		if got := strings.Contains(strings.ToLower(raw[i]), "warn"); got != want {
			t.Errorf("taken for a warning: %v, want %v: %s", got, want, raw[i])
		}
	}
	want := []map[string]any{
		{"level": "WARN", "msg": "odd", "warned": text, "g": map[string]any{"text": text}},
		{"level": "ERROR", "msg": "bad", "warned": text, "g": map[string]any{"text": text, "error": text}},
	}
	if diff := cmp.Diff(want, logged(t, &errs)); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

// Lines of several goroutines don't mix.
func TestLogTogether(t *testing.T) {
	var out, errs bytes.Buffer
	log := functions.NewLog(&out, &errs, slog.LevelInfo)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { log.Warn("a") })
		wg.Go(func() { log.Error("b") })
	}
	wg.Wait()
	if n := len(logged(t, &errs)); n != 100 {
		t.Errorf("%d lines, want 100", n)
	}
}
