package datacollector_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

func FuzzAnswers(f *testing.F) {
	sinktest.FuzzAnswers(f, sinktest.Answers{
		Open: func(tb testing.TB, client *http.Client) pipeline.Sink {
			return open(tb, nil, func(c *datacollector.Config) { c.HTTP = client })
		},
		Acknowledges: func(status int, body []byte) bool {
			return status == http.StatusOK && len(body) == 0
		},
		Refuses: func(status int, body []byte) bool {
			return status == http.StatusBadRequest && bytes.Contains(body, []byte("InvalidDataFormat"))
		},
		Secrets: []string{workspace.DefaultKey},
	})
}
