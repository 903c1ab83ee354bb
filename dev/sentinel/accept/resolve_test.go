package accept_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

// TestPackagesResolve: every expression of both packages can be evaluated, and each dependency is a resource
// of the package.
func TestPackagesResolve(t *testing.T) {
	both := trees(t)
	for name, text := range map[string][]byte{"upstream": both.ours.Files[template], "own": both.own.Files["Solutions/SailPointIdentity/Package/mainTemplate.json"]} {
		file := filepath.Join(t.TempDir(), "mainTemplate.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := deploy.Read(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := read.Resolve(deploy.Surroundings{}, map[string]any{"workspace": "soc", "workspace-location": "westeurope"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
