package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/saas"
)

// secretVariable is read instead of a flag, which others on the machine could see.
const secretVariable = "SAAS_WEBHOOK_SECRET"

func reportCommand() *cobra.Command {
	var c saas.Schedule
	var rows int
	var seed int64
	cmd := &cobra.Command{
		Use:   "report URL",
		Short: "Send a synthetic report, as SaaS Management may send one, to a hook",
		Long: `Send a synthetic report, as SaaS Management may send one, to the address at which
an app receives reports, for instance https://NAME.azurewebsites.net/api/hooks/saas/trial.
The secret is read from the environment variable ` + secretVariable + `.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Webhook.URL, c.Webhook.Secret = args[0], os.Getenv(secretVariable)
			switch {
			case c.Webhook.Secret == "":
				return errors.New("set " + secretVariable + " to the secret of the hook")
			case !slices.Contains(saas.Forms(), c.Form):
				return fmt.Errorf("--form: %q is not one of %q", c.Form, saas.Forms())
			case !slices.Contains([]saas.Presents{saas.Bearer, saas.Alone, saas.Basic}, c.Webhook.Presents):
				return fmt.Errorf("--secret-as: %q is neither %q nor %q, nor left out", c.Webhook.Presents, saas.Alone, saas.Basic)
			case rows < 1:
				return errors.New("--rows: a report has at least one row")
			}
			if c.Form == saas.Single {
				rows = 1
			}
			begin := time.Now()
			a, err := new(saas.Sender).Send(cmd.Context(), c, saas.Licenses(seed, rows))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "report %q with %d rows: answered with status %d after %.2f s\n", a.Report, a.Rows, a.Status, time.Since(begin).Seconds())
			return nil
		},
	}
	cmd.Flags().IntVar(&rows, "rows", 100, "number of rows")
	cmd.Flags().Int64Var(&seed, "seed", time.Now().Unix(), "seed of the synthetic data; with the same one the report is the same")
	cmd.Flags().StringVar((*string)(&c.Form), "form", "", fmt.Sprintf("how it is written, one of %q; left out: a list of objects", saas.Forms()[1:]))
	cmd.Flags().StringVar((*string)(&c.Webhook.Presents), "secret-as", "", `how the secret is sent: "alone" or "basic"; left out: as a Bearer token`)
	cmd.Flags().BoolVar(&c.Gzip, "gzip", false, "compress the body")
	cmd.Flags().BoolVar(&c.Chunked, "chunked", false, "leave out Content-Length")
	cmd.Flags().BoolVar(&c.Twice, "twice", false, "send it a second time once it is accepted")
	cmd.Flags().IntVar(&c.Retries, "retries", 0, "how often to send it again after an answer that is not 2xx")
	cmd.Flags().DurationVar(&c.Wait, "wait", 10*time.Second, "how long to wait before that")
	return cmd
}
