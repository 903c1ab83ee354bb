package app_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// withRule is a scene whose workspace is written to through a rule.
func withRule() *scene {
	s := newScene()
	s.workspace.Rules = map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()}
	s.credential = workspace.Credential{}
	s.connection().IngestionAPI, s.connection().DataCollector = config.UseLogsIngestion, config.DataCollector{}
	s.connection().LogsIngestion = config.LogsIngestion{
		Endpoint: &url.URL{Scheme: "https", Host: "rule.westeurope-1.ingest.monitor.azure.com"}, RuleID: workspace.DefaultRule,
	}
	return s
}

func TestCheckOfARule(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		state  check.Verdict
		words  []string
	}{
		"right":   {func(*scene) {}, check.Passed, []string{"accepts this identity and has every stream"}},
		"no_role": {func(s *scene) { s.workspace.Rules[workspace.DefaultRule].Granted = time.Now().Add(time.Hour) }, check.Failed, []string{"Monitoring Metrics Publisher", "30 minutes"}},
		"no_role_of_a_person": {func(s *scene) {
			s.person, s.workspace.Rules[workspace.DefaultRule].Granted = true, time.Now().Add(time.Hour)
		}, check.Skipped, []string{"refuses your own identity, which says nothing about the app"}},
		"no_rule":   {func(s *scene) { s.workspace.Rules = nil }, check.Failed, []string{"DCR_IMMUTABLE_ID", "LOGS_INGESTION_ENDPOINT"}},
		"no_stream": {func(s *scene) { s.workspace.Rules[workspace.DefaultRule].Streams = nil }, check.Failed, []string{"no stream Custom-SailPointIDN_Events"}},
		"setup":     {func(s *scene) { s.workspace.Rules[workspace.DefaultRule].Broken = "InvalidSomething" }, check.Failed, []string{"InvalidSomething"}},
		"cloud":     {func(s *scene) { s.workspace.Rules[workspace.DefaultRule].Audience = "https://monitor.azure.us" }, check.Failed, []string{"AZURE_CLIENT_ID", "same cloud"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := withRule()
			c.change(s)
			_, found := s.check(t)
			f := found["workspace"]
			if f.State != c.state {
				t.Errorf("%+v", f)
			}
			for _, word := range c.words {
				if !strings.Contains(f.Detail, word) {
					t.Errorf("%q is missing in: %s", word, f.Detail)
				}
			}
			want := "LogsIngestion, data collection rule " + workspace.DefaultRule + " at https://rule.westeurope-1.ingest.monitor.azure.com"
			if diff := cmp.Diff(want, found["settings: destination"].Detail); diff != "" {
				t.Errorf("destination (-want +got):\n%s", diff)
			}
			if f := found["clock"]; f.State != check.Passed || !strings.Contains(f.Detail, "the workspace") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Both ways of ingestion deliver the same events, and the same rows as far as both
// tables have the columns.
func TestBothWaysDeliverTheSame(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 300
	}
	raw, rows := map[config.IngestionAPI][][]byte{}, map[config.IngestionAPI]map[string]workspace.Row{}
	for _, s := range []*scene{newScene(), withRule()} {
		synctest.Test(t, func(t *testing.T) {
			s.store = &mem.Store{}
			start := time.Now().Add(-time.Hour)
			s.tenant.Backlog, s.tenant.BacklogSize = synth.New(synth.Options{Seed: 4, Start: start, Rate: 1}), n
			a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
			if err != nil {
				t.Fatal(err)
			}
			reports := a.Poll(t.Context())
			if reports[0].State != pipeline.Drained || reports[1].State != pipeline.Drained {
				t.Fatalf("%+v", reports)
			}
			table := s.workspace.Table("SailPointIDN_Events")
			if losses := table.Losses(); losses != nil {
				t.Errorf("%s: losses %q", s.connection().IngestionAPI, losses[:min(len(losses), 5)])
			}
			if health := s.workspace.Table("SailPointIDN_Health"); health.Count() != 2 || health.Losses() != nil || health.Rows()[0]["state_s"] != "drained" {
				t.Errorf("%s: health %v, losses %q", s.connection().IngestionAPI, health.Rows(), health.Losses())
			}
			raw[s.connection().IngestionAPI] = table.Raw()
			rows[s.connection().IngestionAPI] = map[string]workspace.Row{}
			for i, row := range table.Rows() {
				rows[s.connection().IngestionAPI][string(table.Raw()[i])] = row
			}
		})
	}
	classic, ruled := raw[config.UseDataCollector], raw[config.UseLogsIngestion]
	if len(classic) != len(ruled) || len(classic) < n {
		t.Fatalf("%d and %d events", len(classic), len(ruled))
	}
	same, compared := 0, 0
	for i := range classic {
		if !bytes.Equal(ruled[i], classic[i]) {
			continue // it had to be changed, and to fit another table
		}
		same++
		own := rows[config.UseLogsIngestion][string(ruled[i])]
		for name, value := range rows[config.UseDataCollector][string(classic[i])] {
			if got, ok := own[name]; ok && name != "Type" && name != "TenantId" {
				compared++
				if got != value {
					t.Errorf("event %d: %s is %q, in the classic table %q", i, name, got, value)
				}
			}
		}
	}
	if same < n*97/100 || compared < 15*n {
		t.Errorf("%d of %d events are the same byte for byte, %d values compared", same, n, compared)
	}
}

// The API may be changed with what is in the state: each event comes once, through one
// of the two.
func TestChangeOfIngestionAPI(t *testing.T) {
	const n = 1500
	before, after := newScene(), withRule()
	before.store = &mem.Store{}
	after.store, after.tenant = before.store, before.tenant
	ids := map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Add(-20 * time.Minute) // 300 events are still to come
		before.tenant.Backlog, before.tenant.BacklogSize = synth.New(synth.Options{Seed: 9, Start: start, Rate: 1}), n
		for _, s := range []*scene{before, after, before} {
			a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
			if err != nil {
				t.Fatal(err)
			}
			reports := a.Poll(t.Context())
			if reports[0].State != pipeline.Drained || reports[0].Sent == 0 {
				t.Fatalf("%+v", reports)
			}
			<-time.After(150 * time.Second)
		}
	})
	for _, s := range []*scene{before, after} {
		for id, times := range s.workspace.Table("SailPointIDN_Events").IDs() {
			ids[id] += times
		}
	}
	if len(ids) < n-100 {
		t.Errorf("%d of %d events have arrived", len(ids), n)
	}
	for id, times := range ids {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}
