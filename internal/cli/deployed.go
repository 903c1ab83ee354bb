package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/deployed"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// armTimeout limits all that Azure Resource Manager is asked before a command begins.
const armTimeout = time.Minute

// appFlags name a function app in Azure whose settings count.
type appFlags struct {
	name  deployed.Name
	cloud string
}

func (a *appFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&a.name.App, "app", "", "use the settings of this function app in Azure: its `name` or its resource ID")
	flags.StringVar(&a.name.Group, "resource-group", "", "the app's resource `group`; without it, the app is searched for")
	flags.StringVar(&a.name.Subscription, "subscription", "", "the `id` of the app's subscription; without it, the app is searched for")
	flags.StringVar(&a.name.Slot, "slot", "", "a deployment slot of the app, by `name`")
	flags.StringVar(&a.cloud, "cloud", "", "the app's `cloud`: public, usgovernment, china, or the address of a resource manager; default: by AZURE_AUTHORITY_HOST, else public")
}

// words are the flags as they were given.
func (a *appFlags) words() [][2]string {
	return [][2]string{
		{"--app", a.name.App}, {"--resource-group", a.name.Group}, {"--subscription", a.name.Subscription}, {"--slot", a.name.Slot}, {"--cloud", a.cloud},
	}
}

// deployedApp is the app that the flags name.
type deployedApp struct {
	deployed.Site
	client *deployed.Client
	origin config.Origin
	// as makes the same origin of other settings.
	as func(map[string]string) config.Origin
	// written are the settings as they are written there, and known is the same with the values of
	// references that were read.
	written, known map[string]string
	// kept says by name which values the platform takes from a vault, and from where.
	kept map[string]string
	// unread says by name which settings have values that could not be read here, and why.
	unread map[string]string
}

// reach reads the settings of the app, if the flags name one.
func (f *settingsFlags) reach(cmd *cobra.Command, a *appFlags) error {
	if a.name.App == "" {
		for _, flag := range a.words()[1:] {
			if flag[1] != "" {
				return usage(cmd, flag[0]+" needs --app")
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), armTimeout)
	defer cancel()
	found, err := f.find(ctx, a)
	if err != nil {
		return appFailure(cmd, err)
	}
	f.deployed = found
	return nil
}

// appFailure is the failure of a command that could not read the settings of an app.
func appFailure(cmd *cobra.Command, err error) error {
	known := new(deployed.Error)
	switch {
	case errors.As(err, &known) && known.Usage:
		return usage(cmd, known.Text)
	case deployed.Denied(err):
		return &failure{statusUnusable, err.Error(), "docs/deploy.md lists the rights that --app needs"}
	case cmd.Context().Err() != nil:
		return &failure{statusFailed, "stopped", ""}
	}
	return &failure{statusUnusable, err.Error(), ""}
}

// find finds the app and reads its settings.
func (f *settingsFlags) find(ctx context.Context, a *appFlags) (*deployedApp, error) {
	if _, err := a.name.Parse(); err != nil {
		return nil, err
	}
	client := transport.NoRedirects(transport.NewClient(transport.Config{Version: version.String()})) // a token must not go elsewhere
	where, err := deployed.ParseCloud(ctx, a.cloud, client)
	if err != nil {
		return nil, err
	}
	credential, err := azsdk.Person(where.Identity())
	if err != nil {
		return nil, fmt.Errorf("you can't sign in to Azure: %s", azsdk.Text(err))
	}
	cfg := deployed.Config{Cloud: where, Credential: credential}
	cfg.ClientOptions.Transport = client
	manager, err := deployed.New(cfg)
	if err != nil {
		return nil, err
	}
	site, err := manager.Find(ctx, a.name)
	if err != nil {
		return nil, err
	}
	values, err := manager.Settings(ctx, site)
	if err != nil {
		return nil, err
	}
	inAzure := site.App
	if f.state != "" {
		inAzure = ""
	}
	d := &deployedApp{Site: site, client: manager, written: values, known: maps.Clone(values), kept: map[string]string{}, unread: map[string]string{}}
	d.as = func(values map[string]string) config.Origin {
		return config.Deployed("the app "+site.Label(), inAzure, where.Identity().ActiveDirectoryAuthorityHost, values)
	}
	d.origin = d.as(values)
	d.resolve(ctx)
	d.origin = d.as(d.known)
	return d, nil
}

// resolve replaces references that the platform resolves, and that the program does not read by
// itself, by what the vaults hold for this person.
func (d *deployedApp) resolve(ctx context.Context) {
	references, vaults := config.PlatformReferences(app.SettingKinds(), d.origin), newVaults()
	for _, name := range slices.Sorted(maps.Keys(references)) {
		d.kept[name] = references[name].String()
		text, err := vaults.Secret(references[name]).Get(ctx)
		if err != nil {
			d.unread[name] = strings.TrimPrefix(err.Error(), name+" ") + "; or give its value in a file with --settings"
			continue
		}
		d.known[name] = text.Reveal()
	}
	for name, value := range d.written {
		if config.IsStoreReference(value) {
			d.unread[name] = "is an App Configuration reference, which this command does not resolve: give its value in a file with --settings"
		}
	}
}

// newVaults returns vaults for a person.
func newVaults() *keyvault.Vaults {
	cfg := keyvault.Config{Credential: (&azsdk.Identities{Person: true}).Credential}
	cfg.ClientOptions.Transport = transport.NoRedirects(transport.NewClient(transport.Config{Version: version.String()})) // a token must not go elsewhere
	return keyvault.New(cfg)
}

// adjust adapts the settings of the app to this machine. err is what is wrong with them.
func (d *deployedApp) adjust(s *config.Settings, err error) {
	s.LogLevel = slog.LevelInfo // LOG_LEVEL is for the log of the app
	for i := range s.Connections {
		d.explain(s.Connections[i].Problems)
	}
	var problems *config.Problems
	if errors.As(err, &problems) {
		d.explain(problems.List)
	}
}

// explain replaces what is said about settings of the app that could not be read here.
func (d *deployedApp) explain(problems []config.Problem) {
	for i, p := range problems {
		if why := d.unread[p.Setting]; why != "" && p.Origin == d.origin.Name {
			problems[i].Message = why
		}
	}
}

// summary describes the app in a sentence.
func (d *deployedApp) summary() string {
	state := "is running"
	switch {
	case d.Exceeded:
		state = "was stopped by the platform, because a quota is used up"
	case !d.Running():
		state = "is " + strings.ToLower(oneLine(d.State))
	}
	parts := []string{}
	for _, part := range []string{d.Plan, d.Location} {
		if part != "" {
			parts = append(parts, oneLine(part))
		}
	}
	return fmt.Sprintf("%s %s (%s), resource group %s, subscription %s", d.Label(), state, strings.Join(parts, ", "), d.Group, d.Subscription)
}

// check reports what Azure knows about the app.
func (d *deployedApp) check(ctx context.Context, report check.Report) {
	if d.Running() {
		report.Pass("app", fmt.Sprintf("%s; its %d settings could be read", d.summary(), len(d.written)))
		report.Try(ctx, "app functions", d.checkFunctions)
	} else {
		report.Fail("app", fmt.Errorf("%s: nothing is collected meanwhile, and nothing is lost; start it with %s", d.summary(), d.Start()))
		report.Skip("app functions", "needs a running app")
	}
	report.Try(ctx, "app references", d.checkReferences)
}

// checkFunctions looks for the functions of the package.
func (d *deployedApp) checkFunctions(ctx context.Context) (string, error) {
	const (
		poller = "function" // the folder of the timer
		worker = "work"     // that of the queue
	)
	list, err := d.client.Functions(ctx, d.Site)
	if err != nil {
		return "", err
	}
	var on, off []string
	for _, f := range list {
		if f.Disabled {
			off = append(off, f.Name)
		} else {
			on = append(on, f.Name)
		}
	}
	slices.Sort(on)
	slices.Sort(off)
	switch {
	case len(list) == 0:
		return "", errors.New("the app has no functions: the package is not deployed, or its host can't start; deploy it again (docs/deploy.md), and look at the app's log stream")
	case slices.Contains(off, poller):
		return "", fmt.Errorf("the function %q is disabled: enable it in the portal under Functions, or remove the setting AzureWebJobs.%s.Disabled", poller, poller)
	case !slices.Contains(on, poller):
		return "", fmt.Errorf("the app has %s, and no function %q: it may be another app, or run another package", strings.Join(append(on, off...), ", "), poller)
	}
	if strings.EqualFold(strings.TrimSpace(d.known["FAN_OUT"]), "queue") && !slices.Contains(on, worker) {
		return "", fmt.Errorf("FAN_OUT is queue, and the app has no function %q that is enabled: deploy released-package-queue.zip, enable it, or set FAN_OUT to off", worker)
	}
	text := strings.Join(on, ", ") + " can run"
	if len(off) > 0 {
		text += "; disabled: " + strings.Join(off, ", ")
	}
	return text, nil
}

// checkReferences says which references the platform could not resolve.
func (d *deployedApp) checkReferences(ctx context.Context) (string, error) {
	list, err := d.client.References(ctx, d.Site)
	if err != nil {
		return "", err
	}
	var bad []string
	for _, r := range list {
		if !r.Resolved() {
			bad = append(bad, fmt.Sprintf("%s (%s: %s)", oneLine(r.Setting), oneLine(r.Status), r.Remedy()))
		}
	}
	switch {
	case len(list) == 0:
		return "no setting is a reference that the platform resolves", nil
	case len(bad) == 0:
		return fmt.Sprintf("the platform has resolved all %d Key Vault references", len(list)), nil
	}
	return "", fmt.Errorf("the platform could not resolve %d of %d Key Vault references: %s; it tries again within a day, or when a setting changes; secrets the program also reads by itself", len(bad), len(list), strings.Join(bad, "; "))
}
