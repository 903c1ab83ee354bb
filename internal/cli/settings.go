package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// settingsFlags say where the settings come from. A flag wins over the environment, and the
// environment wins over the file. With --app, the settings of that app take the place of the
// environment, and the file wins over them: what is checked must be what is deployed, whatever the
// shell has exported.
type settingsFlags struct {
	file         string
	ingestionAPI string
	state        string
	connection   string
	verbose      bool
	// deployed is the app that --app names; nil without.
	deployed *deployedApp
	appWords func() [][2]string // the flags of the app
}

const placesHelp = `The command uses the settings of the function. They come from the environment and,
with --settings, from a file such as Azure Functions' local.settings.json. The
environment takes precedence over the file, and a flag over both.`

const settingsHelp = placesHelp + `

With --app NAME the command reads the settings of the function app in Azure, with your
own sign-in (az login), and secrets from the vault where you may: nothing is copied, and
nothing in the app is changed. The environment then does not count; a file and flags
override what the app has.`

// add adds the flags, and --app with those that go with it.
func (f *settingsFlags) add(cmd *cobra.Command) {
	f.addPlaces(cmd)
	a := &appFlags{}
	a.add(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return f.reach(cmd, a) }
	f.appWords = a.words
}

// addPlaces adds the flags for a command that can't use the settings of an app in Azure.
func (f *settingsFlags) addPlaces(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "settings", "", "read settings from this `file`, such as local.settings.json; the environment takes precedence")
	flags.StringVar(&f.ingestionAPI, "ingestion-api", "", "destination instead of INGESTION_API: `ndjson` (lines of JSON, for a preview), DataCollector or LogsIngestion")
	flags.StringVar(&f.state, "state", "", "location of the checkpoints, instead of STATE_URL: file:///dir or azblob://container, as a `url`")
	flags.StringVar(&f.connection, "connection", "", "only the connection of this `name`, one of CONNECTIONS")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log details to stderr, like LOG_LEVEL=debug")
}

// loaded contains the settings and how to use them.
type loaded struct {
	config.Settings
	// look is set for a preview: its state is not kept.
	look bool
	// plain is set if all settings come from one place.
	plain bool
	// overridden lists the settings in the file for which the environment has a different
	// value.
	overridden []string
	// person is set for the settings of an app: a person signs in in its place.
	person bool
	// unused lists the settings of the environment that do not count beside those of an app.
	unused []string
}

// load reads the settings from all their origins. It returns a *config.Problems for invalid
// settings, and a *failure for any other error.
func (f *settingsFlags) load() (loaded, error) {
	all, err := f.places()
	if err != nil {
		return loaded{}, err
	}
	own := all[len(f.origins()):]
	l := loaded{plain: f.file == "" && f.deployed == nil, person: f.deployed != nil}
	l.Settings, err = config.Load(app.SettingKinds(), all...)
	if f.deployed != nil {
		f.deployed.adjust(&l.Settings, err)
		l.unused = config.Unused(app.SettingKinds(), config.Environment(), all...)
	}
	if f.verbose {
		l.LogLevel = slog.LevelDebug
	}
	l.overridden = config.Overridden(app.SettingKinds(), own...)
	if len(l.Connections) == 0 {
		return l, err
	}
	switch wrong := app.Select(&l.Settings, f.connection); {
	case wrong == nil && f.connection != "":
		err = l.ofSelected(err)
	case wrong == nil:
	case err == nil:
		return l, &failure{statusUnusable, wrong.Error(), "omit --connection to use all of them"}
	}
	if printing := l.printing(); printing > 0 {
		if printing < len(l.Connections) {
			return l, &failure{
				statusUnusable, "some connections have INGESTION_API=NDJSON, which is for previews, and others do not",
				"name one with --connection, or choose one destination for all with --ingestion-api",
			}
		}
		l.look = f.state == ""
		api, _, _ := config.Lookup("INGESTION_API", own...)
		if f.state != "" && strings.TrimRight(strings.TrimSpace(f.state), "/") == stateURL(own) && !strings.EqualFold(strings.TrimSpace(api), string(config.UseNDJSON)) {
			return l, &failure{
				statusUnusable, "--state points at the production checkpoints (STATE_URL): printed records would be marked as delivered, and never reach the workspace",
				"use another location, for instance --state file:///tmp/look, or omit --state to preview without checkpoints",
			}
		}
	}
	if l.look {
		for i := range l.Connections {
			l.Connections[i].AuditAges = nil          // there is no earlier day to compare
			l.Connections[i].Legacy = config.Legacy{} // nor an older connector to follow
		}
		err = l.withoutState(err)
	}
	return l, err
}

// places returns where settings come from: flags, the environment, and the file, or flags, the file,
// and the app.
func (f *settingsFlags) places() ([]config.Origin, error) {
	all := f.origins()
	if f.deployed == nil {
		all = append(all, config.Environment())
	}
	if f.file == "" {
		return f.withApp(all), nil
	}
	file, err := config.ReadFile(f.file)
	if err != nil {
		return nil, &failure{statusUnusable, err.Error(), "settings can also be environment variables; see idnsentinel poll --help"}
	}
	return f.withApp(append(all, file)), nil
}

// withApp adds the app, if there is one.
func (f *settingsFlags) withApp(all []config.Origin) []config.Origin {
	if f.deployed == nil {
		return all
	}
	return append(all, f.deployed.origin)
}

// printing returns how many connections only print their records. It disables their health
// tables, whose rows are not records of a tenant.
func (l *loaded) printing() (n int) {
	for i := range l.Connections {
		if c := &l.Connections[i]; c.IngestionAPI == config.UseNDJSON {
			n++
			c.Health = false
		}
	}
	return n
}

// origins returns the settings in flags.
func (f *settingsFlags) origins() (list []config.Origin) {
	for _, flag := range []struct{ name, setting, value string }{
		{"--ingestion-api", "INGESTION_API", f.ingestionAPI}, {"--state", "STATE_URL", f.state},
	} {
		o := config.Values(flag.name, map[string]string{flag.setting: flag.value})
		o.Overrides = true
		list = append(list, o)
	}
	return list
}

// stateURL returns the location of the state without flags.
func stateURL(origins []config.Origin) string {
	if url, _, ok := config.Lookup("STATE_URL", origins...); ok {
		return strings.TrimRight(strings.TrimSpace(url), "/")
	}
	for _, s := range config.Table(nil) {
		if s.Name == "STATE_URL" {
			return s.Default
		}
	}
	return ""
}

// ofSelected drops the problems of connections that are not selected.
func (l *loaded) ofSelected(err error) error {
	var problems *config.Problems
	if !errors.As(err, &problems) || problems.Whole {
		return err
	}
	var list []config.Problem
	for _, c := range l.Connections {
		for _, p := range c.Problems {
			if !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &config.Problems{List: list}
}

// withoutState drops the problems of settings that are unnecessary with state in memory.
func (l *loaded) withoutState(err error) error {
	ofState := func(p config.Problem) bool {
		return p.Row == "STATE_URL" || p.Row == "AZURE_CLIENT_ID" || p.Row == "LEGACY_CHECKPOINT" ||
			strings.HasPrefix(p.Row, "AZURE_STORAGE_") || strings.HasPrefix(p.Row, "AzureWebJobsStorage")
	}
	for i, c := range l.Connections {
		l.Connections[i].Problems = slices.DeleteFunc(slices.Clone(c.Problems), ofState)
	}
	var problems *config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(problems.List), ofState)
	if len(rest) == 0 {
		return nil
	}
	return &config.Problems{List: rest, Whole: problems.Whole}
}

// note says which values have no effect; "" if there are none.
func (l *loaded) note(f *settingsFlags) string {
	if len(l.unused) > 0 {
		return "with --app the environment does not count; it has other values of " + strings.Join(l.unused, ", ")
	}
	switch n := len(l.overridden); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("the environment overrides a value of %s: %s", f.file, l.overridden[0])
	default:
		return fmt.Sprintf("the environment overrides %d values of %s: %s", n, f.file, strings.Join(l.overridden, ", "))
	}
}

// findings returns the problems of the settings, each with the origin of its value.
func (l *loaded) findings(problems *config.Problems) []check.Finding {
	list := make([]check.Finding, len(problems.List))
	for i, p := range problems.List {
		detail := p.Message
		if p.Origin != "" && (!l.plain || strings.HasPrefix(p.Origin, "--")) {
			detail += " (in " + p.Origin + ")"
		}
		list[i] = check.Finding{Item: p.Setting, State: check.Failed, Detail: detail}
	}
	return list
}

// unusable turns an error of load into the failure of a command.
func (l *loaded) unusable(cmd *cobra.Command, f *settingsFlags, err error) error {
	var problems *config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var b strings.Builder
	noun := "settings need"
	if len(problems.List) == 1 {
		noun = "setting needs"
	}
	fmt.Fprintf(&b, "%d %s attention", len(problems.List), noun)
	for _, finding := range l.findings(problems) {
		fmt.Fprintf(&b, "\n  %s: %s", finding.Item, finding.Detail)
	}
	return &failure{statusUnusable, b.String(), f.hint(cmd)}
}

// hint says where settings can be corrected.
func (f *settingsFlags) hint(cmd *cobra.Command) string {
	if f.deployed != nil {
		return "correct them in the portal (function app " + f.deployed.Label() + ", Settings, Environment variables), or deploy the template again, which replaces all settings"
	}
	if f.file == "" {
		return "settings were read from the environment only; " + cmd.CommandPath() + " --settings local.settings.json also reads a file"
	}
	return "correct them in " + f.file + " or in the environment, which takes precedence"
}

// one is the failure of a command that changes something if several connections are
// selected.
func (l *loaded) one() error {
	if len(l.Connections) == 1 {
		return nil
	}
	return &failure{statusUnusable, "there are several connections: " + l.names(), "choose one with --connection"}
}

// names lists the names of all connections.
func (l *loaded) names() string {
	names := make([]string, len(l.Connections))
	for i, c := range l.Connections {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// connect reads the settings and builds the connector for a command that works with its
// state. A command that changes something needs exactly one connection. lacking is what a
// preview, which keeps no state, does not have.
func (f *settingsFlags) connect(cmd *cobra.Command, c *console, out io.Writer, changes bool, lacking string) (*app.App, error) {
	l, err := f.load()
	if err != nil {
		return nil, l.unusable(cmd, f, err)
	}
	if l.look {
		return nil, &failure{statusUnusable, "with INGESTION_API=NDJSON there is " + lacking, "omit --ingestion-api, or add --state"}
	}
	if err := l.one(); changes && err != nil {
		return nil, err
	}
	o := l.options(c)
	o.Out, o.Progress = out, c.progress
	a, err := f.open(cmd, l, o)
	if err != nil {
		return nil, err
	}
	c.short = a.Short
	return a, nil
}

// unfinished is the failure of a command whose work on the checkpoint of a stream did not end as it
// should; nil if it did.
func (f *settingsFlags) unfinished(label string, rep pipeline.Report) error {
	switch rep.State {
	case pipeline.Drained:
		return nil
	case pipeline.Locked:
		return &failure{statusFailed, "another run is active on " + label + ": try again later", ""}
	case pipeline.Failed, pipeline.Budget:
	}
	return &failure{statusFailed, oneLine(rep.Error), f.again() + " tests every part separately"}
}

// open builds the connector. It fails unless all connections can be used.
func (f *settingsFlags) open(cmd *cobra.Command, l loaded, o app.Options) (*app.App, error) {
	a, err := app.Open(l.Settings, o)
	if err == nil {
		err = a.Err()
	}
	if err != nil {
		return nil, &failure{statusUnusable, err.Error(), f.hint(cmd)}
	}
	return a, nil
}

// options returns what settings can't express.
func (l *loaded) options(c *console) app.Options {
	o := app.Options{Beside: true, Person: l.person, Log: slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: logLevel(l.LogLevel)}))}
	if l.look {
		o.Store, o.Look = &mem.Store{}, true
	}
	return o
}

// logLevel hides what the commands already print.
func logLevel(level slog.Level) slog.Level {
	if level == slog.LevelInfo {
		return slog.LevelWarn
	}
	return level
}

// again returns the command that checks with the same settings.
func (f *settingsFlags) again() string { return f.command("check") }

// command returns a command with the same settings.
func (f *settingsFlags) command(name string) string {
	words := []string{"idnsentinel " + name}
	flags := [][2]string{{"--settings", f.file}, {"--ingestion-api", f.ingestionAPI}, {"--state", f.state}, {"--connection", f.connection}}
	if f.appWords != nil {
		flags = append(f.appWords(), flags...)
	}
	for _, flag := range flags {
		if flag[1] == "" {
			continue
		}
		if strings.ContainsAny(flag[1], " \t'\"$&;|<>()`\\*?") {
			flag[1] = strconv.Quote(flag[1])
		}
		words = append(words, flag[0], flag[1])
	}
	return strings.Join(words, " ")
}
