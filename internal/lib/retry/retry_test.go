package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
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
