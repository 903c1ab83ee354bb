// Package nodetools makes sure that the Node programs which tests use are
// installed: those that dev/tools/package.json names, in the versions of
// its lock file.
//
// What is there already is used as it is, which takes no network and no npm.
// Otherwise `npm ci` runs once, however many test processes ask at the same
// time; the others wait for it.
package nodetools

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

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/flock"
)

// errNoNode tells a newcomer what to do. Tests fail with it rather than pass
// without having tested anything.
var errNoNode = errors.New("Node.js was not found: install Node.js 20 or newer with npm, and make sure that node and npm are on the PATH") //nolint:staticcheck // begins with a proper name

// Install makes sure that the npm packages are installed, each in its pinned
// version, and returns the folder that holds package.json and node_modules.
func Install(ctx context.Context, packages ...string) (dir string, err error) {
	root, err := project.Root()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(root, "dev", "tools")
	return dir, InstallIn(ctx, dir, packages...)
}

// InstallIn is Install for another folder with a package.json and a lock file of its own.
func InstallIn(ctx context.Context, dir string, packages ...string) error {
	if _, err := exec.LookPath("node"); err != nil {
		return errNoNode
	}
	if upToDate(dir, packages) {
		return nil
	}
	unlock, err := oneAtATime(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if upToDate(dir, packages) { // another process has done it meanwhile
		return nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errNoNode
	}
	if err := ci(ctx, npm, dir, patience); err != nil {
		return err
	}
	if !upToDate(dir, packages) {
		return fmt.Errorf("npm ci in %s: did not install %v: is each of them in package.json?", dir, packages)
	}
	return nil
}

// patience is how long an installation may take. One takes half a minute on an
// idle machine and ten times that on one whose processors are all busy; what
// hangs longer waits for a network that is not there.
const patience = 15 * time.Minute

// ci runs npm ci in dir.
func ci(ctx context.Context, npm, dir string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fmt.Fprintf(os.Stderr, "installing the Node tools of %s, once (npm ci)\n", dir)
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	cmd.WaitDelay = 2 * time.Second // npm's children hold its output open
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("npm ci in %s was stopped, it had not ended after %s: run it there by hand to see what it waits for, then try again: %w\n%s",
			dir, patience, ctx.Err(), out)
	}
	return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
}

// upToDate reports whether the pinned versions are installed whole. npm writes
// node_modules/.package-lock.json last.
func upToDate(dir string, packages []string) bool {
	pinned := lockedVersions(filepath.Join(dir, "package-lock.json"))
	installed := lockedVersions(filepath.Join(dir, "node_modules", ".package-lock.json"))
	for _, p := range packages {
		key := "node_modules/" + p
		if pinned[key].Version == "" || pinned[key] != installed[key] {
			return false
		}
	}
	return true
}

type lockedPackage struct {
	Version string `json:"version"`
}

// lockedVersions reads a lock file of npm; it is empty if there is none.
func lockedVersions(path string) map[string]lockedPackage {
	var lock struct {
		Packages map[string]lockedPackage `json:"packages"`
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &lock) != nil {
		return nil
	}
	return lock.Packages
}

// oneAtATime waits until no other process installs into dir.
func oneAtATime(ctx context.Context, dir string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(filepath.Clean(dir)))
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
			return nil, errors.Join(fmt.Errorf("wait for another process that installs into %s: %w", dir, ctx.Err()), f.Close())
		}
	}
}
