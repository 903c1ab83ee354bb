package functions

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"sync"
)

// NewLog returns the log of a process that the Functions host has started. The host takes
// the severity of a line from where and what it reads, not from the level in it:
//
//   - a line of stdout is Information
//   - a line of stderr is Error
//   - unless it has "warn" in it, in any case: then it is a Warning
//
// So warnings and errors go to errs, and the word does not occur in an error: its first
// letter is escaped, which JSON readers undo.
func NewLog(out, errs io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	lines := &together{to: errs} // two handlers write to it
	return slog.New(bySeverity{
		info: slog.NewJSONHandler(out, options),
		warn: slog.NewJSONHandler(lines, options),
		fail: slog.NewJSONHandler(noWarn{lines}, options),
	})
}

// bySeverity is a handler that chooses one of three by level.
type bySeverity struct{ info, warn, fail slog.Handler }

func (h bySeverity) Enabled(ctx context.Context, level slog.Level) bool {
	return h.info.Enabled(ctx, level)
}

func (h bySeverity) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		return h.fail.Handle(ctx, r)
	case r.Level >= slog.LevelWarn:
		return h.warn.Handle(ctx, r)
	}
	return h.info.Handle(ctx, r)
}

func (h bySeverity) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bySeverity{h.info.WithAttrs(attrs), h.warn.WithAttrs(attrs), h.fail.WithAttrs(attrs)}
}

func (h bySeverity) WithGroup(name string) slog.Handler {
	return bySeverity{h.info.WithGroup(name), h.warn.WithGroup(name), h.fail.WithGroup(name)}
}

// together passes on one line at a time. A JSON handler writes a line at once.
type together struct {
	mu sync.Mutex
	to io.Writer
}

func (w *together) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(line)
}

var warnWord = regexp.MustCompile(`(?i)warn`)

// noWarn writes lines of JSON in which "warn" is not to be found.
type noWarn struct{ to io.Writer }

func (w noWarn) Write(line []byte) (int, error) {
	if _, err := w.to.Write(warnWord.ReplaceAllFunc(line, escapeFirst)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// escapeFirst writes the first letter, w or W, as JSON's \u escape.
func escapeFirst(word []byte) []byte {
	escape := `\u0077`
	if word[0] == 'W' {
		escape = `\u0057`
	}
	return append([]byte(escape), word[1:]...)
}
