// Command rehome makes the project a fork's own: it puts another repository into
// the module path, the imports, the deploy buttons and the address of the
// package, everywhere at once (make rehome REPO=owner/name).
//
// Which repository it is now is read from go.mod. What is replaced are the
// addresses that name it: github.com/owner/name and
// raw.githubusercontent.com/owner/name, also as they stand inside a button, with
// %2F for every slash. Names that are not addresses stay: of the zip, the
// resources, the tables.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

func main() {
	repo := flag.String("repo", "", "the new repository: owner/name")
	flag.Parse()
	if err := run(".", *repo, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rehome:", err)
		os.Exit(1)
	}
}

var (
	modulePath = regexp.MustCompile(`(?m)^module github\.com/([\w.-]+)/([\w.-]+)$`)
	// GitHub's own rules for the two names.
	repository = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})$`)
)

// skipped are folders that hold nothing of the project's text.
func skipped(name string) bool {
	return slices.Contains([]string{".git", "node_modules", "bin", "dist", ".local"}, name)
}

func run(root, repo string, told io.Writer) error {
	to := repository.FindStringSubmatch(repo)
	if to == nil {
		return fmt.Errorf("%q is no repository: use make rehome REPO=owner/name", repo)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	from := modulePath.FindSubmatch(mod)
	if from == nil {
		return fmt.Errorf("go.mod in %s names no module of the form github.com/owner/name", root)
	}
	// The name ends where no letter of a longer name follows.
	address := regexp.MustCompile(`(github(?:usercontent)?\.com)(/|%2F)` + regexp.QuoteMeta(string(from[1])) + `(/|%2F)` + regexp.QuoteMeta(string(from[2])) + `\b([^-\w]|$)`)
	replacement := []byte("${1}${2}" + to[1] + "${3}" + to[2] + "${4}")
	changed := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(d.Name()) && path != root {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		old, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(old, 0) >= 0 { // a program or an archive
			return err
		}
		text := address.ReplaceAll(old, replacement)
		if bytes.Equal(old, text) {
			return nil
		}
		changed++
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, info.Mode().Perm())
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(told, "%s/%s is %s now: %d files changed. Look at them with git diff, run make test, then commit.\n", from[1], from[2], repo, changed)
	return nil
}
