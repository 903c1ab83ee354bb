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
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/watch"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// stopped is the exit status after Ctrl-C, as shells have it.
const stopped = 130

// run runs a command line and returns the exit status. The first Ctrl-C ends it in order, the second
// at once.
func run(args []string, out, complaints io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd := root(out)
	cmd.SetArgs(args)
	cmd.SetErr(complaints)
	err := cmd.ExecuteContext(ctx)
	switch {
	case ctx.Err() != nil: // whatever fails then fails because of it
		fmt.Fprintln(complaints, "sandbox: stopped: the stand-ins and what they held are gone")
		return stopped
	case err != nil:
		fmt.Fprintln(complaints, "sandbox:", err)
		if strings.HasPrefix(err.Error(), "unknown") {
			fmt.Fprintln(complaints, "hint: sandbox --help lists commands, sandbox serve --help flags")
		}
		return 1
	}
	return 0
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
	cmd.Flags().StringVar(&o.Handler, "handler", beside("handler"), "the handler binary")
	cmd.Flags().Int64Var(&o.Seed, "seed", 1, "seed of the synthetic data")
	cmd.Flags().DurationVar(&o.Past, "past", 2*time.Hour, "how far back the events begin")
	cmd.Flags().Float64Var(&o.Rate, "rate", 5, "events per second")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what the handler logs")
	return cmd
}

func serveCommand() *cobra.Command {
	var cfg watch.Config
	var faults []string
	var settings string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a stand-in tenant and workspace until Ctrl-C, with the connector between them and a page to watch",
		Long: `Serve a stand-in tenant and workspace on this machine until Ctrl-C, and run
"idnsentinel serve" between them. The page at the address that is printed shows the
tables as they fill, how complete they are, the connector's runs and its log, and has
buttons for faults and for more events; --fault has faults from the start.

The command also writes the settings into a file, for "idnsentinel check", "status" or
"poll" in another terminal, and prints them as shell exports. With --connector ""
nothing else uses the stand-ins.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, f := range faults {
				cfg.Faults = append(cfg.Faults, watch.Fault(f))
			}
			if err := placeState(cmd, &cfg.State); err != nil {
				return err
			}
			if cfg.Connector == "" {
				return standIns(cmd, cfg, settings)
			}
			return watched(cmd, cfg, settings)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Connector, "connector", beside("idnsentinel"), "the idnsentinel binary to run; \"\" for none")
	flags.StringVar(&cfg.Address, "page", "127.0.0.1:7800", "address of the page")
	flags.StringSliceVar(&faults, "fault", nil, "faults from the start: throttle, outage, late, poison")
	flags.StringVar(&cfg.Stage.TenantAddr, "tenant", "127.0.0.1:7801", "address of the tenant")
	flags.StringVar(&cfg.Stage.WorkspaceAddr, "workspace", "127.0.0.1:7802", "address of the workspace")
	flags.BoolVar(&cfg.Stage.IdentityIQ, "iiq", false, "also serve an IdentityIQ server with the SIEM plugin")
	flags.StringVar(&cfg.Stage.IdentityIQAddr, "iiq-address", "127.0.0.1:7803", "address of that server")
	flags.BoolVar(&cfg.Stage.Okta, "okta", false, "also serve an Okta org")
	flags.StringVar(&cfg.Stage.OktaAddr, "okta-address", "127.0.0.1:7804", "address of that org")
	flags.BoolVar(&cfg.Stage.Rule, "rule", false, "use a data collection rule (Logs Ingestion API) and a managed identity instead of a workspace key")
	flags.StringVar(&cfg.State, "state", "", "`folder` for the state, as used in the printed settings; default: a new one, since the stand-ins begin anew, too")
	flags.StringVar(&settings, "settings", filepath.Join(os.TempDir(), "idn-sentinel-sandbox.json"), "file to write the settings into")
	flags.Int64Var(&cfg.Stage.Seed, "seed", 1, "seed of the synthetic data")
	flags.DurationVar(&cfg.Stage.Past, "past", 2*time.Hour, "how far back the events begin")
	flags.Float64Var(&cfg.Stage.Rate, "rate", 5, "events per second")
	return cmd
}

// placeState makes a new folder for the state if none is named, and says what comes of one that holds an
// earlier state.
func placeState(cmd *cobra.Command, folder *string) (err error) {
	if *folder == "" {
		*folder, err = os.MkdirTemp("", "idn-sentinel-state-")
		return err
	}
	if entries, err := os.ReadDir(*folder); err == nil && len(entries) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "note: %s holds an earlier state: events of the same --seed that it knows are not sent again, so the tables may stay nearly empty\n", *folder)
	}
	return nil // what is wrong with the folder, the connector says
}

// standIns serves nothing but the stand-ins.
func standIns(cmd *cobra.Command, cfg watch.Config, file string) error {
	if len(cfg.Faults) > 0 {
		return errors.New("--fault needs --connector")
	}
	stage, err := demo.NewStage(cmd.Context(), cfg.Stage)
	if err != nil {
		return err
	}
	defer stage.Close()
	if err := tellSettings(cmd.OutOrStdout(), stage.Settings(cfg.State), file); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "ready (Ctrl-C ends)")
	next(cmd.OutOrStdout(), beside("idnsentinel"), file)
	<-cmd.Context().Done()
	fmt.Fprintf(cmd.OutOrStdout(), "\n%d rows arrived\n", stage.Workspace.Stats().Rows)
	return nil
}

// watched serves the stand-ins with the connector between them, and the page.
func watched(cmd *cobra.Command, cfg watch.Config, file string) error {
	if _, err := os.Stat(cfg.Connector); err != nil {
		return fmt.Errorf("--connector: %w (run make build, or pass --connector \"\")", err)
	}
	w, address, err := watch.Start(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := tellSettings(cmd.OutOrStdout(), w.Settings(cfg.State), file); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "ready: watch at %s (Ctrl-C ends)\n", address)
	next(cmd.OutOrStdout(), cfg.Connector, file)
	<-cmd.Context().Done()
	fmt.Fprintf(cmd.OutOrStdout(), "\n%d rows arrived; the connector's state stays in %s\n", w.Rows(), cfg.State)
	return nil
}

// tellSettings prints the settings for a shell, and writes them into a file that idnsentinel reads.
func tellSettings(out io.Writer, settings []string, file string) error {
	values := map[string]string{}
	for _, s := range settings {
		fmt.Fprintf(out, "export %s\n", s)
		name, value, _ := strings.Cut(s, "=")
		values[name] = value
	}
	text, err := json.Marshal(map[string]map[string]string{"Values": values}, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("--settings: %w", err)
	}
	return nil
}

func next(out io.Writer, connector, file string) {
	fmt.Fprintf(out, "in another terminal: %s check --settings %s\n", connector, file)
}

// beside is the path of another program in this folder.
func beside(program string) string {
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	return "./" + program
}
