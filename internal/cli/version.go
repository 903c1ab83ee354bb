package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show this build, the Go version and the platform",
		Example: `  idnsentinel version
  idnsentinel version --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if asJSON {
				return printJSON(cmd.OutOrStdout(), struct {
					Version  string `json:"version"`
					Go       string `json:"go"`
					Platform string `json:"platform"`
				}{version.String(), runtime.Version(), platform})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// versionLine names the build, the Go version and the platform.
func versionLine() string {
	return fmt.Sprintf("idnsentinel %s, %s, %s/%s", version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
