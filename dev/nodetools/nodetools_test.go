package nodetools_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
)

func TestInstall(t *testing.T) {
	dir, err := nodetools.Install(t.Context(), "@kusto/language-service-next")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@kusto", "language-service-next", "package.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err != nil {
		t.Error(err)
	}
}
