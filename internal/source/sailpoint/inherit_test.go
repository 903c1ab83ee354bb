package sailpoint

import (
	"testing"
	"time"
)

// Whatever time the Python function has stored, the stream begins five to ten minutes before, at a time
// that a cursor can spell.
func TestBeginAfter(t *testing.T) {
	for _, text := range []string{"2026-09-24T13:08:00.123Z", "2026-09-24T13:05:00Z", "2026-09-24T13:04:59.999Z", "2000-01-01T00:00:00Z"} {
		stopped, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		begin := beginAfter(stopped)
		if before := stopped.Sub(begin); before < overlap || before >= 2*overlap || !begin.Equal(begin.Truncate(overlap)) {
			t.Errorf("%s begins at %v", text, begin)
		}
	}
}
