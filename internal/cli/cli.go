// Package cli is the operator's command line, idnsentinel.
//
//	idnsentinel status      say whether data flows, and if not, why
//	idnsentinel check       try settings, token, scopes, state and workspace, each by itself
//	idnsentinel poll        run once, as the function does on each tick of its timer
//	idnsentinel serve       run all the time, without Azure Functions
//	idnsentinel audit       prove that everything was delivered, or say what is missing
//	idnsentinel checkpoint  show how far each stream is, or set where it continues
//	idnsentinel backfill    deliver a time range once more
//	idnsentinel jobs        list, resume and cancel backfills
//	idnsentinel quarantine  look at originals, send them again, or discard them
//	idnsentinel triggers    subscribe to event triggers, test them, list what was pushed
//	idnsentinel forwarding  look at reports that wait for a workflow, and decide about those that are kept
//	idnsentinel connections  list the connections of an app, and add or remove one
//	idnsentinel settings    show which settings apply, and where each comes from
//	idnsentinel man         write manual pages
//	idnsentinel version     name the build
//
// It reads the same settings as the function, from the environment or from a
// local.settings.json (see [settingsFlags]), and builds the connector with package app.
// Nothing here depends on a particular service.
//
// The requested output goes to stdout: records, findings, JSON. Everything else goes to
// stderr: progress, the table of a run, logs, errors. An error is one line that says what
// happened and how to fix it, and a second one, "hint:", that says where to look next.
// Neither contains a secret.
//
// The exit status is 0 on success, 1 if a stream or a check failed or the output could not be
// written, 2 if nothing was tried because a setting or the command line is wrong, and 130 after
// Ctrl-C (143 after SIGTERM; but 0 if serve stopped in order).
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// The exit statuses.
const (
	statusOK = iota
	statusFailed
	statusUnusable
	// statusSignalled is added to the number of the signal that stopped a command, as shells do.
	statusSignalled = 128
)

// Process is what a command gets from its process.
type Process struct {
	Args     []string // without the program's name
	Out, Err io.Writer
	// In answers questions; nil if there is no one to ask.
	In io.Reader
	// Secret reads a line from the terminal without showing it; nil if there is no one to ask.
	Secret func() ([]byte, error)
	// Width returns the width of the terminal that Err is; nil if it isn't one.
	Width func() int
	// OutWidth returns the same for Out.
	OutWidth func() int
}

// Main runs the command line of this process and returns the exit status. The first
// interrupt is a soft stop: what was acknowledged is committed. The second ends the process
// at once.
func Main() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-stop
		signal.Stop(stop) // first, so that the next signal ends the process
		cancel(&signalled{sig})
	}()
	p := Process{Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		p.In = os.Stdin
		p.Secret = func() ([]byte, error) { return term.ReadPassword(int(os.Stdin.Fd())) }
	}
	p.Width, p.OutWidth = widthOf(os.Stderr), widthOf(os.Stdout)
	return Run(ctx, p)
}

// widthOf returns what measures a terminal; nil for anything else.
func widthOf(f *os.File) func() int {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(fd)
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

// signalled is a stop by a signal.
type signalled struct{ os.Signal }

func (s *signalled) Error() string { return s.String() }

// Is makes it a cancelled context for [errors.Is].
func (s *signalled) Is(err error) bool { return err == context.Canceled }

// endsBySIGTERM is the annotation of a command that SIGTERM ends in order.
const endsBySIGTERM = "ends-by-sigterm"

// stopped returns the exit status of a command that a signal stopped; statusOK for none.
func stopped(ctx context.Context, cmd *cobra.Command) int {
	sig, ok := context.Cause(ctx).(*signalled) //nolint:errorlint // Main sets it, unwrapped
	if !ok {
		return statusOK
	}
	number, ok := sig.Signal.(syscall.Signal)
	if !ok || number == syscall.SIGTERM && cmd.Annotations[endsBySIGTERM] != "" {
		return statusOK
	}
	return statusSignalled + int(number)
}

// Run runs a command line. Cancelling ctx is a soft stop.
func Run(ctx context.Context, p Process) int {
	out := &output{Writer: p.Out}
	if p.Out != nil {
		p.Out = out
	}
	root := rootCommand(p)
	root.SetArgs(p.Args)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.InitDefaultCompletionCmd()
	if shells, _, err := root.Find([]string{"completion"}); err == nil && shells != root {
		shells.Args, shells.SuggestionsMinimumDistance = noSuchCommand, typos
		shells.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd, err := root.ExecuteContextC(ctx)
	status := stopped(ctx, cmd)
	var known *failure
	switch lost := out.lost(); {
	case errors.As(err, &known) && (known.text != "" || lost == nil):
	case known != nil: // what went wrong was in the output
		known.text = "the output is lost: " + lost.Error()
	case lost != nil:
		known = &failure{statusFailed, "the output is lost: " + lost.Error(), ""}
	case err == nil:
		return status
	default:
		known = &failure{statusUnusable, err.Error(), "idnsentinel --help shows the usage"}
	}
	if status != statusOK && known.hint != "" { // whatever failed then failed because of it
		known.hint = "what is done stays done; the same command does the rest"
	}
	if known.text != "" {
		fmt.Fprintf(p.Err, "idnsentinel: %s\n", known.text)
	}
	if known.hint != "" {
		fmt.Fprintf(p.Err, "hint: %s\n", known.hint)
	}
	return cmp.Or(status, known.status)
}

// output is stdout. It remembers whether a write failed, because what a command found out is of no
// use to anyone then, and few commands look at each write.
type output struct {
	io.Writer
	mu    sync.Mutex
	first error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.first = cmp.Or(o.first, err)
	}
	return n, err
}

// lost returns why output is missing. A reader that has left wanted no more.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(o.first, syscall.EPIPE) || errors.Is(o.first, os.ErrClosed) || errors.Is(o.first, io.ErrClosedPipe) {
		return nil
	}
	return o.first
}

// failure is any unsuccessful end of a command.
type failure struct {
	status int
	text   string // what happened; "" if already printed
	hint   string // where to look next; "" for nowhere
}

func (f *failure) Error() string { return f.text }

func rootCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "idnsentinel",
		Short: "Check and run the connector from identity sources to Microsoft Sentinel",
		Long: `Idnsentinel brings audit data into a Microsoft Sentinel workspace, from

` + services() + `
In Azure a function does this every minute. This command does the same manually, with
the same settings, and finds out what is wrong if something fails.

Start with a settings file. Copy local.settings.example.json to
local.settings.json, fill in the values in <angle brackets>, then:

  1. idnsentinel check --settings local.settings.json
     tests every setting, credential and permission, and ingests nothing
  2. idnsentinel poll --settings local.settings.json --ingestion-api ndjson
     prints what would be sent, and changes no checkpoint
  3. idnsentinel poll --settings local.settings.json
     does one real run`,
		Example: `  idnsentinel check --settings local.settings.json
  idnsentinel poll --help`,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.String(),

		SuggestionsMinimumDistance: typos,
	}
	cmd.SetVersionTemplate(versionLine() + "\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, p.Args, err) })
	cmd.AddCommand(checkCommand(p), pollCommand(p), settingsCommand(p), versionCommand())
	for _, sub := range cmd.Commands() {
		sub.Args = noArguments
	}
	cmd.AddCommand(statusCommand(p), serveCommand(p), auditCommand(p), backfillCommand(p), jobsCommand(p), checkpointCommand(p), quarantineCommand(p), triggersCommand(p), forwardingCommand(p), connectionsCommand(p), manCommand(p))
	return cmd
}

// services names all kinds of sources.
func services() string {
	var list strings.Builder
	for _, kind := range app.Manuals() {
		if kind.Service != "" {
			fmt.Fprintf(&list, "  %s\n", kind.Service)
		}
	}
	return list.String()
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		text += "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return usage(cmd, text)
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(cmd, fmt.Sprintf("%s takes only flags, but got the argument %q", cmd.Name(), args[0]))
}

// usage is the failure for an invalid command line.
func usage(cmd *cobra.Command, text string) error {
	return &failure{statusUnusable, text, cmd.CommandPath() + " --help shows the usage"}
}
