package status_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// failures is the snapshot of as many connections as texts, whose last runs failed with them; the one
// with number n has failed n+1 times in a row.
func failures(t *testing.T, texts ...string) status.Snapshot {
	t.Helper()
	store := &mem.Store{}
	cfg := status.Config{Store: store}
	now := time.Now()
	for n, text := range texts {
		name := fmt.Sprintf("t%03d", n)
		cfg.Connections = append(cfg.Connections, status.Connection{Name: name, Tenant: "org-" + name, Streams: []status.Stream{{ID: stream, Short: "Events"}}})
		if _, err := checkpoint.New(store, "org-"+name).Save(t.Context(), stream, pipeline.Checkpoint{Through: now}); err != nil {
			t.Fatal(err)
		}
		for range n%3 + 1 {
			rep := pipeline.Report{Stream: stream, State: pipeline.Failed, Error: text, Err: errors.New(text)}
			if text == "" {
				rep.State = pipeline.Drained
			}
			if err := runs.New(store, "org-"+name).End(t.Context(), rep, runs.Program{By: runs.ByFunction}, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	return status.Take(t.Context(), cfg)
}

// 300 connections that are throttled are one problem, whatever the numbers in their texts, and the one
// that is not stays visible.
func TestOneCauseIsOneProblem(t *testing.T) {
	var texts []string
	for n := range 300 {
		texts = append(texts, fmt.Sprintf("search events of org-t%03d at org-t%03d.api.identitynow.com: status 429 after %d attempts, request 3f%dab-77c, wait %ds", n, n, n%7+1, n*n, n))
	}
	texts[150] = "token: status 401 invalid_client: correct T150_CLIENT_ID"
	texts[151] = ""
	s := failures(t, texts...)
	if len(s.Problems) != 2 {
		t.Fatalf("%d problems: %.1000q", len(s.Problems), whats(s))
	}
	p := s.Problems[0]
	if p.Connections != 298 || len(p.Streams) != 298 || p.Texts != 298 || !p.Example() || !strings.Contains(p.What, "of org-t000 at") {
		t.Errorf("%d connections, %d streams, %d texts: %s", p.Connections, len(p.Streams), p.Texts, p.What)
	}
	if who, want := p.Whose(2), "t000/Events, t001/Events and 296 more, of 298 connections"; who != want {
		t.Errorf("%q, want %q", who, want)
	}
	if p = s.Problems[1]; p.Connections != 1 || p.Example() || !strings.Contains(p.What, "invalid_client") || p.Whose(2) != "t150/Events" {
		t.Errorf("%+v", p)
	}
	one := s.Narrowed(status.Only{Connection: "t007"})
	if len(one.Problems) != 1 || one.Problems[0].Connections != 1 || one.Problems[0].Example() || !strings.Contains(one.Problems[0].What, "of org-t007 at") {
		t.Errorf("of one connection: %+v", one.Problems)
	}
	if text, err := json.Marshal(p); err != nil || string(text) != `{"state":"failing","streams":["t150/Events"],"connections":1,"texts":1,"what":"The last run failed: token: status 401 invalid_client: correct T150_CLIENT_ID","remedy":`+quoted(t, p.Remedy)+`}` {
		t.Errorf("%s, %v", text, err)
	}
}

func whats(s status.Snapshot) (list []string) {
	for _, p := range s.Problems {
		list = append(list, p.What)
	}
	return list
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Texts that differ in numbers, times, ids and names have one cause; those that differ in what happened
// have two.
func TestCauses(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second string // of the connections t000 and t001
		one           bool
	}{
		"numbers":                     {"3 attempts in 12.5s", "14 attempts in 3m20s", true},
		"times":                       {"since 2026-11-30T01:02:03Z", "since 2026-11-29T11:12:13.4Z", true},
		"request ids":                 {"request 5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "request 00000000-0000-0000-0000-00000000000a", true},
		"tenants":                     {`state "org-t000/runs/x.json"`, `state "org-t001/runs/x.json"`, true},
		"connections":                 {`hook t000/sailpoint`, `hook t001/sailpoint`, true},
		"settings":                    {"correct T000_CLIENT_ID", "correct T001_CLIENT_ID", true},
		"own host":                    {"no answer from one.api.identitynow.com", "no answer from two-sb.api.identitynow.com", true},
		"addresses":                   {"dial tcp 10.0.0.1:443: refused", "dial tcp 192.168.17.4:8443: refused", true},
		"which request was throttled": {"search: status 429: Rate Limit Exceeded (gave up after 6 attempts)", "search count: not sent: the tenant asked for a pause (status 429) (no time to try again). Nothing is lost; the service asks for a pause of 1s", true},
		"who throttles":               {"search: status 429", "post 7 records to SailPointIDN_Events_CL: status 429", false},
		"how it ended":                {"search: status 503 (gave up after 7 attempts). Nothing is lost: the next run continues here; the service asks for a pause of 1m30s", "search: status 503 (no time to try again). Nothing is lost: the next run continues here", true},
		"tables":                      {"post 3 records to SailPointIDN_Events_CL: status 403", "post 1 records to SailPointIDN_Triggers_CL: status 403; records that the source may delete are safe in the spool (272 in this run)", true},
		"another service":             {"no answer from one.okta.com", "no answer from one.identitynow.com", false},
		"another status":              {"search: status 429", "search: status 503", false},
		"another Entra code":          {"AADSTS700016: wrong", "AADSTS7000215: wrong", false},
		"another setting":             {"correct T000_CLIENT_ID", "correct T001_CLIENT_SECRET", false},
		"another operation":           {"read checkpoint: denied", "write checkpoint: denied", false},
		"another word":                {"token: expired", "token: revoked", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := failures(t, tc.first, tc.second)
			if one := len(s.Problems) == 1; one != tc.one {
				t.Errorf("%d problems: %q", len(s.Problems), whats(s))
			}
		})
	}
}

// What is said of a state in a folder, and of a service, does not send its reader to Azure.
func TestRemediesOutsideAzure(t *testing.T) {
	denied := &mem.Store{After: func(mem.Op, string) error {
		return fmt.Errorf("read state object: %w", &fs.PathError{Op: "open", Path: "/var/lib/idnsentinel/acme/runs/x.json", Err: fs.ErrPermission})
	}}
	for name, tc := range map[string]struct {
		store state.Store
		by    string // what ran last, an hour ago
		says  []string
	}{
		"denied":        {denied, "", []string{"a folder (STATE_URL)", "read and write /var/lib/idnsentinel/acme/runs/x.json", "ls -ld", "run this command as its user"}},
		"stopped":       {&mem.Store{}, runs.ByServe, []string{"Start idnsentinel serve"}},
		"a stopped app": {&mem.Store{}, runs.ByFunction, []string{"in the portal"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.by != "" {
				rep := pipeline.Report{Stream: stream, State: pipeline.Drained}
				if err := runs.New(tc.store, "acme").End(t.Context(), rep, runs.Program{By: tc.by}, time.Now().Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			s := status.Take(t.Context(), status.Config{
				Store: tc.store, Connections: []status.Connection{{Tenant: "acme", Streams: []status.Stream{{ID: stream, Short: "Events"}}}},
			})
			text := fmt.Sprint(s.Problems)
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in %s", want, text)
				}
			}
			if tc.by != runs.ByFunction && (strings.Contains(text, "Blob") || strings.Contains(text, "portal") || strings.Contains(text, "AZURE_") || strings.Contains(text, "unction")) {
				t.Errorf("speaks of Azure: %s", text)
			}
		})
	}
}

// A stream with several warnings of one kind is named once.
func TestWarningsOfOneKind(t *testing.T) {
	store := &mem.Store{}
	rep := pipeline.Report{Stream: stream, State: pipeline.Drained, Warnings: []string{"the window from 2026-11-30T05:50:00Z is odd", "the window from 2026-11-30T05:55:00Z is odd"}}
	if err := runs.New(store, "acme").End(t.Context(), rep, runs.Program{By: runs.ByFunction}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := status.Take(t.Context(), status.Config{Store: store, Connections: []status.Connection{{Tenant: "acme", Streams: []status.Stream{{ID: stream, Short: "Events"}}}}})
	if len(s.Problems) != 1 || len(s.Problems[0].Streams) != 1 || s.Problems[0].Texts != 2 || s.Problems[0].Connections != 0 {
		t.Errorf("%+v", s.Problems)
	}
}
