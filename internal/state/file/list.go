package file

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// List implements [state.Store]. It may or may not yield objects that are created
// or deleted meanwhile.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		if err := state.CheckPrefix(prefix); err != nil {
			yield(state.Info{}, err)
			return
		}
		// Begin in the deepest folder that the prefix names completely.
		folder := prefix[:strings.LastIndexByte(prefix, '/')+1]
		w := walk{Store: s, prefix: prefix, yield: yield}
		if err := w.folder(ctx, folder); err != nil {
			yield(state.Info{}, fmt.Errorf("list state objects %q: %w%s", prefix, err, hint("list", err)))
		}
	}
}

// walk visits folders in the order of the keys, which is not the order of file
// names: "a-b" comes before "a/c" because "-" is less than "/".
type walk struct {
	*Store
	prefix string
	yield  func(state.Info, error) bool
	done   bool
}

// folder visits the contents of a folder. The key of a folder is empty or ends with a slash.
func (w *walk) folder(ctx context.Context, folder string) error {
	if err := state.ContextErr(ctx); err != nil {
		return err
	}
	dir := w.path(folder)
	entries, err := os.ReadDir(dir)
	if isMissing(err) {
		return noFolder(dir)
	}
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		key := folder + e.Name()
		if state.CheckKey(key) != nil || !strings.HasPrefix(key, w.prefix) {
			continue // internal to the store, not from the connector, or not asked for
		}
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			if err := dangling(w.path(key)); err != nil {
				return err
			}
			info, err := os.Stat(w.path(key))
			isDir = err == nil && info.IsDir()
		}
		if isDir {
			key += "/"
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := w.entry(ctx, key); err != nil || w.done {
			return err
		}
	}
	return nil
}

func (w *walk) entry(ctx context.Context, key string) error {
	if strings.HasSuffix(key, "/") {
		return w.folder(ctx, key)
	}
	info, err := os.Stat(w.path(key)) // of the file that a link leads to
	if isMissing(err) {
		return nil // deleted since the folder was read
	}
	if err != nil {
		return err
	}
	w.done = !w.yield(state.Info{Key: key, Size: info.Size(), Modified: info.ModTime().UTC()}, nil)
	return nil
}
