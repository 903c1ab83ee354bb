package nodetools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// npm stands in for the real one: a script, because how it ends is what is tested.
func npm(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "npm")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCI(t *testing.T) {
	for name, tc := range map[string]struct {
		script   string
		patience time.Duration
		want     []string // parts of the error; none for success
	}{
		"ends well":              {"exit 0", time.Minute, nil},
		"fails":                  {"echo no such package; exit 1", time.Minute, []string{"npm ci in ", "no such package", "exit status 1"}},
		"hangs":                  {"echo fetching; exec sleep 60", 200 * time.Millisecond, []string{"npm ci in ", "had not ended after 200ms", "by hand"}},
		"a child of it hangs on": {"sleep 20 & exit 1", time.Minute, []string{"npm ci in "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ci(t.Context(), npm(t, tc.script), t.TempDir(), tc.patience)
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}
