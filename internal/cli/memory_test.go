package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

// A poll and an audit run below the limit of the function, and no longer; GOMEMLIMIT takes
// precedence.
func TestMemoryLimitOfCommands(t *testing.T) {
	var mu sync.Mutex
	var limits []int64
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		limits = append(limits, debug.SetMemoryLimit(-1))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer ts.Close()
	settings := left(t, drained(eventsID), drained(triggersID))
	t.Setenv("SAILPOINT_BASE_URL", ts.URL)
	t.Setenv("logAnalyticsUri", ts.URL)
	before := debug.SetMemoryLimit(-1)
	for _, command := range []string{"poll", "audit --from -2h"} {
		for name, tc := range map[string]struct {
			environment string
			want        int64
		}{
			"the function's": {"", 43 << 20}, // of one connection
			"GOMEMLIMIT":     {"1GiB", before},
		} {
			t.Run(command+", "+name, func(t *testing.T) {
				t.Setenv("GOMEMLIMIT", tc.environment)
				limits = nil
				status := cli.Run(t.Context(), cli.Process{Args: append(strings.Fields(command), "--settings", settings), Out: io.Discard, Err: io.Discard})
				mu.Lock()
				defer mu.Unlock()
				if status == 0 || len(limits) == 0 || slices.ContainsFunc(limits, func(n int64) bool { return n != tc.want }) {
					t.Errorf("exit status %d, limits %v, want %d", status, limits, tc.want)
				}
			})
		}
	}
	if after := debug.SetMemoryLimit(-1); after != before {
		t.Errorf("the limit is %d afterwards, was %d", after, before)
	}
}
