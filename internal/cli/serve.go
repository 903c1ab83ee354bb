package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/daemon"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

const (
	// defaultListen is where serve receives pushes by default: on this machine only.
	defaultListen = "127.0.0.1:8480"
	// noListen stands for no listener.
	noListen = "off"
)

// serving is a serve command in progress.
type serving struct {
	settingsFlags
	listen            string
	certFile, keyFile string
	statusKey         string // a file
	grace             time.Duration
	logFormat         string
	console           *console
	process           Process
}

const serveHelp = `Serve is the connector as one long-running process. It polls at start and then by
POLL_SCHEDULE, in UTC, exactly as the function does, and receives pushes at the same
paths, below /api/hooks. State is kept where STATE_URL says, for instance in a folder:
file:///var/lib/idnsentinel. docs/run-anywhere.md has a unit for systemd and recipes for
containers.

` + placesHelp + `

It listens on this machine only, unless --listen names another address. Senders must
present the credentials in the settings, also on this machine; without a setting for
pushes there is nothing to receive. On another address than loopback use --tls-cert and
--tls-key, or a proxy with TLS in front: without TLS, credentials and records can be
read on the way. A renewed certificate is read without a restart.

Several processes may use the same state, also a function in Azure: the lock of each
stream keeps them apart. While one works on a stream, the others report "locked"; when
it ends, another one continues.

The status page is at http://127.0.0.1:8480/, with the same views as the function's:
/api/status as page or JSON, /api/status/health for monitors, POST /api/status/run polls
now. It is for this machine only, without a proxy in between. With --status-key, a file
with a key of at least 16 characters, anyone who presents the key may see it: as the
password that a browser asks for, or in the header X-Functions-Key.

The log goes to stderr: text on a terminal, else lines of JSON, the same as those of
the function. The line "ready" says that pushes are received.

With --ingestion-api ndjson it prints the records instead, as poll does, and receives
nothing.

SIGTERM and Ctrl-C stop softly, within --grace: what the workspace acknowledged is
remembered, and the next start continues from there. A second signal ends it at once.

The exit status is 0 after SIGTERM, 130 after Ctrl-C, 1 if the stop was cut short or
the listener failed, and 2 if nothing was started because a setting or a flag is wrong.`

func serveCommand(p Process) *cobra.Command {
	c := &serving{console: newConsole(p), process: p}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run all the time, without Azure Functions: on a server, in a container, or to try it",
		Long:  serveHelp,
		Example: `  idnsentinel serve --settings local.settings.json

  # state in a folder, and no listener
  idnsentinel serve --settings local.settings.json --state file:///var/lib/idnsentinel --listen off

  # pushes from the internet, with TLS
  idnsentinel serve --settings local.settings.json --listen :8443 --tls-cert fullchain.pem --tls-key privkey.pem

  # watch new events as lines of JSON
  idnsentinel serve --settings local.settings.json --ingestion-api ndjson`,
		Args:        noArguments,
		Annotations: map[string]string{endsBySIGTERM: "yes"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.addPlaces(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.listen, "listen", defaultListen, "`address` to receive pushes at, host:port; :port for all interfaces, off for none")
	flags.StringVar(&c.certFile, "tls-cert", "", "certificate, with its chain, as a PEM `file`")
	flags.StringVar(&c.keyFile, "tls-key", "", "private key of the certificate, as a PEM `file`")
	flags.StringVar(&c.statusKey, "status-key", "", "`file` with the key for the status page; without it the page is for this machine only")
	flags.DurationVar(&c.grace, "grace", daemon.DefaultGrace, "how long a stop may take")
	flags.StringVar(&c.logFormat, "log-format", "", "`json` or text, instead of what fits stderr")
	return cmd
}

func (c *serving) run(cmd *cobra.Command) error {
	if err := c.checkFlags(cmd); err != nil {
		return err
	}
	l, invalid := c.load()
	if problems := new(config.Problems); invalid != nil && (!errors.As(invalid, &problems) || problems.Whole) {
		return l.unusable(cmd, &c.settingsFlags, invalid)
	}
	if l.look {
		if cmd.Flags().Changed("listen") && c.listen != noListen {
			return usage(cmd, "a preview keeps no state, so it can't receive pushes: omit --listen, or add --state")
		}
		c.listen = noListen
	}
	log := c.log(l.LogLevel)
	o := l.options(c.console)
	o.Beside = false // it runs the streams
	o.Log, o.Out, o.Again, o.By = log, c.process.Out, time.Minute, app.ByServe
	a, err := app.Open(l.Settings, o)
	if err != nil { // no connection can be used
		if invalid != nil {
			return l.unusable(cmd, &c.settingsFlags, invalid)
		}
		return &failure{statusUnusable, err.Error(), c.hint(cmd)}
	}
	ln, secure, err := c.open(cmd.Context(), log)
	if err != nil {
		return &failure{statusUnusable, err.Error(), "choose another address with --listen, or none with --listen off"}
	}
	access, err := c.access(ln)
	if err != nil {
		return &failure{statusUnusable, err.Error(), "make a key with: openssl rand -hex 32"}
	}
	defer holdMemory(app.MemoryLimit(l.Settings))()
	c.introduce(log, l, a)
	err = daemon.Run(cmd.Context(), daemon.Config{
		Handler:  &functions.Handler{Budget: l.RunBudget, Log: log, Open: func() (functions.Poller, error) { return a, nil }},
		Schedule: l.Schedule,
		Listener: ln,
		TLS:      secure,
		Access:   access,
		Grace:    c.grace,
		Log:      log,
		Ready: func() {
			log.Info("ready", "address", shownAddress(ln, secure != nil), "schedule", l.PollSchedule, "state", app.Place(l.Settings, o), "version", version.String())
			daemon.Notify("READY=1")
		},
		Stopping: func() { daemon.Notify("STOPPING=1") },
	})
	if err != nil {
		return &failure{statusFailed, err.Error(), ""}
	}
	return nil
}

func (c *serving) checkFlags(cmd *cobra.Command) error {
	switch {
	case c.grace < time.Second:
		return usage(cmd, fmt.Sprintf("--grace is %v: use at least 1s", c.grace))
	case (c.certFile == "") != (c.keyFile == ""):
		return usage(cmd, "--tls-cert and --tls-key belong together: pass both")
	case c.certFile != "" && c.listen == noListen:
		return usage(cmd, "--tls-cert needs a listener, and --listen is off")
	case !slices.Contains([]string{"", "json", "text"}, c.logFormat):
		return usage(cmd, fmt.Sprintf("--log-format is %q: use json or text", c.logFormat))
	}
	if _, port, err := net.SplitHostPort(c.listen); c.listen != noListen && (err != nil || port == "") {
		return usage(cmd, fmt.Sprintf("--listen is %q: write it as 127.0.0.1:8480, :8480 for all interfaces, or off", c.listen))
	}
	return nil
}

// log is made for people on a terminal, else for machines.
func (c *serving) log(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if c.logFormat == "text" || c.logFormat == "" && c.process.Width != nil {
		return slog.New(slog.NewTextHandler(c.process.Err, o))
	}
	return slog.New(slog.NewJSONHandler(c.process.Err, o))
}

// open opens the listener, nil for none, and returns what TLS is spoken on it, nil for none.
func (c *serving) open(ctx context.Context, log *slog.Logger) (ln net.Listener, secure *tls.Config, err error) {
	if c.listen == noListen {
		return nil, nil, nil
	}
	if c.certFile != "" {
		certificate, err := daemon.LoadCertificate(c.certFile, c.keyFile, log)
		if err != nil {
			return nil, nil, err
		}
		secure = certificate.Config()
	}
	if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", c.listen); err != nil || secure != nil {
		return ln, secure, err
	}
	if at, ok := ln.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		log.Warn("other machines can reach the listener, and it has no TLS: credentials and records of pushes can be read and changed on the way; "+
			"put a proxy with TLS in front, or use --tls-cert and --tls-key", "address", at.String())
	}
	return ln, nil, nil
}

// access says who may see the status.
func (c *serving) access(ln net.Listener) (a daemon.Access, err error) {
	if ln != nil {
		at, ok := ln.Addr().(*net.TCPAddr)
		a.Local = ok && at.IP.IsLoopback()
	}
	if c.statusKey == "" {
		return a, nil
	}
	text, err := os.ReadFile(c.statusKey)
	if err != nil {
		return a, fmt.Errorf("--status-key: the file could not be read: %w", withoutPath(err))
	}
	key := strings.TrimSpace(string(text))
	if flaw := gate.Flaw(key); flaw != "" {
		return a, fmt.Errorf("--status-key: the key in %s %s", c.statusKey, flaw)
	}
	a.Key = secret.New(key)
	return a, nil
}

// introduce logs what a person should know at the start.
func (c *serving) introduce(log *slog.Logger, l loaded, a *app.App) {
	if note := l.note(&c.settingsFlags); note != "" {
		log.Warn("settings are overridden", "note", note)
	}
	for _, hint := range l.Hints {
		log.Warn("setting may be wrong", "setting", hint.Setting, "hint", hint.Message)
	}
	if err := a.Err(); err != nil { // the other connections run
		log.Error("connections can't be used", "error", err.Error())
	}
}

// shownAddress is a listener's address for people.
func shownAddress(ln net.Listener, secure bool) string {
	switch {
	case ln == nil:
		return "none"
	case secure:
		return "https://" + ln.Addr().String()
	}
	return "http://" + ln.Addr().String()
}
