package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// The credentials that the stand-ins accept. They open nothing else.
const (
	clientID     = "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1"
	clientSecret = "synthetic-client-secret"
)

// Stage is a stand-in tenant and a stand-in workspace, served on this machine.
type Stage struct {
	Tenant    *tenant.Tenant
	Workspace *workspace.Workspace
	// IdentityIQ and Okta are nil unless they were asked for.
	IdentityIQ *identityiq.Server
	Okta       *okta.Org
	Generator  *synth.Generator
	Events     int // how many the generator will have made when it ends

	// tenantURL, workspaceURL and identityURL are where they are; the last one is empty
	// if the workspace takes a key.
	tenantURL, workspaceURL, identityURL string
	iiqURL, oktaURL                      string
	servers                              []*http.Server
}

// StageConfig says what data the tenant has. Everything in it is synthetic.
type StageConfig struct {
	Seed int64
	// Past is how long ago the events begin; they go on into the future for an hour.
	Past time.Duration
	// Rate is events a second.
	Rate float64
	// TenantAddr and WorkspaceAddr are where to listen; "" means a free port.
	TenantAddr, WorkspaceAddr string
	// Tenant and Workspace, if set, stand before the stand-ins, for instance to inject faults.
	Tenant, Workspace func(http.Handler) http.Handler
	// Rule has the workspace written through a data collection rule with a managed
	// identity, which is served too, instead of with a key.
	Rule bool
	// Poison says which records the workspace rejects; nil means none.
	Poison func(raw []byte) bool
	// IdentityIQ adds an IdentityIQ server, at IdentityIQAddr.
	IdentityIQ     bool
	IdentityIQAddr string
	// Okta adds an Okta org, at OktaAddr.
	Okta     bool
	OktaAddr string
}

// NewStage starts the stand-ins. Close stops them.
func NewStage(ctx context.Context, cfg StageConfig) (*Stage, error) {
	const future = time.Hour
	begin := time.Now().Add(-cfg.Past).UTC().Truncate(time.Second)
	s := &Stage{Generator: synth.New(synth.Options{Seed: cfg.Seed, Start: begin, Rate: cfg.Rate})}
	s.Events = int((cfg.Past + future).Seconds() * cfg.Rate)
	s.Tenant = &tenant.Tenant{
		ClientID: clientID, ClientSecret: clientSecret, Scopes: []string{"sp:scopes:all"},
		Backlog: s.Generator, BacklogSize: s.Events,
	}
	// What is served must not change any more.
	s.Workspace = &workspace.Workspace{Identify: Identify, Poison: cfg.Poison}
	if cfg.Rule {
		s.Workspace.Rules = map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()}
	}
	invocations := synth.New(synth.Options{Seed: cfg.Seed, Start: time.Now().Add(-4 * time.Minute)})
	for i := range 300 { // one a second, into the coming minute
		s.Tenant.AddInvocation(invocations.Invocation(i))
	}
	var err error
	if s.tenantURL, err = s.serve(ctx, cfg.TenantAddr, before(cfg.Tenant, s.Tenant)); err == nil {
		s.workspaceURL, err = s.serve(ctx, cfg.WorkspaceAddr, before(cfg.Workspace, s.Workspace))
	}
	if err == nil && cfg.Rule {
		s.identityURL, err = s.serve(ctx, "", workspace.Identity())
	}
	if err == nil && cfg.IdentityIQ {
		err = s.serveIdentityIQ(ctx, cfg)
	}
	if err == nil && cfg.Okta {
		err = s.serveOkta(ctx, cfg)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// before puts a handler before another; nil puts none there.
func before(first func(http.Handler) http.Handler, h http.Handler) http.Handler {
	if first == nil {
		return h
	}
	return first(h)
}

// Identify tells rows of a table apart: an invocation comes twice, in flight and completed.
func Identify(table string, raw []byte) string {
	var row struct {
		ID        string `json:"id"`
		Completed string `json:"completed"`
	}
	if table == "Okta" {
		var event struct {
			ID string `json:"uuid"`
		}
		_ = json.Unmarshal(raw, &event, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		return event.ID
	}
	// What has no id, or odd JSON, counts as one of a kind.
	_ = json.Unmarshal(raw, &row, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if strings.HasPrefix(table, "SailPointIDN_Triggers") && row.ID != "" {
		return row.ID + "|" + row.Completed
	}
	return row.ID
}

func (s *Stage) serve(ctx context.Context, addr string, h http.Handler) (url string, err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, srv)
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("stand-in at %s: %v", ln.Addr(), err))
		}
	}()
	return "http://" + ln.Addr().String(), nil
}

// Close stops the stand-ins.
func (s *Stage) Close() {
	for _, srv := range s.servers {
		_ = srv.Close()
	}
}

// Settings are the app settings with which the connector works on this stage,
// keeping its state in dir, as NAME=value.
func (s *Stage) Settings(dir string) []string {
	destination := []string{
		"CUSTOMER_ID=" + workspace.DefaultID,
		"SHARED_KEY=" + workspace.DefaultKey,
		"logAnalyticsUri=" + s.workspaceURL,
	}
	if s.identityURL != "" {
		destination = []string{
			"LOGS_INGESTION_ENDPOINT=" + s.workspaceURL,
			"DCR_IMMUTABLE_ID=" + workspace.DefaultRule,
			"IDENTITY_ENDPOINT=" + s.identityURL + "/msi/token",
			"IDENTITY_HEADER=" + workspace.IdentityHeader,
		}
	}
	return slices.Concat([]string{
		"SAILPOINT_BASE_URL=" + s.tenantURL,
		"CLIENT_ID=" + clientID,
		"CLIENT_SECRET=" + clientSecret,
	}, s.iiqSettings(), s.oktaSettings(), destination, []string{
		"STATE_URL=file://" + dir,
		"INITIAL_LOOKBACK=24h",
		"SETTLE_DELAY=2s", // the stand-in indexes at once
	})
}

// Audit compares the events that the tenant shows up to the newest delivered
// one with the rows of the table.
func (s *Stage) Audit() (expected, missing, twice int) {
	ids := s.Workspace.Table("SailPointIDN_Events").IDs()
	newest := -1
	for i := range s.Events {
		if ids[s.Generator.ID(i)] > 0 {
			newest = i
		}
	}
	for i := range newest + 1 {
		switch n := ids[s.Generator.ID(i)]; {
		case n == 0:
			missing++
		case n > 1:
			twice += n - 1
		}
	}
	return newest + 1, missing, twice
}
