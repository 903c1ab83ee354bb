package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

func triggersCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "triggers",
		Short: "Subscribe to event triggers, test them, and look at what was pushed",
		Long: `Event triggers push what happens to the hook of the function app within seconds. This
command administers the subscriptions at the service: those that post to the hook of
this app, and no others.

  1. idnsentinel triggers list --settings local.settings.json
     shows what can be subscribed to, and who is subscribed
  2. idnsentinel triggers subscribe --settings local.settings.json --all-fire-and-forget
     subscribes the hook, with WEBHOOK_TOKEN, to all events that nothing waits for; the
     first time with --url https://APP.azurewebsites.net
  3. idnsentinel triggers test --settings local.settings.json identity-created
     sends a test event and waits until the workspace has acknowledged its row

Each command says which scope is missing if the client of CLIENT_ID lacks one.`,
		Example: `  idnsentinel triggers list --settings local.settings.json
  idnsentinel triggers invocations --settings local.settings.json`,
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: typos,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		triggersListCommand(p), subscribeCommand(p), unsubscribeCommand(p), testTriggerCommand(p), invocationsCommand(p), rotateTokenCommand(p), inspectCommand(p),
	)
	return cmd
}

// triggering is a triggers command in progress.
type triggering struct {
	settingsFlags
	url                   string
	awsAccount, awsRegion string
	asJSON                bool
	console               *console
	out                   io.Writer

	settings config.Connection
	options  app.Options
	service  source.EventTriggers
}

func newTriggering(p Process) *triggering {
	return &triggering{console: newConsole(p), out: p.Out}
}

func (t *triggering) addURL(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.url, "url", "", "`address` of the function app, such as https://APP.azurewebsites.net; default: that of the subscriptions there are, or of --app")
}

func (t *triggering) addEventBridge(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.awsAccount, "aws-account", "", "subscriptions over Amazon EventBridge instead of HTTP, in this AWS account `number`")
	cmd.Flags().StringVar(&t.awsRegion, "aws-region", "", "and this AWS `region`")
}

// connections calls do for each selected connection that has event triggers.
func (t *triggering) connections(cmd *cobra.Command, do func() error) error {
	l, err := t.load()
	if err != nil {
		return l.unusable(cmd, &t.settingsFlags, err)
	}
	found := false
	for _, c := range l.Connections {
		t.use(c, l.options(t.console))
		if t.service == nil {
			continue
		}
		found = true
		if err := do(); err != nil {
			return err
		}
	}
	if !found {
		return t.noTriggers()
	}
	return nil
}

// open selects the one connection for a command that changes something.
func (t *triggering) open(cmd *cobra.Command) error {
	l, err := t.load()
	if err != nil {
		return l.unusable(cmd, &t.settingsFlags, err)
	}
	if err := l.one(); err != nil {
		return err
	}
	t.use(l.Connections[0], l.options(t.console))
	if t.service == nil {
		return t.noTriggers()
	}
	return nil
}

func (t *triggering) use(c config.Connection, o app.Options) {
	t.settings, t.options, t.service = c, o, app.EventTriggers(c, o)
}

func (t *triggering) noTriggers() error {
	return &failure{statusUnusable, "no source of the settings has event triggers", "set TENANT_ID, CLIENT_ID and CLIENT_SECRET"}
}

// failed is the failure of a command after an error of the service.
func (t *triggering) failed(err error) error {
	if errors.Is(err, context.Canceled) { // by the user; time that is up is another error
		return &failure{statusFailed, "stopped", ""}
	}
	return &failure{statusFailed, oneLine(err.Error()), t.again() + " tests every part separately"}
}

// triggers lists the triggers.
func (t *triggering) triggers(ctx context.Context) (list []source.Trigger, err error) {
	_, err = check.Attempt(ctx, check.Attempts, func(ctx context.Context) (string, error) {
		list, err = t.service.Triggers(ctx)
		return "", err
	})
	if err != nil {
		return nil, t.failed(err)
	}
	slices.SortFunc(list, func(a, b source.Trigger) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// subscriptions lists the subscriptions.
func (t *triggering) subscriptions(ctx context.Context) (list []source.Subscription, err error) {
	_, err = check.Attempt(ctx, check.Attempts, func(ctx context.Context) (string, error) {
		list, err = t.service.Subscriptions(ctx)
		return "", err
	})
	if err != nil {
		return nil, t.failed(err)
	}
	return list, nil
}

// shortID is a trigger's id without the prefix that all have.
func shortID(id string) string { return strings.TrimPrefix(id, "idn:") }

// named returns the triggers with these names: their ids, with or without "idn:".
func named(cmd *cobra.Command, all []source.Trigger, names []string) (list []source.Trigger, err error) {
	for _, name := range names {
		i := slices.IndexFunc(all, func(one source.Trigger) bool {
			return strings.EqualFold(one.ID, name) || strings.EqualFold(shortID(one.ID), name) || strings.EqualFold(one.Name, name)
		})
		if i < 0 {
			return nil, &failure{statusUnusable, fmt.Sprintf("there is no trigger %q", name), cmd.Parent().CommandPath() + " list shows all"}
		}
		if !slices.ContainsFunc(list, func(one source.Trigger) bool { return one.ID == all[i].ID }) {
			list = append(list, all[i])
		}
	}
	return list, nil
}

// hookOf returns the address of the connector's hook that a subscription posts to, if it posts to
// one for this connection.
func (t *triggering) hookOf(s source.Subscription) (hook string, ok bool) {
	host, path, found := strings.Cut(s.URL, "/api/hooks/")
	own := strings.TrimPrefix(t.hookPath(), "/api/hooks/")
	if s.Delivery != source.OverHTTP || !found || !strings.EqualFold(path, own) && !strings.HasPrefix(strings.ToLower(path), own+"/") {
		return "", false
	}
	return host + t.hookPath(), true
}

// hookPath is the path of the connection's hook in the app.
func (t *triggering) hookPath() string {
	return app.HookAddress(t.settings.Name, t.service.HookName())
}

// target says where the events go to. known are the subscriptions there are, from which the
// address is taken if no flag has it.
func (t *triggering) target(cmd *cobra.Command, known []source.Subscription) (subscriptions.Target, error) {
	to := subscriptions.Target{Connection: t.settings.Name, Delivery: source.OverHTTP}
	if t.awsAccount != "" || t.awsRegion != "" {
		to.Delivery, to.AWSAccount, to.Region = source.OverEventBridge, t.awsAccount, t.awsRegion
		switch {
		case !awsAccount.MatchString(t.awsAccount):
			return to, usage(cmd, "--aws-account is "+quoted(t.awsAccount)+": write the 12 digits of the account")
		case !awsRegion.MatchString(t.awsRegion):
			return to, usage(cmd, "--aws-region is "+quoted(t.awsRegion)+": write a region such as eu-west-1")
		case t.url != "":
			return to, usage(cmd, "--url and --aws-account exclude each other: over EventBridge, AWS knows the address")
		}
		return to, nil
	}
	var err error
	to.Hook, err = t.hook(cmd, known)
	return to, err
}

var (
	awsAccount = regexp.MustCompile(`^\d{12}$`)
	awsRegion  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+$`)
)

func quoted(s string) string { return fmt.Sprintf("%q", oneLine(s)) }

// hook returns the address of the hook for event triggers.
func (t *triggering) hook(cmd *cobra.Command, known []source.Subscription) (string, error) {
	given := t.url
	if given == "" {
		if host, _, ok := config.Lookup("WEBSITE_HOSTNAME", config.Environment()); ok && strings.Contains(host, ".") && !strings.Contains(host, ":") {
			given = "https://" + host // App Service sets it in the app
		}
	}
	if given != "" {
		hook, problem := t.hookAt(given)
		if problem != "" {
			return "", usage(cmd, "--url "+problem)
		}
		return hook, nil
	}
	var found []string
	for _, s := range known {
		if hook, ok := t.hookOf(s); ok && !slices.Contains(found, hook) {
			found = append(found, hook)
		}
	}
	if own := t.ownHook(); own != "" && (len(found) == 0 || slices.Contains(found, own)) {
		return own, nil
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &failure{statusUnusable, "the address of the function app is not known: no subscription posts to a hook of the connector yet", "pass it as --url https://APP.azurewebsites.net"}
	}
	slices.Sort(found)
	return "", &failure{statusUnusable, "subscriptions post to several apps: " + strings.Join(found, ", "), "choose one with --url"}
}

// ownHook is the hook of the app that --app names; "" without.
func (t *triggering) ownHook() string {
	if t.deployed == nil || t.deployed.Host == "" {
		return ""
	}
	return "https://" + t.deployed.Host + t.hookPath()
}

// hookAt completes an address that a person gave.
func (t *triggering) hookAt(given string) (hook, problem string) {
	given = strings.TrimRight(strings.TrimSpace(given), "/")
	if !strings.Contains(given, "://") {
		given = "https://" + given
	}
	u, err := url.Parse(given)
	switch {
	case err != nil || u.Host == "":
		return "", "is not an address: write it like https://APP.azurewebsites.net"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", "has credentials or a query in it: write only the address of the app; the token comes from WEBHOOK_TOKEN"
	case u.Scheme != "https" && (u.Scheme != "http" || !address.Loopback(u.Hostname())):
		return "", "does not begin with https://: events must not travel in the clear"
	}
	own := t.hookPath()
	if path := strings.TrimRight(u.Path, "/"); !strings.HasPrefix(own+"/", path+"/") {
		return "", fmt.Sprintf("has the path %s: write only the address of the app; %s is added", oneLine(path), own)
	}
	return u.Scheme + "://" + u.Host + own, ""
}

// credentials adds to a target what the service must present to the hook. It may be in a vault.
func (t *triggering) credentials(ctx context.Context, to *subscriptions.Target) (err error) {
	if to.Delivery == source.OverEventBridge {
		return nil // AWS has them
	}
	own := t.settings.EventTriggers()
	switch {
	case own != nil && !own.Token.IsZero():
		to.Auth = source.BearerToken
		to.Token, err = app.HookCredential(ctx, t.options, own.Token)
	case own != nil && own.Username != "":
		to.Auth, to.UserName = source.BasicAuth, own.Username
		to.Password, err = app.HookCredential(ctx, t.options, own.Password)
	default:
		return &failure{
			statusUnusable, "WEBHOOK_TOKEN is not set: the hook accepts nothing without it",
			"choose a long random text, and set it in the settings of the app and in these",
		}
	}
	if err != nil {
		return &failure{statusFailed, oneLine(err.Error()), "nothing was changed; " + t.again() + " tests every part separately"}
	}
	return nil
}
