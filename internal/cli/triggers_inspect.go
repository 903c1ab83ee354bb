package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
)

func inspectCommand(p Process) *cobra.Command {
	t := newTriggering(p)
	timeout := time.Duration(0)
	most := 0
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show what the next request to the hook looks like, without its values",
		Long: `Inspect waits for the next request to any hook of the app, accepted or refused, and
prints its method, path, status, the names of its headers, its length and the shape of
its body: the names of the members and their kinds, never a value.

It asks the app through the state, so the settings must name the same state. Each
process of the app looks there every 5 seconds while requests arrive.

The exit status is 0 if a request came, 1 if none came in time, and 2 if a setting or a
flag is wrong.`,
		Example: `  idnsentinel triggers inspect --settings local.settings.json
  idnsentinel triggers inspect --settings local.settings.json --count 5 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.inspect(cmd, timeout, most) },
	}
	t.add(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait")
	cmd.Flags().IntVar(&most, "count", 1, "the `number` of requests to wait for")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON, one request after the other")
	return cmd
}

func (t *triggering) inspect(cmd *cobra.Command, timeout time.Duration, most int) error {
	if timeout < lookEvery || most < 1 {
		return usage(cmd, "--timeout must be at least 1s, and --count at least 1")
	}
	a, err := t.connect(cmd, t.console, t.out, true, "no state through which the app could be asked")
	if err != nil {
		return err
	}
	look := a.Connections()[0].HookLook()
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	err = look.End(ctx) // what an earlier command left
	if err == nil {
		err = look.Ask(ctx, time.Now().Add(timeout))
	}
	if err != nil {
		return t.failed(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 10*time.Second)
		defer cancel()
		_ = look.End(ctx) // the request ends by itself
	}()
	t.console.say("waiting for requests; a busy app shows those that come from %v on", app.LookEvery)
	for came := 0; ; {
		list, err := look.Take(ctx)
		for _, o := range list {
			if came++; came <= most {
				if err := t.outline(o); err != nil {
					return err
				}
			}
		}
		switch {
		case came >= most:
			return nil
		case err != nil && ctx.Err() == nil:
			return t.failed(err)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return &failure{statusFailed, fmt.Sprintf("stopped: %d of %d requests came", came, most), ""}
			}
			return &failure{statusFailed, fmt.Sprintf("%d of %d requests came", came, most), "idnsentinel triggers invocations shows what the service says about its pushes"}
		}
	}
}

// outline prints one request.
func (t *triggering) outline(o hooklook.Outline) error {
	if t.asJSON {
		return printJSON(t.out, o)
	}
	length := fmt.Sprintf("%d bytes", o.Length)
	if o.Length < 0 {
		length = "no Content-Length"
	}
	fmt.Fprintf(t.out, "%s %s %s: answered with %d\n  credentials: %s\n  headers: %s\n  body: %s, %s, %d bytes read: %s\n", stamp(o.At), o.Method, oneLine(o.Path), o.Status,
		cmp.Or(o.Scheme, "none"), oneLine(strings.Join(o.Headers, ", ")), cmp.Or(o.MediaType, "no media type"), length, o.Read, oneLine(o.Shape))
	return nil
}
