// Command sandbox simulates the connector's surroundings on this machine: stand-ins for a
// tenant, a workspace and the Functions host, with synthetic data.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
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
	var cfg demo.StageConfig
	var state string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a stand-in tenant and workspace until Ctrl-C, to try the other commands",
		Long: `Serve a stand-in tenant and workspace on this machine until Ctrl-C. The command
prints the settings to use as shell exports: paste them into another terminal
and run "./idnsentinel check" and "./idnsentinel poll" there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stage, err := demo.NewStage(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer stage.Close()
			for _, s := range stage.Settings(state) {
				fmt.Fprintf(cmd.OutOrStdout(), "export %s\n", s)
			}
			<-cmd.Context().Done()
			fmt.Fprintf(cmd.OutOrStdout(), "\n%d rows arrived\n", stage.Workspace.Stats().Rows)
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.TenantAddr, "tenant", "127.0.0.1:7801", "address of the tenant")
	cmd.Flags().StringVar(&cfg.WorkspaceAddr, "workspace", "127.0.0.1:7802", "address of the workspace")
	cmd.Flags().BoolVar(&cfg.IdentityIQ, "iiq", false, "also serve an IdentityIQ server with the SIEM plugin")
	cmd.Flags().StringVar(&cfg.IdentityIQAddr, "iiq-address", "127.0.0.1:7803", "address of that server")
	cmd.Flags().BoolVar(&cfg.Rule, "rule", false, "use a data collection rule (Logs Ingestion API) and a managed identity instead of a workspace key")
	cmd.Flags().StringVar(&state, "state", os.TempDir()+"/idn-sentinel-state", "folder for the state, as used in the printed settings")
	cmd.Flags().Int64Var(&cfg.Seed, "seed", 1, "seed of the synthetic data")
	cmd.Flags().DurationVar(&cfg.Past, "past", 2*time.Hour, "how far back the events begin")
	cmd.Flags().Float64Var(&cfg.Rate, "rate", 5, "events per second")
	return cmd
}
