package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

func addConnectionCommand(p Process) *cobra.Command {
	c := &connecting{console: newConsole(p), process: p}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a connection to an app in Azure, and store its secrets in the vault",
		Long: `Add adds a connection to the function app that --app names. Its name consists of letters
and digits. Give the settings that the other connections don't share with --set, and
secrets with --secret: they are asked for on the terminal, or read from a file, and
stored in the vault that the app already uses (or --vault), as NAME-client-secret for
CLIENT_SECRET. The setting then holds the address of the secret.

All other settings stay byte for byte. The new settings are checked by the rules of the
function first. If the app was changed meanwhile, nothing is written. The app restarts;
an interrupted run continues where it stopped.

An app without CONNECTIONS has one connection without a name. Give it one with --first:
the settings of its sources get that name in front. Its state stays, and its address for
pushes gets the name, too: subscribe again afterwards.

You need the roles Website Contributor on the app, and Key Vault Secrets Officer on the
vault for --secret.

The exit status is 0 if the connection is there, 1 if something failed or you declined,
and 2 if nothing was tried because a setting or a flag is wrong.`,
		Example: `  idnsentinel connections add globex --app func-acme --set TENANT_ID=globex --set CLIENT_ID=ID --secret CLIENT_SECRET --dry-run

  # the secret from a file, the first connection gets the name acme
  idnsentinel connections add globex --first acme --app func-acme --set TENANT_ID=globex --set CLIENT_ID=ID --secret CLIENT_SECRET=secret.txt`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error { return c.addOne(cmd, args[0]) },
	}
	c.addWriting(cmd)
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "a setting of the connection, `SETTING=VALUE`, without the connection's name in front")
	cmd.Flags().StringArrayVar(&c.secrets, "secret", nil, "a secret `SETTING` of the connection, asked for on the terminal, or SETTING=FILE, - for stdin")
	cmd.Flags().StringVar(&c.vault, "vault", "", "the `vault` to store secrets in, by its name or address; default: the one that the app uses")
	cmd.Flags().StringVar(&c.first, "first", "", "the `name` for the connection that has none yet")
	return cmd
}

func removeConnectionCommand(p Process) *cobra.Command {
	c := &connecting{console: newConsole(p), process: p}
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a connection from an app in Azure; its state and its secrets stay",
		Long: `Remove removes a connection from the function app that --app names: from CONNECTIONS,
with all settings of its own. Everything else stays byte for byte. If the app was changed
meanwhile, nothing is written. The app restarts.

Its state stays, so a connection to the same tenant that is added later continues where
this one stopped. Its secrets stay in the vault. What still waits, in spool or inbox or
quarantine, for its answer or for the workflow, would stay there for good: then nothing
is removed, unless you pass --abandon. Unsubscribe its event triggers first.

The exit status is 0 if the connection is gone, 1 if something failed, waits or you
declined, and 2 if nothing was tried because a setting or a flag is wrong.`,
		Example: `  idnsentinel connections remove globex --app func-acme --dry-run
  idnsentinel connections remove globex --app func-acme`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error { return c.remove(cmd, args[0]) },
	}
	c.addWriting(cmd)
	cmd.Flags().BoolVar(&c.abandon, "abandon", false, "remove it even if something waits for delivery, or if that can't be seen")
	return cmd
}

// oneName accepts the name of one connection.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(cmd, fmt.Sprintf("%s takes the name of one connection, but got %d arguments", cmd.Name(), len(args)))
	}
	return nil
}

// begin returns the plan that changes nothing yet, and the connections there are.
func (c *connecting) begin(cmd *cobra.Command) (*plan, []string, error) {
	switch {
	case c.deployed == nil:
		return nil, nil, usage(cmd, "connections "+cmd.Name()+" changes an app in Azure: name it with --app")
	case c.file != "" || c.connection != "" || c.ingestionAPI != "":
		return nil, nil, usage(cmd, "connections "+cmd.Name()+" takes neither --settings nor --connection nor --ingestion-api")
	}
	list := c.deployed.known["CONNECTIONS"]
	if list != c.deployed.written["CONNECTIONS"] || config.IsReference(list) {
		return nil, nil, &failure{statusUnusable, "CONNECTIONS is kept in a vault or a store of settings: change it there", ""}
	}
	return &plan{app: c.deployed, want: maps.Clone(c.deployed.written)}, config.ConnectionsIn(list), nil
}

func (c *connecting) addOne(cmd *cobra.Command, name string) error {
	p, names, err := c.begin(cmd)
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	switch {
	case slices.Contains(names, name):
		return &failure{statusUnusable, fmt.Sprintf("there is a connection %s already", name), "idnsentinel connections list --app " + p.app.Label() + " shows all"}
	case len(names) > 0 && c.first != "":
		return usage(cmd, "--first is for an app without CONNECTIONS; this one has "+strings.Join(names, ", "))
	case len(names) == 0 && c.first == "":
		return usage(cmd, "the app has one connection without a name: give it one with --first NAME")
	case len(names) == 0:
		p.want["CONNECTIONS"] = strings.ToLower(c.first)
		p.nameFirst(strings.ToLower(c.first))
	}
	p.want["CONNECTIONS"] = strings.TrimRight(p.want["CONNECTIONS"], ", ") + "," + name
	if err := c.settings(cmd, p, name); err != nil {
		return err
	}
	p.notes = append(p.notes, "A deployment of the template replaces all settings: add the connection to its parameter moreTenants as well.")
	if err := c.carryOut(cmd, p, "add the connection "+name); err != nil {
		return err
	}
	if !c.dryRun {
		c.console.say("added the connection %s; next: %s --connection %s", name, c.again(), name)
	}
	return nil
}

// nameFirst gives the connection without a name one.
func (p *plan) nameFirst(name string) {
	for _, setting := range config.OfSources(app.SettingKinds()) {
		if value, ok := p.want[setting]; ok {
			delete(p.want, setting)
			p.want[config.PrefixOf(name)+setting] = value
		}
	}
	p.notes = append(p.notes, fmt.Sprintf("The address for pushes to the connection %s gets its name, /api/hooks/%s/…: subscribe its triggers and reports again.", name, name))
}

// settings adds those of the flags to a plan.
func (c *connecting) settings(cmd *cobra.Command, p *plan, connection string) error {
	kinds, prefix := app.SettingKinds(), config.PrefixOf(connection)
	given := map[string]bool{}
	take := func(flag, name string) (config.Setting, error) {
		s, ok := config.SettingNamed(kinds, name)
		switch {
		case !ok:
			return s, usage(cmd, fmt.Sprintf("%s: there is no setting %q; write its name without the connection's in front", flag, name))
		case s.App:
			return s, usage(cmd, fmt.Sprintf("%s: %s applies to the whole app and can't be set for one connection", flag, name))
		case given[name]:
			return s, usage(cmd, name+" is given twice")
		}
		given[name] = true
		return s, nil
	}
	for _, one := range c.set {
		name, value, ok := strings.Cut(one, "=")
		if !ok || value == "" {
			return usage(cmd, "--set needs SETTING=VALUE")
		}
		s, err := take("--set", name)
		if err != nil {
			return err
		}
		if s.Secret && !config.IsReference(value) {
			return usage(cmd, fmt.Sprintf("%s is a secret, and others can see the command line: use --secret %s", name, name))
		}
		p.want[prefix+name] = value
	}
	for _, one := range c.secrets {
		name, file, _ := strings.Cut(one, "=")
		s, err := take("--secret", name)
		if err != nil {
			return err
		}
		if !s.Secret {
			return usage(cmd, fmt.Sprintf("%s is not a secret: use --set %s=VALUE", name, name))
		}
		kept, err := c.place(cmd, p, connection, name)
		if err != nil {
			return err
		}
		kept.file = file
		p.secrets = append(p.secrets, kept)
		p.want[prefix+name] = kept.at.ID()
	}
	return nil
}

// newSecret is a secret to store.
type newSecret struct {
	at   secret.Reference
	file string // "" for the terminal, "-" for stdin
	text secret.String
}

// place chooses where a secret is stored.
func (c *connecting) place(cmd *cobra.Command, p *plan, connection, setting string) (newSecret, error) {
	references := config.VaultReferences(app.SettingKinds(), p.app.as(p.app.written))
	at := secret.Reference{Setting: config.PrefixOf(connection) + setting, Name: connection + "-" + strings.ToLower(strings.ReplaceAll(setting, "_", "-"))}
	var vaults []string
	for _, one := range references {
		if !slices.Contains(vaults, one.Vault) {
			vaults = append(vaults, one.Vault)
		}
	}
	slices.Sort(vaults)
	switch {
	case c.vault != "":
		address, problem := config.VaultAddress(p.app.origin, c.vault)
		if problem != "" {
			return newSecret{}, usage(cmd, fmt.Sprintf("--vault is %q: %s", c.vault, problem))
		}
		at.Vault = address
	case len(vaults) == 1:
		at.Vault = vaults[0]
	case len(vaults) == 0:
		return newSecret{}, usage(cmd, "no setting of the app refers to a vault: name one with --vault, which the identity of the app can read")
	default:
		return newSecret{}, usage(cmd, "the app uses several vaults: choose one with --vault "+strings.Join(vaults, " or "))
	}
	for _, name := range slices.Sorted(maps.Keys(references)) {
		if one := references[name]; one.Vault == at.Vault && strings.EqualFold(one.Name, at.Name) && name != at.Setting {
			return newSecret{}, &failure{statusUnusable, fmt.Sprintf("the %s is in use by the setting %s: choose another name for the connection", at, name), ""}
		}
	}
	return newSecret{at: at}, nil
}

// maxSecret is the most that a vault stores.
const maxSecret = 25 << 10

// read asks for a secret, or reads it from its file.
func (c *connecting) read(s *newSecret) error {
	var data []byte
	var err error
	switch {
	case s.file == "-":
		data, err = io.ReadAll(io.LimitReader(os.Stdin, maxSecret+1))
	case s.file != "":
		if data, err = os.ReadFile(s.file); err != nil {
			return &failure{statusUnusable, fmt.Sprintf("the file of %s could not be read: %v", s.at.Setting, withoutPath(err)), "--secret takes the name of a file after =, not the secret"}
		}
	case c.process.Secret == nil:
		return &failure{statusUnusable, "stdin is not a terminal, so there is no one to ask for " + s.at.Setting, "read it from a file: --secret SETTING=FILE, or - for stdin"}
	default:
		fmt.Fprintf(c.console, "%s (it is not shown): ", s.at.Setting)
		data, err = c.process.Secret()
		c.console.say("")
	}
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return &failure{statusUnusable, fmt.Sprintf("%s could not be read: %v", s.at.Setting, err), ""}
	case text == "" || len(text) > maxSecret:
		return &failure{statusUnusable, s.at.Setting + " is empty, or more than a vault can store", ""}
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }):
		return &failure{statusUnusable, s.at.Setting + " has a control character inside: is that the right file?", ""}
	}
	s.text = secret.New(text)
	return nil
}

func (c *connecting) remove(cmd *cobra.Command, name string) error {
	p, names, err := c.begin(cmd)
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	switch {
	case !slices.Contains(names, name):
		return &failure{statusUnusable, fmt.Sprintf("there is no connection %q", name), "idnsentinel connections list --app " + p.app.Label() + " shows all"}
	case len(names) == 1:
		return &failure{statusUnusable, name + " is the only connection of the app, which would have nothing to do", "to stop the app: az functionapp stop --ids " + p.app.ID}
	}
	var rest []string
	for one := range strings.SplitSeq(p.want["CONNECTIONS"], ",") {
		if !strings.EqualFold(strings.TrimSpace(one), name) {
			rest = append(rest, one)
		}
	}
	p.want["CONNECTIONS"] = strings.TrimSpace(strings.Join(rest, ","))
	var left []string
	references := config.VaultReferences(app.SettingKinds(), p.app.as(p.app.written))
	for setting := range p.app.written {
		if !config.BelongsTo(app.SettingKinds(), name, setting) {
			continue
		}
		delete(p.want, setting)
		if at, ok := references[setting]; ok {
			left = append(left, at.String())
		}
	}
	slices.Sort(left)
	if len(left) > 0 {
		p.notes = append(p.notes, "Not removed: "+strings.Join(slices.Compact(left), ", ")+".")
	}
	p.notes = append(p.notes, "A deployment of the template replaces all settings: remove the connection from its parameters as well.")
	if err := c.waiting(cmd.Context(), p, name); err != nil {
		return err
	}
	if err := c.carryOut(cmd, p, "remove the connection "+name); err != nil {
		return err
	}
	if !c.dryRun {
		c.console.say("removed the connection %s", name)
	}
	return nil
}

// waiting returns an error if records of a connection wait for delivery, or if that can't be seen.
// With --abandon it is a note.
func (c *connecting) waiting(ctx context.Context, p *plan, name string) error {
	err := c.lookForWaiting(ctx, name)
	switch {
	case err == nil:
		return nil
	case c.abandon || c.dryRun:
		p.notes = append(p.notes, "Warning: "+err.Error()+".")
		return nil
	}
	return &failure{statusFailed, err.Error() + ", so nothing was removed", "deliver it with " + c.command("poll") + " --connection " + name + ", or pass --abandon"}
}

func (c *connecting) lookForWaiting(ctx context.Context, name string) error {
	l, err := c.load()
	if problems := new(config.Problems); err != nil && (!errors.As(err, &problems) || problems.Whole) {
		return errors.New("the settings need attention, so the state can't be read for what waits")
	}
	if err := app.Select(&l.Settings, name); err != nil {
		return err
	}
	a, err := app.Open(l.Settings, l.options(c.console))
	if err != nil {
		return fmt.Errorf("the state can't be read for what waits: %w", err)
	}
	n := int64(0)
	for _, s := range a.Status(ctx).Streams {
		if s.State == status.Unknown {
			return errors.New("the state could not be read completely for what waits (idnsentinel status says why)")
		}
		n += s.Spool.N + s.Undelivered.N
		for _, more := range []*status.Count{s.Inbox, s.Owed} {
			if more != nil {
				n += more.N
			}
		}
		if s.Forwarding != nil {
			n += s.Forwarding.Waiting.N + s.Forwarding.Kept.N
		}
	}
	const where = "in spool, inbox or quarantine, for its answer or for the workflow"
	switch {
	case n == 1:
		return fmt.Errorf("1 object of the connection %s waits %s", name, where)
	case n > 0:
		return fmt.Errorf("%d objects of the connection %s wait %s", n, name, where)
	}
	return nil
}
