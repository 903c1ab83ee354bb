package host_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
)

// shipped is the host.json of the package.
const shipped = "../../../host.json"

// TestKilledInstance kills the instance whose timer fires, at every second of two minutes, and
// measures how long the app is without a timer although another instance is there. With
// the host's own periods that is up to two minutes.
func TestKilledInstance(t *testing.T) {
	defaults := filepath.Join(t.TempDir(), "host.json")
	if err := os.WriteFile(defaults, []byte(`{"version":"2.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path     string
		least, longest time.Duration
	}{
		{"without the block", defaults, 90 * time.Second, 2 * time.Minute},
		{"as it ships", shipped, 15 * time.Second, 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := host.ReadSingleton(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			var worst time.Duration
			for at := range 120 {
				worst = max(worst, silence(t, s, time.Duration(at)*time.Second))
			}
			t.Logf("worst silence %v", worst)
			if worst > tc.longest || worst < tc.least {
				t.Errorf("up to %v without a timer, want %v to %v", worst, tc.least, tc.longest)
			}
		})
	}
}

// silence is how long no timer fires after the first of two instances is killed.
func silence(t *testing.T, s host.Singleton, at time.Duration) (gap time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		var lock host.ListenerLock
		first, kill := context.WithCancel(t.Context())
		go lock.Listen(first, "first", s, func() {})
		synctest.Wait()
		ticking := make(chan time.Time, 1)
		go func() {
			<-time.After(7 * time.Second) // the other instance came later
			lock.Listen(t.Context(), "second", s, func() { ticking <- time.Now() })
		}()
		<-time.After(at)
		kill()
		killed := time.Now()
		gap = (<-ticking).Sub(killed)
	})
	return gap
}

// What docs/cost.md says about the lease.
func TestLeaseOperations(t *testing.T) {
	s, err := host.ReadSingleton(shipped)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var lock host.ListenerLock
		ctx, stop := context.WithTimeout(t.Context(), 730*time.Hour-time.Second)
		defer stop()
		lock.Listen(ctx, "only", s, func() {})
		if lock.Operations != 350_400 {
			t.Errorf("%d operations a month", lock.Operations)
		}
	})
}

func TestSingletonOfHostJSON(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true,
		`{"singleton":{"listenerLockPeriod":"00:00:15"}}`:                  true,
		`{"singleton":{"listenerLockPeriod":"00:00:10"}}`:                  false,
		`{"singleton":{"listenerLockPeriod":"00:01:30"}}`:                  false,
		`{"singleton":{"listenerLockPeriod":"15"}}`:                        false,
		`{"singleton":{"listenerLockRecoveryPollingInterval":"00:00:01"}}`: false,
		`{`: false,
	} {
		path := filepath.Join(t.TempDir(), "host.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := host.ReadSingleton(path); (err == nil) != ok {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
}
