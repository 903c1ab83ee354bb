package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// check is a check command under way.
type check struct {
	settingsFlags
	asJSON  bool
	console *console
	out     io.Writer
}

func checkCommand(p Process) *cobra.Command {
	c := &check{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try settings, token, scopes, state and workspace, each by itself; nothing is ingested",
		Long: `Check tries every part of the connector by itself and prints a line for each: ok,
FAIL with the remedy, or skipped where it needs something that failed.

  settings     every setting is valid; what they come to, without secrets
  tenant       the tenant's host answers
  token        CLIENT_ID and CLIENT_SECRET give an access token
  search       events can be read (scope sp:search:read)
  triggers     trigger invocations can be read
               (scope sp:trigger-service-invocation-status:read)
  state        checkpoints can be kept: a probe is written, read and removed
  checkpoint   the checkpoint of each stream can be read, and how far it is
  workspace    CUSTOMER_ID and SHARED_KEY are accepted, or the data collection rule
               takes this identity and has every stream
  clock        this machine's clock agrees with theirs

Nothing is ingested and no checkpoint is changed.

` + settingsHelp + `

Without a workspace or storage account add --ingestion-api ndjson: then only the side
of SailPoint is checked.

The exit status is 0 if all is well, 1 if a check failed, and 2 if a setting is wrong
or missing, in which case nothing else is tried.`,
		Example: `  # the settings of a file
  idnsentinel check --settings local.settings.json

  # only the side of SailPoint
  idnsentinel check --settings local.settings.json --ingestion-api ndjson

  # for a script
  idnsentinel check --settings local.settings.json --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print the findings as JSON, all at the end")
	return cmd
}

func (c *check) run(cmd *cobra.Command) error {
	l, err := c.load()
	var problems *config.Problems
	switch {
	case errors.As(err, &problems):
		return c.unusable(cmd, l, problems)
	case err != nil:
		return err
	}
	var all []app.Finding
	failed := false
	app.Check(cmd.Context(), l.Settings, l.options(c.console), func(f app.Finding) {
		failed = failed || f.State != app.Passed
		all = append(all, f)
		if !c.asJSON {
			c.print(f)
		}
	})
	if c.asJSON {
		if err := printJSON(c.out, all); err != nil {
			return err
		}
	}
	if failed {
		return &failure{status: statusFailed}
	}
	return nil
}

// unusable tells the problems of the settings in the form of findings.
func (c *check) unusable(cmd *cobra.Command, l loaded, problems *config.Problems) error {
	findings := l.findings(problems)
	if c.asJSON {
		if err := printJSON(c.out, findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			c.print(f)
		}
		c.print(app.Finding{Item: "everything else", State: app.Skipped, Detail: "needs settings"})
	}
	return &failure{statusUnusable, "", c.hint(cmd)}
}

func (c *check) print(f app.Finding) {
	verdict := string(f.State)
	if f.State == app.Failed {
		verdict = "FAIL"
	}
	fmt.Fprintf(c.out, "%-8s %-22s %s\n", verdict, f.Item, f.Detail)
}
