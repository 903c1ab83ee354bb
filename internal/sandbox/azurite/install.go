package azurite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/flock"
)

// errNoNode tells a newcomer what to do. Tests fail with it rather than pass
// without having tested anything.
var errNoNode = errors.New("Node.js is needed to run the storage emulator, and was not found: install Node.js 20 or newer with npm, and make sure that node and npm are on the PATH") //nolint:staticcheck // begins with a proper name

// installed returns the path of the emulator's main module, which it installs
// if the pinned version is not there.
func installed(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", errNoNode
	}
	tools, err := toolsDir()
	if err != nil {
		return "", err
	}
	main := filepath.Join(tools, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if upToDate(tools) {
		return main, nil
	}
	unlock, err := oneAtATime(ctx, tools)
	if err != nil {
		return "", err
	}
	defer unlock()
	if upToDate(tools) { // another process has done it meanwhile
		return main, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNoNode
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = tools
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in %s: %w\n%s", tools, err, out)
	}
	return main, nil
}

// upToDate reports whether the pinned version is installed whole. npm writes
// node_modules/.package-lock.json last.
func upToDate(tools string) bool {
	const name = "node_modules/azurite"
	pinned, installed := lockedVersion(filepath.Join(tools, "package-lock.json"), name),
		lockedVersion(filepath.Join(tools, "node_modules", ".package-lock.json"), name)
	return pinned != "" && pinned == installed
}

// lockedVersion reads the version of one package from a lock file of npm; it
// is empty if there is none.
func lockedVersion(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if json.Unmarshal(data, &lock) != nil {
		return ""
	}
	return lock.Packages[name].Version
}

// oneAtATime waits until no other process installs into tools.
func oneAtATime(ctx context.Context, tools string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(tools))
	path := filepath.Join(os.TempDir(), fmt.Sprintf("idn-sentinel-npm-%d-%s.lock", os.Getuid(), hex.EncodeToString(sum[:6])))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := flock.TryLock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if ok {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another process that installs into %s: %w", tools, ctx.Err()), f.Close())
		}
	}
}
