package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// connecting is a connections command in progress.
type connecting struct {
	settingsFlags
	asJSON, dryRun, yes bool
	console             *console
	process             Process

	// of add
	set, secrets []string
	vault, first string
	// of remove
	abandon bool
}

func connectionsCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connections",
		Short: "List the connections of an app, and add or remove one",
		Long: `A connection is one tenant or org that an app reads from. CONNECTIONS names them, and
the settings of each have its name in front, such as ACME_TENANT_ID.

List shows them. Add and remove change the settings of the function app in Azure that
--app names, with your own sign-in, and keep everything else as it is. A deployment of
the template replaces all settings, so change its parameters as well.`,
		Example: `  idnsentinel connections list --app func-acme
  idnsentinel connections add globex --app func-acme --set TENANT_ID=globex --set CLIENT_ID=ID --secret CLIENT_SECRET
  idnsentinel connections remove globex --app func-acme --dry-run`,
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: typos,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listConnectionsCommand(p), addConnectionCommand(p), removeConnectionCommand(p))
	return cmd
}

func listConnectionsCommand(p Process) *cobra.Command {
	c := &connecting{console: newConsole(p), process: p}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show each connection, its tenant, its sources and the settings of its own; no secrets",
		Long: `List shows each connection with its tenant, the kinds of its sources, and the names of
the settings that are its own.

` + settingsHelp + `

The exit status is 0 if all settings are valid, and 2 if one needs attention.`,
		Example: `  idnsentinel connections list --app func-acme
  idnsentinel connections list --settings local.settings.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.list(cmd) },
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// listedConnection is a connection in the output.
type listedConnection struct {
	Connection string   `json:"connection"`
	Tenant     string   `json:"tenant"`
	Sources    []string `json:"sources"`
	Settings   []string `json:"settings"`
	// Workspace is the one in CUSTOMER_ID, Rule the data collection rule that rows go to, and Directory
	// where they are, if not in the function app's.
	Workspace string `json:"workspace,omitzero"`
	Rule      string `json:"rule,omitzero"`
	Directory string `json:"directory,omitzero"`
	Problems  int    `json:"problems,omitzero"`
}

func (c *connecting) list(cmd *cobra.Command) error {
	l, invalid := c.load()
	var problems *config.Problems
	if invalid != nil && !errors.As(invalid, &problems) {
		return invalid
	}
	origins, err := c.places()
	if err != nil {
		return err
	}
	own := map[string][]string{}
	for _, v := range config.Effective(app.SettingKinds(), origins...) {
		if v.Connection != "" && strings.HasPrefix(strings.ToUpper(v.Found), config.PrefixOf(v.Connection)) {
			own[v.Connection] = append(own[v.Connection], v.Found)
		}
	}
	list := []listedConnection{}
	for _, one := range l.Connections {
		kinds := []string{}
		for _, s := range one.Sources {
			if s != nil {
				kinds = append(kinds, s.Kind())
			}
		}
		list = append(list, listedConnection{
			one.Name, one.Tenant, kinds, append([]string{}, own[one.Name]...),
			one.ReadBack.WorkspaceID, one.LogsIngestion.RuleID, one.LogsIngestion.Identity.Directory, len(one.Problems),
		})
	}
	if err := c.print(list); err != nil {
		return err
	}
	if invalid != nil {
		return l.unusable(cmd, &c.settingsFlags, invalid)
	}
	return nil
}

func (c *connecting) print(list []listedConnection) error {
	if c.asJSON {
		return printJSON(c.process.Out, list)
	}
	t := grid{head: []string{"CONNECTION", "TENANT", "SOURCES", "SETTINGS OF ITS OWN"}}
	for _, one := range list {
		tenant := cmp.Or(one.Tenant, "-")
		if one.Problems > 0 {
			tenant = "(needs attention)"
		}
		t.add(cmp.Or(one.Connection, "(without a name)"), tenant, cmp.Or(strings.Join(one.Sources, ","), "-"), cmp.Or(strings.Join(one.Settings, ", "), "-"))
	}
	t.write(c.process.Out, c.console.columns)
	return nil
}

// addWriting adds the flags of a command that writes to an app.
func (c *connecting) addWriting(cmd *cobra.Command) {
	c.add(cmd)
	for _, flag := range []string{"settings", "connection", "ingestion-api"} { // begin says that they have no place here
		_ = cmd.Flags().MarkHidden(flag) // fails for a flag that does not exist
	}
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "only show which settings would change; no values")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "don't ask for confirmation")
}

// plan is a change of the settings of an app.
type plan struct {
	app  *deployedApp
	want map[string]string
	// secrets are stored first.
	secrets []newSecret
	// notes are what a person should know beforehand.
	notes []string
}

// check returns an error if the settings would have problems that they don't have now.
func (p *plan) check() error {
	known := map[string]string{}
	for name, value := range p.want {
		known[name] = value
		if p.app.written[name] == value {
			known[name] = p.app.known[name]
		}
	}
	broken := config.Judge(app.SettingKinds(), p.app.origin, p.app.as(known))
	if len(broken) == 0 {
		return nil
	}
	if named := slices.DeleteFunc(slices.Clone(broken), func(p config.Problem) bool { return p.Row != "CONNECTIONS" }); len(named) > 0 {
		broken = named // the others follow from it
	}
	var text strings.Builder
	text.WriteString("nothing was changed, because these settings would need attention:")
	for _, one := range broken {
		text.WriteString("\n  " + one.Setting + ": " + one.Message)
	}
	return &failure{statusUnusable, text.String(), "set what is missing with --set SETTING=VALUE and --secret SETTING"}
}

// show prints which settings change, and no value.
func (p *plan) show(w io.Writer) {
	fmt.Fprintf(w, "The app %s:\n", p.app.Label())
	all := maps.Clone(p.app.written)
	maps.Copy(all, p.want)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, was := p.app.written[name]
		after, is := p.want[name]
		switch {
		case !was:
			fmt.Fprintf(w, "  + %s\n", name)
		case !is:
			fmt.Fprintf(w, "  - %s\n", name)
		case before != after:
			fmt.Fprintf(w, "  ~ %s\n", name)
		}
	}
	for _, s := range p.secrets {
		fmt.Fprintf(w, "The vault %s:\n  + a new version of %s\n", s.at.Vault, s.at.Name)
	}
	for _, note := range p.notes {
		fmt.Fprintln(w, note)
	}
}

// carryOut shows the plan, asks, and carries it out.
func (c *connecting) carryOut(cmd *cobra.Command, p *plan, action string) error {
	if err := p.check(); err != nil {
		return err
	}
	p.show(c.process.Out)
	if c.dryRun {
		c.console.say("dry run: nothing was changed")
		return nil
	}
	for i := range p.secrets {
		if err := c.read(&p.secrets[i]); err != nil {
			return err
		}
	}
	if !c.yes {
		if err := c.console.confirm(action+" in the app "+p.app.Label()+", which restarts", "nothing was changed"); err != nil {
			return err
		}
	}
	if err := p.app.client.Unchanged(cmd.Context(), p.app.Site, p.app.written); err != nil {
		return &failure{statusFailed, err.Error(), ""}
	}
	vaults := newVaults()
	for _, s := range p.secrets {
		version, err := vaults.Store(cmd.Context(), s.at, s.text)
		if err != nil {
			return &failure{statusFailed, fmt.Sprintf("the %s could not be stored, and the app was not changed: %v", s.at, err), ""}
		}
		c.console.say("stored the %s, as version %s", s.at, version)
	}
	if err := p.app.client.Change(cmd.Context(), p.app.Site, p.app.written, p.want); err != nil {
		return &failure{statusFailed, err.Error(), ""}
	}
	return nil
}
