package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// describe reports the effective settings in a few lines, without secrets.
func (c *checkup) describe() {
	for _, one := range c.sources {
		c.Pass("settings: source", one.Describe())
	}
	c.Pass("settings: destination", destination(c.connection))
	if kept := c.references(); kept != "" {
		c.Pass("settings: secrets", kept)
	}
	c.Pass("settings: state", Place(c.settings, c.options))
	c.Pass("settings: run", fmt.Sprintf("a first run begins %s, the newest %s are left to settle, a run takes at most %s, log level %s",
		begin(c.connection), text.Duration(c.connection.SettleDelay), text.Duration(c.settings.RunBudget), strings.ToLower(c.settings.LogLevel.String())))
	c.Pass("settings: proof", proof(c.connection))
}

// describeProcess reports the settings that apply to all connections.
func describeProcess(s config.Settings, report check.Report) {
	if host, setting := transport.ProxyHost(); host != "" {
		report.Pass("settings: proxy", fmt.Sprintf("requests use %s (%s), except to hosts of NO_PROXY and of the platform", host, setting))
	}
	for _, hint := range s.Hints {
		report.Pass("settings: hint", hint.Setting+" "+hint.Message)
	}
}

// begin says where a first run begins.
func begin(s config.Connection) string {
	back := text.Duration(s.InitialLookback) + " back"
	if s.Legacy.TableEndpoint == nil {
		return back
	}
	where := "where an older connector stopped (table service at " + s.Legacy.TableEndpoint.Host + ")"
	if s.Legacy.Named { // with an address, a missing checkpoint is an error
		return where
	}
	return where + ", else " + back
}

// proof describes how completeness is verified.
func proof(s config.Connection) string {
	audits := "no audits"
	if len(s.AuditAges) > 0 {
		ages := make([]string, len(s.AuditAges))
		for i, age := range s.AuditAges {
			ages[i] = text.Duration(age)
		}
		audits = "counts are compared at the age of " + strings.Join(ages, ", ")
	}
	rows := "no health table"
	if s.Health {
		rows = "one health row for each run"
	}
	return fmt.Sprintf("%s; delivered ids are kept %s; %s", audits, text.Duration(s.LedgerKeep), rows)
}

func destination(s config.Connection) string {
	switch {
	case s.IngestionAPI == config.UseDataCollector:
		return fmt.Sprintf("DataCollector, workspace %s at %s", s.DataCollector.WorkspaceID, s.DataCollector.URL)
	case s.IngestionAPI == config.UseLogsIngestion:
		return fmt.Sprintf("LogsIngestion, data collection rule %s at %s", s.LogsIngestion.RuleID, s.LogsIngestion.Endpoint) + there(s)
	case s.NDJSONPath != "":
		return fmt.Sprintf("%s to the file %s", s.IngestionAPI, s.NDJSONPath)
	}
	return string(s.IngestionAPI) + " to standard output"
}

// there says in which directory a workspace is, and who signs in, if that is not the function app's.
func there(s config.Connection) string {
	who := s.LogsIngestion.Identity
	if !who.Abroad() {
		return ""
	}
	workspace := ""
	if id := s.ReadBack.WorkspaceID; id != "" {
		workspace = ", of the workspace " + id
	}
	return fmt.Sprintf("%s; signed in as %s, which trusts %s", workspace, who, who.Home())
}

// Place says where the state is kept.
func Place(s config.Settings, o Options) string {
	switch {
	case o.Store != nil:
		return "in memory, forgotten at the end"
	case s.State.Dir != "":
		if abs, err := filepath.Abs(s.State.Dir); err == nil {
			return "folder " + abs
		}
		return "folder " + s.State.Dir
	}
	a := s.State.Account
	if a.Auth == config.ManagedIdentity && o.Person {
		return fmt.Sprintf("container %s at %s, signed in as you (%s)", s.State.Container, a.BlobEndpoint, a.Setting)
	}
	return fmt.Sprintf("container %s at %s, signed in with %s (%s)", s.State.Container, a.BlobEndpoint, article(string(a.Auth)), a.Setting)
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
