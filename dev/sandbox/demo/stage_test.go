package demo_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
)

// With the settings that a stage prints every check passes, and a run delivers.
func TestStageSettings(t *testing.T) {
	for name, rule := range map[string]bool{"key": false, "rule": true} {
		t.Run(name, func(t *testing.T) {
			stage, err := demo.NewStage(t.Context(), demo.StageConfig{Seed: 1, Past: 10 * time.Minute, Rate: 1, Rule: rule, IdentityIQ: true, Okta: true})
			if err != nil {
				t.Fatal(err)
			}
			defer stage.Close()
			values := map[string]string{}
			for _, line := range stage.Settings(t.TempDir()) {
				setting, value, _ := strings.Cut(line, "=")
				values[setting] = value
				t.Setenv(setting, value) // some are for the SDK
			}
			settings, err := config.Load(app.SettingKinds(), config.Values("stage", values))
			if err != nil {
				t.Fatal(err)
			}
			app.Check(t.Context(), settings, app.Options{}, func(f check.Finding) {
				if f.State != check.Passed {
					t.Errorf("%+v", f)
				}
			})
			a, err := app.Open(settings, app.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			a.Poll(ctx)
			if expected, missing, twice := stage.Audit(); expected < 500 || missing+twice > 0 {
				t.Errorf("%d events expected, %d missing, %d twice", expected, missing, twice)
			}
			for table, least := range map[string]int{"SailPointIIQ_Audit": 60, "SailPointIIQ_Syslog": 6, "SailPointIIQ_TaskResults": 20, "SailPointIIQ_PolicyViolations": 20, "SailPointIIQ_Alerts": 20, "Okta": 550} {
				if n := stage.Workspace.Table(table).Count(); n < least {
					t.Errorf("%s: %d rows, want %d", table, n, least)
				}
			}
		})
	}
}
