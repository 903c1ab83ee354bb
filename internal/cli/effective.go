package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// showing is a settings command in progress.
type showing struct {
	settingsFlags
	all, asJSON bool
	console     *console
	out         io.Writer
}

func settingsCommand(p Process) *cobra.Command {
	c := &showing{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show which settings apply, and where each value comes from; no secrets",
		Long: `Settings lists every setting that is set, with the place that its value comes from: a
flag, the environment, the file or the app. With --all it also lists those that are not
set, with their defaults. Nothing is sent anywhere, but --app reads what the app has.

A secret is shown as "(secret)", or as the secret's name and vault if it is kept there.
What may carry a password or a signature is cut out of addresses, and a value that can't
be right is not shown.

` + settingsHelp + `

The exit status is 0 if all settings are valid, and 2 if one needs attention.`,
		Example: `  idnsentinel settings --settings local.settings.json
  idnsentinel settings --settings local.settings.json --all --json
  idnsentinel settings --app func-acme --resource-group rg-acme`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "also list settings that are not set, with their defaults")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// shownSetting is a setting in the output.
type shownSetting struct {
	Connection string `json:"connection,omitempty"`
	Setting    string `json:"setting"` // the name that it was found under
	Value      string `json:"value"`
	From       string `json:"from"`
}

func (c *showing) run(cmd *cobra.Command) error {
	l, invalid := c.load()
	var problems *config.Problems
	if invalid != nil && !errors.As(invalid, &problems) {
		return invalid
	}
	wrong := map[string]bool{}
	if problems != nil {
		for _, p := range problems.List {
			wrong[p.Setting] = true
		}
	}
	origins, err := c.places()
	if err != nil {
		return err
	}
	list := []shownSetting{}
	for _, v := range config.Effective(app.SettingKinds(), origins...) {
		other := v.Connection != "" && c.connection != "" && !strings.EqualFold(v.Connection, c.connection)
		if other || v.Found == "" && !c.all {
			continue
		}
		one := shown(v, wrong)
		if c.deployed != nil && v.Origin == c.deployed.origin.Name && config.OnlyThere(v.Found) {
			one.From += ", not used here"
		}
		if at := c.keptInVault(v); at != "" && !wrong[v.Found] {
			one.Value = at
		}
		list = append(list, one)
	}
	if err := c.print(list, l.Hints); err != nil {
		return err
	}
	if invalid != nil {
		return l.unusable(cmd, &c.settingsFlags, invalid)
	}
	return nil
}

// keptInVault says where a vault has a value that was read for a command: what is kept there is not
// shown.
func (c *showing) keptInVault(v config.Value) string {
	if c.deployed == nil || v.Origin != c.deployed.origin.Name {
		return ""
	}
	return c.deployed.kept[v.Found]
}

// shown is a value for the output.
func shown(v config.Value, wrong map[string]bool) shownSetting {
	s := shownSetting{Connection: v.Connection, Setting: cmp.Or(v.Found, v.Name), Value: v.Text, From: v.Origin}
	switch {
	case v.Found == "":
		s.Value, s.From = cmp.Or(v.Text, v.Otherwise), "default"
	case wrong[v.Found]:
		s.Value = "(needs attention)"
	case v.Secret && v.Text == "":
		s.Value = "(secret)"
	}
	return s
}

func (c *showing) print(list []shownSetting, hints []config.Problem) error {
	if c.asJSON {
		return printJSON(c.out, list)
	}
	t := grid{head: []string{"SETTING", "VALUE", "FROM"}}
	for _, s := range list {
		t.add(app.Label(s.Connection, s.Setting), oneLine(s.Value), s.From)
	}
	t.write(c.out, c.console.columns)
	for _, hint := range hints {
		fmt.Fprintln(c.out, c.console.fit("note: "+hint.Setting+" "+hint.Message, 0, 2))
	}
	return nil
}
