package streamlock_test

import (
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

// FuzzNote: whatever the note holds, since is a moment that is not in the future, or there is an
// error; and the next look finds the same.
func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"version":1,"since":"2026-09-24T13:08:00Z","seen":"2026-09-24T13:08:00Z","progress":"1"}`))
	f.Add([]byte(`{"version":1,"since":"0000-01-01T00:00:00Z","seen":"9999-12-31T23:59:59-23:59"}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		store := new(mem.Store)
		if _, err := store.Put(t.Context(), noteKey, data, state.Any); err != nil {
			return
		}
		l := streamlock.New(store, "acme")
		since, err := l.Since(t.Context(), "events", "1")
		if err != nil {
			return
		}
		if since.After(time.Now()) || since.UTC().Year() < 0 {
			t.Errorf("%q: since %v", data, since)
		}
		if again, err := l.Since(t.Context(), "events", "1"); err != nil || !again.Equal(since) {
			t.Errorf("%q: since %v, then %v, %v", data, since, again, err)
		}
	})
}
