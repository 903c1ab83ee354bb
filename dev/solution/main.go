// Command solution writes the deployable form of the Sentinel content and its
// documentation: see packages dev/sentinel/solution and, for playbooks and
// watchlists, dev/sentinel/playbooks. make solution runs it.
//
//	go run ./dev/solution                        what is committed
//	go run ./dev/solution -tree dist/solution    the trees of a solution repository, which are not:
//	                                             upstream, an update of Azure/Azure-Sentinel, and own
//	    -upstream ../Azure-Sentinel              with what that checkout has of the solution
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	asim "github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/tree"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

func main() {
	tree := flag.String("tree", "", "the folder for the trees of a solution repository")
	upstream := flag.String("upstream", "", "a checkout of Azure/Azure-Sentinel, to keep what it has of the solution")
	flag.Parse()
	if *tree == "" {
		project.Generate(files)
		return
	}
	if err := trees(os.Stdout, *tree, *upstream); err != nil {
		fmt.Fprintln(os.Stderr, "solution:", err)
		os.Exit(1)
	}
}

func files(root string) (map[string][]byte, error) {
	s, err := solution.Load(root)
	if err != nil {
		return nil, err
	}
	all, err := s.Generate()
	if err != nil {
		return nil, err
	}
	responses, err := playbooks.Files()
	maps.Copy(all, responses)
	return all, err
}

// trees writes both variants into a folder, which it empties before.
func trees(out io.Writer, folder, upstream string) error {
	root, err := project.Root()
	if err != nil {
		return err
	}
	s, err := solution.Load(root)
	if err != nil {
		return err
	}
	source := solution.Source{Columns: columns(s)}
	if upstream != "" {
		source.Checkout = os.DirFS(upstream)
	}
	if source.Extra, err = asim.Tree(root, source.Checkout); err != nil {
		return err
	}
	ours, err := s.Tree(s.Upstream(), source)
	if err != nil {
		return err
	}
	own, err := s.Tree(s.Own(), solution.Source{})
	if err != nil {
		return err
	}
	for name, tree := range map[string]map[string][]byte{"upstream": ours, "own": own} {
		if err := write(filepath.Join(folder, name), tree); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d files\n", filepath.Join(folder, name), len(tree))
	}
	if upstream == "" {
		fmt.Fprintln(out, "Without -upstream, upstream has only what is new or updated: see docs/solution.md before you copy it into a checkout.")
	}
	return nil
}

// columns asks the Kusto parser what a function gives.
func columns(s *solution.Solution) func(content.Function) ([]solution.Column, error) {
	ask := kqltest.ColumnsOf(s.Functions)
	return func(f content.Function) ([]solution.Column, error) {
		found, err := ask(f)
		if err != nil {
			return nil, err
		}
		var all []solution.Column
		for _, c := range found {
			all = append(all, solution.Column{Name: c.Name, Type: c.Type})
		}
		return all, nil
	}
}

func write(folder string, tree map[string][]byte) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !fs.ValidPath(name) {
			return fmt.Errorf("%q is no path in a tree", name)
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, tree[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
