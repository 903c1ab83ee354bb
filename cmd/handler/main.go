// Handler is the custom handler that host.json defines: the Azure Functions host starts it
// and posts every timer invocation to it.
//
// It opens its port before it reads anything. With invalid settings every invocation fails
// with a list of all problems, and the process keeps listening. It exits with status 0 only
// when asked to stop, because the host doesn't restart a process that exited with 0.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

func main() {
	if err := run(context.Background()); err != nil {
		// The host shows the last lines of stderr when a process ends with an error.
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer release()
	context.AfterFunc(ctx, release) // the second signal ends the process at once
	ln, err := functions.Listen(ctx)
	if err != nil {
		return err
	}
	settings, invalid := config.Load(app.SettingKinds(), config.Environment())
	notice := ""
	if settings.FanOut {
		if err := functions.CanFanOut(os.Getenv("FUNCTIONS_APP_ROOT_PATH")); err != nil {
			notice = "FAN_OUT is queue, but " + strings.ReplaceAll(err.Error(), "\n", ", and ") + ": deploy released-package-queue.zip, or set FAN_OUT to off; until then one process polls all connections"
			settings.FanOut = false
		}
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(app.MemoryLimit(settings))
	}
	log := functions.NewLog(os.Stdout, os.Stderr, settings.LogLevel)
	for _, hint := range settings.Hints {
		log.Warn("setting may be wrong", "setting", hint.Setting, "hint", hint.Message)
	}
	options := app.Options{Log: log, Again: time.Minute, By: app.ByFunction, FanOut: settings.FanOut, Notice: notice, Site: os.Getenv("WEBSITE_SITE_NAME")}
	log.Info("listening", "address", ln.Addr().String(), "version", version.String(), "fan_out", settings.FanOut)
	return functions.Serve(ctx, ln, &functions.Handler{
		Budget:  settings.RunBudget,
		FanOut:  settings.FanOut,
		AnyHost: functions.Deployed(),
		Log:     log,
		Open: func() (functions.Poller, error) {
			// Invalid settings of one connection affect only that connection.
			if problems := new(config.Problems); errors.As(invalid, &problems) && problems.Whole {
				return nil, invalid
			}
			return app.Open(settings, options)
		},
	})
}
