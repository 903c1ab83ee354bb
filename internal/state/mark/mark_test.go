package mark_test

import (
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mark"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write golden files")

var codec = statetest.Codec[mark.Mark]{
	Encode: mark.Encode, Decode: mark.Decode,
	Golden: map[string]mark.Mark{"v1.mark.json": {Through: time.Date(2026, 9, 23, 13, 5, 0, 0, time.UTC)}},
	Newer:  []string{`{"version":2}`, `{"version":2,"through":{"Events":[1]}}`},
	Draw: func(t *rapid.T) mark.Mark {
		return mark.Mark{Through: time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "through"), 0).UTC()}
	},
}

func TestCodec(t *testing.T) {
	codec.Update = *update
	statetest.TestCodec(t, codec)
}

func FuzzDecode(f *testing.F) {
	statetest.FuzzCodec(f, codec, `{"version":1,"through":"9999-12-31T23:59:59-01:00"}`)
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		data  string
		newer bool
		says  string
	}{
		"empty":                           {"", false, "it is empty"},
		"cut":                             {`{"version":1,"thr`, false, "truncated or not valid JSON"},
		"no version":                      {`{"through":"2026-09-01T00:00:00Z"}`, false, "no version"},
		"no valid time":                   {`{"version":1}`, false, "no valid time"},
		"no time":                         {`{"version":1,"through":"yesterday"}`, false, "form of version 1"},
		"a year that can't be spelled":    {`{"version":1,"through":"9999-12-31T23:59:59-01:00"}`, false, "no valid time"},
		"newer":                           {`{"version":2,"through":"2026-09-01T00:00:00Z"}`, true, "newer version"},
		"newer, and made in another way":  {`{"version":2,"through":{"Events":[1]}}`, true, "format 2, this one knows 1"},
		"another kind of file altogether": {`[1]`, false, "truncated or not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mark.Decode([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, format.ErrNewer) != test.newer {
				t.Errorf("Decode: %v, want it to say %q", err, test.says)
			}
		})
	}
}
