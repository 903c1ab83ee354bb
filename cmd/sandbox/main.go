// Command sandbox simulates the connector's surroundings on this machine: stand-ins for a
// tenant, a workspace and the Functions host, with synthetic data.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/watch"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := root(os.Stdout).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

func root(out io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "sandbox",
		Short:         "Stand-ins for SailPoint, Azure Monitor and the Functions host, with synthetic data",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetOut(out)
	cmd.AddCommand(demoCommand(), serveCommand(), reportCommand())
	return cmd
}

func demoCommand() *cobra.Command {
	var o demo.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole job with the real handler between stand-ins, with a kill in the middle",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			if verbose {
				o.Log = o.Out
			}
			if _, err := os.Stat(o.Handler); err != nil {
				return fmt.Errorf("--handler: %w (run make build)", err)
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Handler, "handler", "./handler", "the handler binary")
	cmd.Flags().Int64Var(&o.Seed, "seed", 1, "seed of the synthetic data")
	cmd.Flags().DurationVar(&o.Past, "past", 2*time.Hour, "how far back the events begin")
	cmd.Flags().Float64Var(&o.Rate, "rate", 5, "events per second")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what the handler logs")
	return cmd
}

func serveCommand() *cobra.Command {
	var cfg watch.Config
	var faults []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a stand-in tenant and workspace until Ctrl-C, with the connector between them and a page to watch",
		Long: `Serve a stand-in tenant and workspace on this machine until Ctrl-C, and run
"idnsentinel serve" between them. The page at the address that is printed shows the
tables as they fill, how complete they are and the connector's log, and has buttons
for faults; --fault has them from the start.

The command also prints the settings as shell exports: paste them into another terminal
and run "./idnsentinel check", "status" or "poll" there. With --connector "" nothing
else uses the stand-ins.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, f := range faults {
				cfg.Faults = append(cfg.Faults, watch.Fault(f))
			}
			if cfg.Connector == "" {
				return standIns(cmd, cfg)
			}
			return watched(cmd, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Connector, "connector", "./idnsentinel", "the idnsentinel binary to run; \"\" for none")
	flags.StringVar(&cfg.Address, "page", "127.0.0.1:7800", "address of the page")
	flags.StringSliceVar(&faults, "fault", nil, "faults from the start: throttle, outage, late, poison")
	flags.StringVar(&cfg.Stage.TenantAddr, "tenant", "127.0.0.1:7801", "address of the tenant")
	flags.StringVar(&cfg.Stage.WorkspaceAddr, "workspace", "127.0.0.1:7802", "address of the workspace")
	flags.BoolVar(&cfg.Stage.IdentityIQ, "iiq", false, "also serve an IdentityIQ server with the SIEM plugin")
	flags.StringVar(&cfg.Stage.IdentityIQAddr, "iiq-address", "127.0.0.1:7803", "address of that server")
	flags.BoolVar(&cfg.Stage.Okta, "okta", false, "also serve an Okta org")
	flags.StringVar(&cfg.Stage.OktaAddr, "okta-address", "127.0.0.1:7804", "address of that org")
	flags.BoolVar(&cfg.Stage.Rule, "rule", false, "use a data collection rule (Logs Ingestion API) and a managed identity instead of a workspace key")
	flags.StringVar(&cfg.State, "state", os.TempDir()+"/idn-sentinel-state", "folder for the state, as used in the printed settings")
	flags.Int64Var(&cfg.Stage.Seed, "seed", 1, "seed of the synthetic data")
	flags.DurationVar(&cfg.Stage.Past, "past", 2*time.Hour, "how far back the events begin")
	flags.Float64Var(&cfg.Stage.Rate, "rate", 5, "events per second")
	return cmd
}

// standIns serves nothing but the stand-ins.
func standIns(cmd *cobra.Command, cfg watch.Config) error {
	if len(cfg.Faults) > 0 {
		return errors.New("--fault needs --connector")
	}
	stage, err := demo.NewStage(cmd.Context(), cfg.Stage)
	if err != nil {
		return err
	}
	defer stage.Close()
	printSettings(cmd.OutOrStdout(), stage.Settings(cfg.State))
	<-cmd.Context().Done()
	fmt.Fprintf(cmd.OutOrStdout(), "\n%d rows arrived\n", stage.Workspace.Stats().Rows)
	return nil
}

// watched serves the stand-ins with the connector between them, and the page.
func watched(cmd *cobra.Command, cfg watch.Config) error {
	if _, err := os.Stat(cfg.Connector); err != nil {
		return fmt.Errorf("--connector: %w (run make build, or pass --connector \"\")", err)
	}
	w, address, err := watch.Start(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer w.Close()
	printSettings(cmd.OutOrStdout(), w.Settings(cfg.State))
	fmt.Fprintf(cmd.OutOrStdout(), "ready: watch at %s (Ctrl-C ends)\n", address)
	<-cmd.Context().Done()
	fmt.Fprintf(cmd.OutOrStdout(), "\n%d rows arrived\n", w.Rows())
	return nil
}

func printSettings(out io.Writer, settings []string) {
	for _, s := range settings {
		fmt.Fprintf(out, "export %s\n", s)
	}
}
