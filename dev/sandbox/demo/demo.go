// Package demo runs the connector's main job end to end on this machine: a
// stand-in tenant, a stand-in workspace, and a stand-in Functions host that
// starts the real handler binary and fires its timer. In the middle it kills
// the process without warning, because that is what the real host does.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Options of a demo. Handler and Out are required.
type Options struct {
	// Handler is the path of the handler binary.
	Handler string
	// Dir is the root of the function app, with host.json and the folders of the functions. "" means the
	// directory of Handler.
	Dir string
	// Out gets the story as text.
	Out io.Writer
	// Log, if set, gets what the handler prints.
	Log  io.Writer
	Seed int64
	// Past and Rate say how much there is to fetch.
	Past time.Duration
	Rate float64
}

// ErrIncomplete is returned when the demo shows a loss. It should not.
var ErrIncomplete = errors.New("the demo lost or repeated more records than allowed")

// play is a running demo.
type play struct {
	Options
	stage  *Stage
	dir    string // state
	ticks  []tick
	begin  time.Time
	pushed string // id of the invocation that was pushed
}

// tick is one firing of the timer.
type tick struct {
	what string
	took time.Duration
	runs []pipeline.Report
}

// Run plays the demo.
func Run(ctx context.Context, o Options) error {
	if o.Dir == "" {
		o.Dir = filepath.Dir(o.Handler)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "hooks", "function.json")); err != nil {
		return fmt.Errorf("the folder of the handler, %s, is not the root of the function app: build the handler where host.json is, or run make demo in the project's folder", o.Dir)
	}
	stage, err := NewStage(ctx, StageConfig{Seed: o.Seed, Past: o.Past, Rate: o.Rate})
	if err != nil {
		return err
	}
	defer stage.Close()
	root, err := os.MkdirTemp("", "idn-sentinel-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	p := &play{Options: o, stage: stage, dir: filepath.Join(root, "state"), begin: time.Now()}

	p.say("All data is SYNTHETIC; tenant, workspace and Functions host are stand-ins on this machine.")
	p.say("The connector is the real one: %s\n", o.Handler)
	p.say("  tenant     %s  %.0f events a second since %s ago, and 300 trigger invocations", stage.tenantURL, o.Rate, o.Past)
	p.say("  workspace  %s  checks every signature with its own code", stage.workspaceURL)
	p.say("  state      file://%s\n", p.dir)

	if err := p.killed(ctx); err != nil {
		return err
	}
	if err := p.resumed(ctx); err != nil {
		return err
	}
	return p.curtain()
}

func (p *play) say(format string, args ...any) { fmt.Fprintf(p.Out, format+"\n", args...) }

func (p *play) start(ctx context.Context) (*host.Host, error) {
	h, err := host.Start(ctx, host.Config{Path: p.Handler, Dir: p.Dir, Env: append(p.stage.Settings(p.dir), p.stage.PushSettings()...), Output: p.Log})
	if err != nil {
		return nil, err
	}
	p.say("host: handler is up, its port open %d ms after the start of the process", h.ReadyAfter().Milliseconds())
	return h, nil
}

// killed is a first tick that is cut by SIGKILL right behind an
// acknowledgement, before the connector can note it.
func (p *play) killed(ctx context.Context) error {
	h, err := p.start(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	half := int64(p.Past.Seconds()*p.Rate) / 2
	var rows atomic.Int64
	die := make(chan struct{})
	p.stage.Workspace.AfterAck = func(n int) {
		if total := rows.Add(int64(n)); total >= half && total-int64(n) < half {
			close(die)
		}
	}
	go func() {
		<-die
		h.Kill()
	}()
	begin := time.Now()
	inv, err := h.Fire(ctx)
	if err == nil {
		// The machine was so quick that the kill came too late: no harm done.
		p.note("tick 1", time.Since(begin), inv.Runs)
		return nil
	}
	select {
	case <-die:
	default:
		return fmt.Errorf("first tick: %w", err)
	}
	p.note(fmt.Sprintf("tick 1: SIGKILL after %d rows, between an acknowledgement and its commit", rows.Load()), time.Since(begin), nil)
	return nil
}

// resumed continues from the checkpoint with a new process, and then with live events and with pushes.
func (p *play) resumed(ctx context.Context) error {
	h, err := p.start(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	for _, what := range []string{"tick 2: continues from the checkpoint", "tick 3: live events", "tick 4: live events"} {
		if err := p.fire(ctx, h, what); err != nil {
			return err
		}
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
	if err := p.pushes(ctx, h); err != nil {
		return err
	}
	if err := p.fire(ctx, h, "tick 5: what was pushed is polled as well"); err != nil {
		return err
	}
	if peak, err := h.PeakRSS(); err == nil {
		p.say("\nhost: peak memory of the handler %.1f MiB", float64(peak)/(1<<20))
	}
	_, err = h.Terminate(ctx)
	return err
}

// pause waits, unless the demo is ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fire has the host fire the timer.
func (p *play) fire(ctx context.Context, h *host.Host, what string) error {
	begin := time.Now()
	inv, err := h.Fire(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.note(what, time.Since(begin), inv.Runs)
	if inv.Status != 200 {
		return fmt.Errorf("%s failed: %s", what, inv.Error)
	}
	return nil
}

func (p *play) note(what string, took time.Duration, runs []pipeline.Report) {
	p.ticks = append(p.ticks, tick{what, took, runs})
	p.say("%s (%.1f s)", what, took.Seconds())
	for _, r := range runs {
		p.say("  %-27s %-8s fetched %6d  sent %6d  duplicates %5d  conformed %4d  quarantined %d  lag %.0f s", r.Stream, r.State, r.Fetched, r.Sent, r.Duplicates, r.Conformed, r.Quarantined, r.LagSeconds)
	}
}
