package cli_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/cli"
)

// stopping is a terminal at which a person stops the command when a text appears.
type stopping struct {
	bytes.Buffer
	at   string
	stop func()
}

func (s *stopping) Write(b []byte) (int, error) {
	n, err := s.Buffer.Write(b)
	if strings.Contains(s.String(), s.at) {
		s.stop()
	}
	return n, err
}

// What a person stopped is no fault that a check could find.
func TestTriggersStopped(t *testing.T) {
	shelve(t)
	t.Setenv("SAILPOINT_BASE_URL", "http://127.0.0.1:9")
	t.Setenv("WEBHOOK_TOKEN", strings.Repeat("w", 32))
	for name, test := range map[string]struct {
		args []string
		at   string // "" is at once
		want string
	}{
		"list":        {[]string{"list"}, "", "idnsentinel: stopped\n"},
		"invocations": {[]string{"invocations"}, "", "idnsentinel: stopped\n"},
		"inspect":     {[]string{"inspect"}, "waiting for requests", "idnsentinel: stopped: 0 of 1 requests came\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.at == "" {
				cancel()
			}
			var out bytes.Buffer
			said := &stopping{at: test.at, stop: cancel}
			status := cli.Run(ctx, cli.Process{Args: append([]string{"triggers"}, test.args...), Out: &out, Err: said})
			if status != 1 || !strings.HasSuffix(said.String(), test.want) {
				t.Errorf("status %d, %q", status, said.String())
			}
		})
	}
}
