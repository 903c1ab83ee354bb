package config

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// maxBudget leaves one minute of the host's functionTimeout (10 minutes in host.json), at
// which the host kills the process.
const maxBudget = 9 * time.Minute

// Load reads and validates the settings. An earlier origin wins over a later one; an empty
// setting counts as absent. The error is a [*Problems]. With an error, only LogLevel is
// certain to be valid.
func Load(kinds []Kind, origins ...Origin) (Settings, error) {
	table := Table(kinds)
	origins = withOktaFunction(origins)
	app := newReader("", table, origins)
	names := connectionNames(app, table)
	spelled := spell(table, names, origins)
	if spelled.meant["CONNECTIONS"] {
		names = nil // which settings are missing depends on it
	}
	app.meant = spelled.meant
	var text struct {
		PollSchedule string `envconfig:"POLL_SCHEDULE"`
		RunBudget    string `envconfig:"RUN_BUDGET"`
		LogLevel     string `envconfig:"LOG_LEVEL"`
		FanOut       string `envconfig:"FAN_OUT"`
	}
	app.Fill(&text)
	s := Settings{
		LogLevel:     logLevel(app, text.LogLevel),
		FanOut:       fanOut(app, text.FanOut),
		PollSchedule: text.PollSchedule,
		RunBudget:    app.Duration("RUN_BUDGET", text.RunBudget, time.Second, maxBudget),
	}
	var complaint string
	if s.Schedule, complaint = schedule(text.PollSchedule); complaint != "" && !app.Reported("POLL_SCHEDULE") {
		app.Problem("POLL_SCHEDULE", complaint)
	}
	state := stateReader{Reader: app, inAzure: app.platform("WEBSITE_SITE_NAME")}
	app.Fill(&state.text)
	s.State = state.state()
	if s.FanOut {
		s.Queue = state.queue()
	}
	keyed := sync.OnceValue(func() Account { return state.keyed(s.State) })

	readers := make([]*Reader, 0, len(names))
	for _, name := range names {
		r := newReader(name, table, origins)
		r.meant, r.problems = spelled.meant, spelled.of(name)
		s.Connections = append(s.Connections, withoutSettings(r, app, connection(r, name, kinds, keyed, len(names) > 1)))
		readers = append(readers, r)
	}
	oneStateEach(kinds, readers, s.Connections)
	withoutKind(app, kinds, s.Connections)
	unusedApp(app, readers)
	proxy(app)
	s.Hints = slices.Concat(spelled.hints, app.hints)
	for _, p := range spelled.problems {
		app.add(p)
	}
	problems := app.problems
	for i, r := range readers {
		s.Connections[i].Problems = sorted(r.problems, table)
		problems = append(problems, r.problems...)
		s.Hints = append(s.Hints, r.hints...)
	}
	s.Hints = once(s.Hints)
	if len(problems) == 0 {
		return s, nil
	}
	return s, &Problems{List: sorted(once(problems), table), Whole: len(app.problems) > 0}
}

// once removes duplicates: several connections can have the same problem.
func once(list []Problem) []Problem {
	var out []Problem
	for _, p := range list {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// sorted puts problems in the order of the table, followed by those of platform settings.
func sorted(list []Problem, table []Setting) []Problem {
	order := map[string]int{}
	for i, one := range table {
		order[one.Name] = i + 1
	}
	place := func(p Problem) int { return cmp.Or(order[p.Row], len(order)+1) }
	slices.SortStableFunc(list, func(a, b Problem) int { return place(a) - place(b) })
	return list
}

// platform reports whether a variable of the platform is set.
func (r *Reader) platform(name string) bool {
	_, _, ok := Lookup(name, r.origins...)
	return ok
}

// proxy reports an unusable proxy. It isn't a setting of this program, but every request
// depends on it.
func proxy(r *Reader) {
	var problem *transport.ProxyError
	if errors.As(transport.CheckProxy(), &problem) {
		r.Problem(problem.Setting, problem.Problem)
		return
	}
	if host, _ := transport.ProxyHost(); host != "" {
		noProxy(r)
	}
}

// noProxy reports entries of NO_PROXY that match no host.
func noProxy(r *Reader) {
	name := "NO_PROXY"
	list := os.Getenv(name)
	if list == "" {
		name = "no_proxy"
		list = os.Getenv(name)
	}
	for entry := range strings.SplitSeq(list, ",") {
		switch entry = strings.TrimSpace(entry); {
		case strings.Contains(entry, "://"):
			r.Hint(name, "has an entry with a scheme, which matches no host: write only the host, or .example.com for all hosts of a domain")
		case strings.ContainsAny(entry, ";| \t\n"):
			r.Hint(name, "has entries that are not separated by commas, so they match no host: write host1,host2")
		case strings.Contains(strings.TrimPrefix(entry, "*."), "*") && entry != "*":
			r.Hint(name, "has an entry with * that matches no host: write .example.com for all hosts of a domain, or * alone for all hosts")
		default:
			continue
		}
		return
	}
}

// fanOut reads whether the connections are spread over instances.
func fanOut(r *Reader, text string) bool {
	switch strings.ToLower(text) {
	case "queue":
		return true
	case "off", "":
	default:
		r.Problemf("FAN_OUT", "is %s: use off, or queue to spread the connections over several instances", shown(text))
	}
	return false
}

func logLevel(r *Reader, text string) slog.Level {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	case "info", "":
	default:
		r.Problemf("LOG_LEVEL", "is %s: use debug, info, warn or error", shown(text))
	}
	return slog.LevelInfo
}
