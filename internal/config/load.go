package config

import (
	"cmp"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// maxBudget leaves a minute of the host's functionTimeout (10 minutes in
// host.json), after which the host kills the process.
const maxBudget = 9 * time.Minute

// Load reads and validates the settings in the environment of the process. The
// error is a [*Problems]. Settings are complete only without one, but their
// LogLevel is valid in any case.
func Load() (Settings, error) {
	var v validator
	v.read()
	s := Settings{
		LogLevel:        v.logLevel(),
		PollSchedule:    v.raw.PollSchedule,
		Limit:           v.integer("LIMIT", v.raw.Limit, 1, 10000),
		InitialLookback: v.duration("INITIAL_LOOKBACK", v.raw.InitialLookback, 0, 10*365*24*time.Hour),
		SettleDelay:     v.duration("SETTLE_DELAY", v.raw.SettleDelay, 0, time.Hour),
		RunBudget:       v.duration("RUN_BUDGET", v.raw.RunBudget, time.Second, maxBudget),
		LedgerKeep:      v.duration("LEDGER_KEEP", v.raw.LedgerKeep, 24*time.Hour, 90*24*time.Hour),
		QuarantineKeep:  v.duration("QUARANTINE_KEEP", v.raw.QuarantineKeep, 8*24*time.Hour, 10*365*24*time.Hour),
		Health:          v.boolean("HEALTH_TABLE", v.raw.HealthTable),
	}
	s.AuditAges = v.auditAges(s.LedgerKeep)
	if complaint := checkSchedule(v.raw.PollSchedule); complaint != "" && !v.reported("POLL_SCHEDULE") {
		v.add("POLL_SCHEDULE", complaint)
	}
	v.sailpoint(&s)
	v.sink(&s)
	v.readBack(&s)
	v.state(&s)
	v.legacy(&s)
	v.proxy()
	if len(v.problems) == 0 {
		return s, nil
	}
	order := map[string]int{}
	for i, one := range Table() {
		order[one.Name] = i + 1
	}
	place := func(p Problem) int { return cmp.Or(order[p.Setting], len(order)+1) } // those of the platform come last
	slices.SortStableFunc(v.problems, func(a, b Problem) int { return place(a) - place(b) })
	return s, &Problems{v.problems}
}

// proxy reports a proxy that can't be used. It is no setting of this program, but
// every request depends on it.
func (v *validator) proxy() {
	var problem *transport.ProxyError
	if errors.As(transport.CheckProxy(), &problem) {
		v.add(problem.Setting, problem.Problem)
	}
}

func (v *validator) logLevel() slog.Level {
	switch strings.ToLower(v.raw.LogLevel) {
	case "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	case "info", "":
	default:
		v.addf("LOG_LEVEL", "is %s: use debug, info, warn or error", shown(v.raw.LogLevel))
	}
	return slog.LevelInfo
}

func (v *validator) integer(setting, text string, lo, hi int) int {
	if v.reported(setting) {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lo || n > hi {
		v.addf(setting, "is %s: use a whole number from %d to %d", shown(text), lo, hi)
	}
	return n
}

func (v *validator) boolean(setting, text string) bool {
	if v.reported(setting) {
		return false
	}
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		v.addf(setting, "is %s: use true or false", shown(text))
	}
	return b
}

// auditAges reads a list of ages; "off" is the empty one.
func (v *validator) auditAges(keep time.Duration) (ages []time.Duration) {
	const setting = "AUDIT_AGES"
	if strings.EqualFold(v.raw.AuditAges, "off") || v.reported(setting) {
		return nil
	}
	for text := range strings.SplitSeq(v.raw.AuditAges, ",") {
		age := v.duration(setting, strings.TrimSpace(text), 5*time.Minute, 144*time.Hour)
		if v.reported(setting) {
			return nil
		}
		ages = append(ages, age)
	}
	slices.Sort(ages)
	ages = slices.Compact(ages)
	if oldest := ages[len(ages)-1]; oldest >= keep && !v.reported("LEDGER_KEEP") {
		v.addf("LEDGER_KEEP", "is %s, but windows are audited when they are %s old (%s): remember ids for longer than that", brief(keep), brief(oldest), setting)
	}
	return ages
}

func (v *validator) duration(setting, text string, lo, hi time.Duration) time.Duration {
	if v.reported(setting) {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		v.addf(setting, "is %s: write a number and a unit, like 90s, 4m or 24h (a day is 24h)", shown(text))
	case d < lo || d > hi:
		v.addf(setting, "is %s: use %s to %s", shown(text), brief(lo), brief(hi))
	}
	return d
}

// brief writes a duration without zero parts: 9m, not 9m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// address parses the URL of a service. It returns nil after reporting a problem.
// Messages don't show the text: it may carry a signature or a password.
func (v *validator) address(setting, text string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		v.add(setting, "is no absolute URL: write it like https://host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.add(setting, "must not carry a user name, a query or a fragment: keep only https://host and the path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		v.add(setting, "uses http to a host that is not this machine: use https")
	case u.Scheme != "https" && u.Scheme != "http":
		v.add(setting, "must begin with https://")
	default:
		u.Path = strings.TrimRight(u.Path, "/")
		u.RawPath = ""
		return u
	}
	return nil
}

// loopback says whether host is this machine, the only place for plain http.
func loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
