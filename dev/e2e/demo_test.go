package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
)

// What make demo plays, with the binary under test: it tells the truth, and nothing is lost.
func TestDemo(t *testing.T) {
	t.Parallel() // it waits for live events most of the time
	var told, log bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Handler: handlerPath, Out: &told, Log: &log, Seed: 1, Past: 2 * time.Hour, Rate: 5}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, told.String(), log.String())
	}
	for _, part := range []string{"SIGKILL after", "continues from the checkpoint", " 0 missing in the table", "Nothing is lost."} {
		if !strings.Contains(told.String(), part) {
			t.Errorf("the story lacks %q:\n%s", part, told.String())
		}
	}
	for _, secret := range []string{keyCanary, "synthetic-client-secret"} { // those of the demo
		if strings.Contains(told.String()+log.String(), secret) {
			t.Error("a secret is shown")
		}
	}
}
