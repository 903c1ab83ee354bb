package sailpoint_test

import (
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// Cursors are kept in checkpoints. One that can't be read ends the run for good,
// with what to do, and is never taken for the begin; from one that can be
// read the way goes on.
func FuzzCursor(f *testing.F) {
	for _, cursor := range []string{
		`{"created":"2026-09-01T00:10:00.123Z","id":"a\"b"}`,
		`{"created":"2026-09-01T02:10:00+0200","id":""}`,
		`{"created":"9999-12-31T23:59:59-01:00","id":"a"}`,
		`{"created":"0001-01-01T00:00:00+01:00","id":"a"}`,
		`{"created":"2026-09-01T00:10:00.123Z","id":"","split":{"types":["A","B"],"done":1}}`,
		`{"created":"2026-09-01T00:10:00.123Z","id":"","split":{}}`,
		`{"created":"2026-09-01T00:10:00.123Z","id":"","skip":{"done":2,"sound":1,"twins":{"sha256:00":2}}}`,
		`{"created":"2026-09-01T00:10:00.123Z","id":"","skip":{"done":1,"twins":{"":-1}}}`,
		`{"created":"2026-09-01T00:10:00.123Z","id":"","skip":{"done":2,"past":true,"missed":{"created":"2026-09-01T00:10:00.123Z","rows":1}}}`,
		`{"offset":240,"sweep":"2026-09-01T00:10:00.123Z"}`,
		`{"offset":-1,"sweep":"2026-09-01T00:10:00.123Z"}`,
		`{"offset":0}`, `{}`, `null`, `[]`, `"`,
	} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cursor := pipeline.Cursor(text)
		if cursor == "" {
			return
		}
		c := sailpoint.NewClient(config(says(reply{body: `[]`})))
		events, triggers := c.Events(), c.Triggers()
		for stream, fetch := range map[string]func(pipeline.Cursor) (pipeline.Page, error){
			events.Stream().ID:   func(after pipeline.Cursor) (pipeline.Page, error) { return window(t, events, after) },
			triggers.Stream().ID: func(after pipeline.Cursor) (pipeline.Page, error) { return triggers.Fetch(t.Context(), after) },
		} {
			page, err := fetch(cursor)
			if err != nil {
				if retryable(err) != nil || !strings.Contains(err.Error(), "delete the checkpoint: the stream then begins") {
					t.Errorf("%s from %q: %v, want to be told what to do", stream, cursor, err)
				}
				continue
			}
			if page.Next == "" {
				t.Errorf("%s from %q leads back to the begin", stream, cursor)
			}
			if _, err := fetch(page.Next); err != nil {
				t.Errorf("%s from %q leads to %q: %v", stream, cursor, page.Next, err)
			}
		}
	})
}
