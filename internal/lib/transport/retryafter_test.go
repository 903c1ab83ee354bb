package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		header string
		want   time.Duration
	}{
		"absent":         {"", 0},
		"seconds":        {"12", 12 * time.Second},
		"fraction":       {"1.5", 1500 * time.Millisecond},
		"spaces":         {" 3 ", 3 * time.Second},
		"zero":           {"0", 0},
		"negative":       {"-5", 0},
		"not a number":   {"NaN", 0},
		"absurd":         {"1e300", 1e6 * time.Second},
		"infinite":       {"Infinity", 0},
		"hexadecimal":    {"0x10", 0},
		"grouped":        {"0x_1", 0},
		"date far ahead": {"Tue, 01 Sep 9999 12:00:30 GMT", 1e6 * time.Second},
		"date":           {"Tue, 01 Sep 2026 12:00:30 GMT", 30 * time.Second},
		"date gone by":   {"Tue, 01 Sep 2026 11:00:00 GMT", 0},
		"words":          {"soon", 0},
		"old RFC 850":    {"Tuesday, 01-Sep-26 12:01:00 GMT", time.Minute},
		"ANSI C asctime": {"Tue Sep  1 12:00:10 2026", 10 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if tt.header != "" {
				h.Set("Retry-After", tt.header)
			}
			if got := transport.RetryAfter(h, now); got != tt.want {
				t.Errorf("After(%q) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

// Whatever the header says, the wait is one that a run can think about.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	for _, v := range []string{
		"", "0", "7", "-5", "1.5", " 3 ", "+2", "1e300", "NaN", "Inf", "-inf", "infinity", "0x10", "1_000", "７", "12, 13", "3s",
		"Tue, 01 Sep 2026 12:00:30 GMT", "Tue, 01 Sep 9999 12:00:30 GMT", "Tuesday, 01-Sep-26 12:01:00 GMT", "Tue Sep  1 12:00:10 2026", "soon",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got := transport.RetryAfter(http.Header{"Retry-After": {v}}, now)
		if got < 0 || got > 1e6*time.Second {
			t.Errorf("%q: %v", v, got)
		}
		trimmed := strings.TrimSpace(v)
		if got != 0 && strings.Trim(trimmed, "0123456789.+eE-") != "" {
			if _, err := http.ParseTime(trimmed); err != nil {
				t.Errorf("%q is neither a number nor a date: %v", v, got)
			}
		}
	})
}
