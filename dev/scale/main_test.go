package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
)

// The page shows what the model says.
func TestTable(t *testing.T) {
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	write(&table)
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("put this into docs/scale.md:\n%s", &table)
	}
}

// More tenants than the plan has instances for are polled less often, and not less fairly.
func TestTooMany(t *testing.T) {
	few, many := play(100, 2), play(10_000, 30)
	if few.polled < 1 || many.polled > 0.7 || many.p99 < 2*few.p99 {
		t.Errorf("%+v\n%+v", few, many)
	}
}
