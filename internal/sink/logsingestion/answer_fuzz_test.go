package logsingestion_test

import (
	"net/http"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

func FuzzAnswers(f *testing.F) {
	sinktest.FuzzAnswers(f, sinktest.Answers{
		Open: func(tb testing.TB, client *http.Client) pipeline.Sink {
			return open(tb, nil, func(c *logsingestion.Config) { c.HTTP = client })
		},
		Acknowledges: func(status int, body []byte) bool { return status == http.StatusNoContent && len(body) == 0 },
		// A record that is refused by itself is weighed against a batch without any: what
		// answers alike to both refuses no record.
		Refuses: func(int, []byte) bool { return false },
	})
}
