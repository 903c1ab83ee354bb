package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
)

// What make demo plays, with the binary under test: it tells the truth, and nothing is lost.
func TestDemo(t *testing.T) {
	t.Parallel() // it waits for live events most of the time
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	var told, log bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Handler: handlerPath, Dir: root, Out: &told, Log: &log, Seed: 1, Past: 2 * time.Hour, Rate: 5}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, told.String(), log.String())
	}
	for _, part := range []string{"SIGKILL after", "continues from the checkpoint", " 0 missing in the table", "a row of SailPointIDN_Triggers_CL after", "all rows in SailPointSaaS_Reports_CL after", "each row of the report once: true", "Nothing is lost."} {
		if !strings.Contains(told.String(), part) {
			t.Errorf("the story lacks %q:\n%s", part, told.String())
		}
	}
	for _, secret := range []string{keyCanary, "synthetic-client-secret", "synthetic-webhook-token", "synthetic-reports-secret"} { // those of the demo
		if strings.Contains(told.String()+log.String(), secret) {
			t.Error("a secret is shown")
		}
	}
}
