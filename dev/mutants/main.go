// Command mutants puts one defect at a time into the way from the source to the sink and
// runs the tests that should notice: a test that can't fail proves nothing.
//
//	go run ./dev/mutants [-run regexp] [-list]
//
// The defects are a table, see [Mutant]. Nothing is copied: each is laid over the tree with
// the -overlay flag of the go command. The exit status is 1 if one survives that is not
// argued away in the table, or if the table no longer fits the code.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
)

func main() { os.Exit(status()) }

func status() int {
	pattern := flag.String("run", "", "only the defects whose words match this regular expression")
	list := flag.Bool("list", false, "list them and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Stdout, *pattern, *list)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// run plays the defects that match and reports whether all ended as they should.
func run(ctx context.Context, w io.Writer, pattern string, list bool) (bool, error) {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return false, err
	}
	root, err := project.Root()
	if err != nil {
		return false, err
	}
	var chosen []Mutant
	for _, m := range mutants() {
		if want.MatchString(m.Breaks + " " + m.File) {
			chosen = append(chosen, m)
		}
	}
	counts := map[outcome]int{}
	good := true
	for i, m := range chosen {
		if list {
			fmt.Fprintf(w, "%-40s %s\n", m.File, m.Breaks)
			continue
		}
		begin := time.Now()
		got, detail, err := try(ctx, root, m)
		if err != nil {
			return false, fmt.Errorf("%s: %s: %w", m.File, m.Breaks, err)
		}
		counts[got]++
		good = good && got != survived
		fmt.Fprintf(w, "%3d/%d %-22s %4.0f s  %s: %s%s\n", i+1, len(chosen), got, time.Since(begin).Seconds(), filepath.Base(m.File), m.Breaks, detail)
	}
	if !list {
		fmt.Fprintf(w, "%d killed by tests, %d by the simulation, %d survive as argued, %d survive\n", counts[killed], counts[killedBySim], counts[argued], counts[survived])
	}
	return good, nil
}

// outcome is what became of a defect.
type outcome string

const (
	killed      outcome = "killed"
	killedBySim outcome = "killed by simulation"
	argued      outcome = "survives, as argued"
	survived    outcome = "SURVIVES"
)

// apply returns the file with the defect in it.
func (m Mutant) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(text, []byte(m.Old)); m.Old == "" || n != 1 {
		return nil, fmt.Errorf("the text to be changed occurs %d times, not once: the code has changed, and the table must follow: %q", n, m.Old)
	}
	return bytes.Replace(text, []byte(m.Old), []byte(m.New), 1), nil
}

// try runs the tests over a defect.
func try(ctx context.Context, root string, m Mutant) (outcome, string, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return "", "", err
	}
	tests := m.Tests
	if len(tests) == 0 {
		tests = []string{"./" + filepath.Dir(m.File)}
	}
	failed, out, err := goTest(ctx, root, overlay, tests)
	if err != nil || failed {
		return killed, first(out), err
	}
	if m.Sim > 0 {
		failed, out, err = goTest(ctx, root, overlay, []string{"./dev/sim", "-run", "TestSeeds$", "-seeds", strconv.Itoa(m.Sim)})
		if err != nil || failed {
			return killedBySim, first(out), err
		}
	}
	if m.Survives != "" {
		return argued, " (" + m.Survives + ")", nil
	}
	return survived, "", nil
}

// overlay writes the file with the defect, and what lays it over the tree.
func (m Mutant) overlay(root, dir string) (string, error) {
	text, err := m.apply(root)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.File))
	if err := os.WriteFile(changed, text, 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.File): changed}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, data, 0o600)
}

// goTest reports whether tests fail. What does not build says nothing about tests, and is
// an error; a test that hangs is stopped after two minutes and has noticed.
func goTest(ctx context.Context, root, overlay string, args []string) (failed bool, out string, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-overlay", overlay, "-failfast", "-timeout", "120s"}, args...)...)
	cmd.Dir = root
	raw, err := cmd.CombinedOutput()
	out = string(raw)
	switch {
	case ctx.Err() != nil:
		return false, out, ctx.Err()
	case err == nil:
		return false, out, nil
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return false, out, fmt.Errorf("does not build:\n%s", out)
	}
	return true, out, nil
}

// first is the name of the first test that failed, to be shown.
func first(out string) string {
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return " (" + name + ")"
		}
		if strings.HasPrefix(line, "panic: ") {
			return " (" + strings.TrimSpace(line) + ")"
		}
	}
	return ""
}
