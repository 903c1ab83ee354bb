package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/retry"
)

type temporary struct{ after time.Duration }

func (temporary) Error() string               { return "temporary" }
func (t temporary) RetryAfter() time.Duration { return t.after }

func TestDo(t *testing.T) {
	permanent := errors.New("permanent")
	tests := map[string]struct {
		policy       retry.Policy
		budget       time.Duration
		errs         []error // then success
		wantErr      error
		wantAttempts int
		least, most  time.Duration
	}{
		"success at once":             {errs: nil, wantAttempts: 1},
		"permanent is not repeated":   {errs: []error{permanent, nil}, wantErr: permanent, wantAttempts: 1},
		"temporary, then success":     {errs: []error{temporary{}, temporary{}}, wantAttempts: 3, least: 750 * time.Millisecond, most: 1500 * time.Millisecond},
		"service's wait is kept":      {errs: []error{temporary{7 * time.Second}}, wantAttempts: 2, least: 7 * time.Second, most: 7 * time.Second},
		"absurd wait is capped":       {errs: []error{temporary{1000 * time.Hour}}, wantAttempts: 2, least: 2 * time.Minute, most: 2 * time.Minute},
		"wait beyond the budget":      {budget: 5 * time.Second, errs: []error{temporary{6 * time.Second}}, wantErr: temporary{6 * time.Second}, wantAttempts: 1},
		"attempts are limited":        {policy: retry.Policy{MaxAttempts: 2}, errs: []error{temporary{}, temporary{}, temporary{}}, wantErr: temporary{}, wantAttempts: 2, least: 250 * time.Millisecond, most: 500 * time.Millisecond},
		"own waits grow up to a roof": {policy: retry.Policy{Min: time.Second, Max: 2 * time.Second}, errs: []error{temporary{}, temporary{}, temporary{}, temporary{}}, wantAttempts: 5, least: 3500 * time.Millisecond, most: 7 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.budget > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.budget)
					defer cancel()
				}
				start, attempts, noted := time.Now(), 0, 0
				err := tt.policy.Do(ctx, func(error, time.Duration) { noted++ }, func(context.Context) error {
					attempts++
					if attempts <= len(tt.errs) {
						return tt.errs[attempts-1]
					}
					return nil
				})
				if !errors.Is(err, tt.wantErr) || (err == nil) != (tt.wantErr == nil) {
					t.Errorf("err = %v, want %v", err, tt.wantErr)
				}
				if attempts != tt.wantAttempts || noted != attempts-1 {
					t.Errorf("%d attempts, %d noted; want %d", attempts, noted, tt.wantAttempts)
				}
				if d := time.Since(start); d < tt.least || d > tt.most {
					t.Errorf("took %v, want %v to %v", d, tt.least, tt.most)
				}
			})
		})
	}
}

// A wait must end with its context, and never reach past the deadline.
func TestDoCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		err := retry.Policy{}.Do(ctx, nil, func(context.Context) error { return temporary{time.Minute} })
		var ex *retry.Exhausted
		if !errors.As(err, &ex) || ex.Attempts != 1 {
			t.Errorf("err = %v, want Exhausted after 1 attempt", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("returned after %v, want 3s", d)
		}
	})
}

// An attempt that the deadline cuts does not hide what was wrong before it.
func TestDoCutInAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := retry.Policy{}.Do(ctx, nil, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return temporary{}
			}
		})
		if !errors.Is(err, temporary{}) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want what the earlier attempts said", err)
		}
	})
}

// Nor does one that there was no time for.
func TestDoNoTimeForAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		attempts := 0
		err := retry.Policy{}.Do(ctx, nil, func(context.Context) error {
			if attempts++; attempts == 1 {
				return temporary{}
			}
			return fmt.Errorf("rate limit: %w", retry.ErrNoTime)
		})
		if !errors.Is(err, temporary{}) || errors.Is(err, retry.ErrNoTime) || attempts != 2 {
			t.Errorf("err = %v after %d attempts, want what the first one said", err, attempts)
		}
	})
}

func TestAfter(t *testing.T) {
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
			if got := retry.After(h, now); got != tt.want {
				t.Errorf("After(%q) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

// With a jitter of its own a policy waits the same each time.
func TestJitter(t *testing.T) {
	for share, want := range map[time.Duration]time.Duration{0: 250 * time.Millisecond, 1: 500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p := retry.Policy{MaxAttempts: 2, Jitter: func(d time.Duration) time.Duration { return share * d }}
			start := time.Now()
			_ = p.Do(t.Context(), nil, func(context.Context) error { return temporary{} })
			if got := time.Since(start); got != want {
				t.Errorf("waited %v, want %v", got, want)
			}
		})
	}
}

// Whatever the header says, the wait is one that a run can think about.
func FuzzAfter(f *testing.F) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	for _, v := range []string{
		"", "0", "7", "-5", "1.5", " 3 ", "+2", "1e300", "NaN", "Inf", "-inf", "infinity", "0x10", "1_000", "７", "12, 13", "3s",
		"Tue, 01 Sep 2026 12:00:30 GMT", "Tue, 01 Sep 9999 12:00:30 GMT", "Tuesday, 01-Sep-26 12:01:00 GMT", "Tue Sep  1 12:00:10 2026", "soon",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got := retry.After(http.Header{"Retry-After": {v}}, now)
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
