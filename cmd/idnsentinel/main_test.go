package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"idnsentinel": main, "az": az})
}

// Canaries: no output may hold one of these.
const (
	canarySecret = "canary-client-secret-4e0b"
	canaryOther  = "canary-wrong-secret-91aa"
	canaryHook   = "canary-webhook-token-6f21c3"
	canaryNext   = "canary-webhook-token-next-b07e"
	canaryFlow   = "canary-workflow-secret-5d2e"
	canaryVault  = "canary-vault-secret-c30f"
)

// canaryKey is the key of the workspace.
func canaryKey() string {
	return base64.StdEncoding.EncodeToString([]byte("canary-workspace-key-8d52"))
}

// begin is the time of the first record, the same on every stage.
var begin = time.Now().Add(-2 * time.Hour)

// stage is a tenant and a workspace for one script. The tenant's data lie in the
// past, so that every run of a script sees the same.
type stage struct {
	tenant    *tenant.Tenant
	workspace *workspace.Workspace
	settings  []string // NAME=value

	held    chan struct{}              // closed when the first batch is held back
	release chan struct{}              // closed when no more are
	posts   atomic.Int64               // of events
	healed  atomic.Bool                // the workspace takes poison
	lost    atomic.Value               // func(i int, row workspace.Row) bool
	faults  atomic.Pointer[fault.Plan] // of the tenant; nil means none
	free    sync.Once
}

// options of a stage; the zero value is well behaved.
type options struct {
	events int           // 0 means 300
	scopes []string      // nil means both
	ahead  time.Duration // of the workspace's clock
	hold   int64         // the number of the first post of events that is held back until release; 0 means none
	shape  synth.Shape   // of event 7
	// noReader: nobody may ask the workspace.
	noReader bool
}

func newStage(o options) (s *stage, closeAll func()) {
	if o.events == 0 {
		o.events = 300
	}
	generator := synth.New(synth.Options{Start: begin, Plain: true, Rate: float64(o.events) / time.Hour.Seconds(), With: map[int]synth.Shape{7: o.shape}})
	s = &stage{
		tenant:    &tenant.Tenant{Name: "acme", ClientID: "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", ClientSecret: canarySecret, Scopes: o.scopes, Backlog: generator, BacklogSize: o.events},
		workspace: &workspace.Workspace{Key: canaryKey(), Now: func() time.Time { return time.Now().Add(o.ahead) }},
		held:      make(chan struct{}), release: make(chan struct{}),
	}
	s.workspace.Poison = func(raw []byte) bool {
		return !s.healed.Load() && bytes.Contains(raw, []byte(synth.PoisonText))
	}
	for i := range 20 {
		s.tenant.AddInvocation(synth.New(synth.Options{Start: begin, Plain: true}).Invocation(i))
	}
	s.workspace.Queries.NoReader = o.noReader
	s.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
		lost, ok := s.lost.Load().(func(int, workspace.Row) bool)
		return ok && table == "SailPointIDN_Events" && lost(i, row)
	}
	// A script asks for faults when the tenant serves already, and must not write to its fields then.
	t := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.faults.Load().Wrap(s.tenant).ServeHTTP(rw, r)
	}))
	w := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Log-Type") == "SailPointIDN_Events" {
			n := s.posts.Add(1)
			if n == o.hold {
				close(s.held)
			}
			if o.hold > 0 && n >= o.hold {
				select {
				case <-s.release:
				case <-r.Context().Done():
					return
				}
			}
		}
		s.workspace.ServeHTTP(rw, r)
	}))
	s.settings = []string{
		"TENANT_ID=acme", "SAILPOINT_BASE_URL=" + t.URL, "CLIENT_ID=" + s.tenant.ClientID, "CLIENT_SECRET=" + canarySecret,
		"CUSTOMER_ID=" + workspace.DefaultID, "SHARED_KEY=" + canaryKey(), "logAnalyticsUri=" + w.URL, "LOG_LEVEL=debug",
	}
	return s, func() {
		s.letGo()
		t.CloseClientConnections()
		t.Close()
		w.CloseClientConnections()
		w.Close()
	}
}

// hook serves the function's hooks with the script's settings and some more.
func (s *stage) hook(ts *testscript.TestScript, more []string) (address string) {
	values := map[string]string{"STATE_URL": ts.Getenv("STATE_URL")}
	for _, setting := range slices.Concat(s.settings, more) {
		name, value, _ := strings.Cut(setting, "=")
		values[name] = cmp.Or(value, ts.Getenv(name))
	}
	for _, name := range []string{"SAAS_WEBHOOK_SECRET", "WORKFLOW_URL", "WORKFLOW_CLIENT_ID", "WORKFLOW_CLIENT_SECRET"} {
		values[name] = ts.Getenv(name)
	}
	settings, err := config.Load(app.SettingKinds(), config.Values("script", values))
	ts.Check(err)
	handler := &functions.Handler{Budget: settings.RunBudget, Open: func() (functions.Poller, error) {
		return app.Open(settings, app.Options{By: app.ByFunction})
	}}
	server := httptest.NewServer(handler)
	ts.Defer(func() {
		handler.Stop(errors.New("the script has ended"))
		server.Close()
		s.tenant.Settle()
	})
	return server.URL
}

// letGo ends the holding back.
func (s *stage) letGo() { s.free.Do(func() { close(s.release) }) }

// leak returns the name of a secret that is in text, or "".
func (s *stage) leak(text string) string {
	secrets := map[string]string{"client secret": canarySecret, "other secret": canaryOther, "workspace key": canaryKey(), "webhook token": canaryHook, "next webhook token": canaryNext, "secret of the workflow": canaryFlow}
	for _, token := range s.tenant.Tokens() {
		secrets["access token"] = token
		if strings.Contains(text, token) {
			break
		}
	}
	for name, value := range secrets {
		if strings.Contains(text, value) {
			return name
		}
	}
	return ""
}

// TestScripts runs testdata/*.txtar. They have these commands of their own:
//
//	stage [events=N] [scopes=A,B] [ahead=DURATION] [shape=NAME] [reader=no]
//	    serves a tenant and a workspace, and sets the settings for them
//	exits STATUS PROGRAM [ARGUMENT...]
//	    runs a program, which must end with this status and show no secret
//	event NAME N
//	    sets the variable NAME to the id of event N
//	damage DIR cut|newer
//	    damages the one file in a folder, or puts one of a newer version in its place
//	late N
//	    lets N events of a time that was delivered long ago become visible now
//	lose ID...
//	    lets the workspace never have stored these records; those that come later are there
//	age DIR
//	    makes the files in a folder an hour old
//	touch DIR
//	    makes them new
//	hook [SETTING=VALUE...]
//	    serves the function's hooks with the settings of the script and these, and sets HOOK to
//	    the address
//	workflow [lose=N]
//	    has the tenant have a workflow, and sets the settings that forward reports to it; the answer to
//	    its Nth start is lost
//	report ADDRESS NAME N
//	    posts a report with N rows to a hook
//	kept N
//	    waits until N reports are kept and none waits, and sets KEPT to the id of the first one
//	executions N
//	    the workflow must have been started N times
//	foreign TRIGGER NAME ADDRESS
//	    subscribes somebody else
//	subscribed TRIGGER NAME ADDRESS TOKEN
//	    the tenant must have this subscription once
//	deploy NAME [SETTING=VALUE...]
//	    moves the settings of the stage, and these, into an app in Azure, with the secrets in a vault
//	azure WHAT [ARGUMENT...]
//	    lets something happen in Azure, see azure.change
//	account
//	    gives the app in Azure a storage account that takes no keys
//	holds [SETTING[=VALUE]...]
//	    the app in Azure must have these settings, and not those without a value
//	unchanged
//	    nothing must have been written to the app
//	tick
//	    runs the connector once, as the function does
//	await FILE
//	    waits until there is a file
//	heal
//	    lets the workspace take the record of shape poison
//	copies TABLE ID N
//	    the record must have come N times
//	arrived TABLE N
//	    waits until the table has N rows
//	rows TABLE N
//	    the table must have N rows, each once
func TestScripts(t *testing.T) {
	t.Parallel()
	stages, azures := sync.Map{}, sync.Map{} // by working directory
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			if path, ok := strings.CutPrefix(name, "exists:"); ok {
				_, err := os.Stat(path)
				return err == nil, nil
			}
			return false, errors.New("unknown condition")
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("STATE_URL", "file://"+filepath.ToSlash(filepath.Join(env.WorkDir, "state")))
			env.Setenv("BEGIN", begin.UTC().Format(time.RFC3339))
			env.Setenv("RECENT", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
			env.Setenv("FUTURE", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("OTHER_SECRET", canaryOther)
			env.Setenv("HOOK_TOKEN", canaryHook)
			env.Setenv("NEXT_TOKEN", canaryNext)
			env.Setenv("OTHER_KEY", base64.StdEncoding.EncodeToString([]byte(canaryOther)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"stage": func(ts *testscript.TestScript, _ bool, args []string) {
				s, closeAll := newStage(parseOptions(ts, args))
				ts.Defer(closeAll)
				stages.Store(ts.Getenv("WORK"), s)
				for _, setting := range s.settings {
					name, value, _ := strings.Cut(setting, "=")
					ts.Setenv(name, value)
				}
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, got := args[0], 0
				if err := ts.Exec(args[1], args[2:]...); err != nil {
					var exit *exec.ExitError
					if !errors.As(err, &exit) {
						ts.Fatalf("%v", err)
					}
					got = exit.ExitCode()
				}
				out, said := ts.ReadFile("stdout"), ts.ReadFile("stderr")
				if strconv.Itoa(got) != want {
					ts.Fatalf("exit status %d, want %s", got, want)
				}
				if s, ok := stages.Load(ts.Getenv("WORK")); ok {
					if name := s.(*stage).leak(out + said); name != "" {
						ts.Fatalf("shows the %s", name)
					}
				}
				if strings.Contains(out+said, canaryOther) || strings.Contains(out+said, canaryVault) {
					ts.Fatalf("shows a secret")
				}
				if strings.Contains(out+said, "eyJ") {
					ts.Fatalf("shows a token")
				}
			},
			"deploy": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				azures.Store(ts.Getenv("WORK"), s.(*stage).deploy(ts, args[0], args[1:]))
			},
			"azure": func(ts *testscript.TestScript, _ bool, args []string) {
				a, _ := azures.Load(ts.Getenv("WORK"))
				a.(*azure).change(ts, args)
			},
			"account": func(ts *testscript.TestScript, _ bool, _ []string) {
				a, _ := azures.Load(ts.Getenv("WORK"))
				a.(*azure).account(ts)
			},
			"holds": func(ts *testscript.TestScript, _ bool, args []string) {
				a, _ := azures.Load(ts.Getenv("WORK"))
				a.(*azure).holds(ts, args)
			},
			"unchanged": func(ts *testscript.TestScript, _ bool, _ []string) {
				a, _ := azures.Load(ts.Getenv("WORK"))
				a.(*azure).unchanged(ts)
			},
			"tick": func(ts *testscript.TestScript, _ bool, _ []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				s.(*stage).tick(ts)
			},
			"event": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Setenv(args[0], synth.New(synth.Options{Start: begin, Plain: true}).ID(n))
			},
			"damage": func(ts *testscript.TestScript, _ bool, args []string) {
				err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					data, err := os.ReadFile(path)
					if err != nil {
						return err
					}
					switch args[1] {
					case "newer":
						data = []byte("{\"version\":99}\n")
					case "holes": // of a checkpoint: two windows of which the source counted more than it listed, too old for an audit to compare again
						var holes []string
						for _, back := range []time.Duration{240 * time.Hour, 216 * time.Hour} {
							holes = append(holes, fmt.Sprintf(`{"from":%q,"source":288,"ledger":20}`, time.Now().UTC().Add(-back).Truncate(5*time.Minute).Format(time.RFC3339)))
						}
						data = bytes.Replace(data, []byte(`"audit":{`), []byte(`"audit":{"unexplained":[`+strings.Join(holes, ",")+`],`), 1)
					case "cut-by-an-id": // of a window of the ledger, whose size then is one that it can have
						data = data[:len(data)-16]
					default:
						data = data[:len(data)-1]
					}
					return os.WriteFile(path, data, 0o600)
				})
				ts.Check(err)
			},
			"late": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				s, _ := stages.Load(ts.Getenv("WORK"))
				late := synth.New(synth.Options{Seed: 99, Start: begin.Add(30 * time.Minute), Plain: true, Rate: 1})
				for i := range n {
					s.(*stage).tenant.AddEvent(late.Event(i), time.Now())
				}
			},
			"lose": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				stored := s.(*stage).workspace.Table("SailPointIDN_Events").Count()
				s.(*stage).lost.Store(func(i int, row workspace.Row) bool {
					return i < stored && slices.Contains(args, row["id_s"])
				})
			},
			"age":   func(ts *testscript.TestScript, _ bool, args []string) { date(ts, args[0], time.Now().Add(-time.Hour)) },
			"touch": func(ts *testscript.TestScript, _ bool, args []string) { date(ts, args[0], time.Now()) },
			"hook": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				ts.Setenv("HOOK", s.(*stage).hook(ts, args))
			},
			"workflow": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				s.(*stage).workflow(ts, args)
			},
			"report": report,
			"kept": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv("KEPT", kept(ts, args[0]))
			},
			"executions": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				if n := len(s.(*stage).tenant.Executions()); strconv.Itoa(n) != args[0] {
					ts.Fatalf("%d executions, want %s", n, args[0])
				}
			},
			"foreign": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				s.(*stage).tenant.Subscribe(tenant.Subscription{TriggerID: args[0], Name: args[1], Type: "HTTP", Enabled: true, HTTP: &tenant.HTTPConfig{URL: args[2], Mode: "SYNC"}})
			},
			"subscribed": func(ts *testscript.TestScript, neg bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				n := 0
				for _, one := range s.(*stage).tenant.Subscriptions() {
					if one.HTTP != nil && one.Enabled && slices.Equal([]string{one.TriggerID, one.Name, one.HTTP.URL, one.HTTP.Token}, args) {
						n++
					}
				}
				if n != 1 && !neg || n != 0 && neg {
					ts.Fatalf("%d subscriptions of %d are %q", n, len(s.(*stage).tenant.Subscriptions()), args)
				}
			},
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				for range 600 {
					if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
						return
					}
					<-time.After(50 * time.Millisecond)
				}
				ts.Fatalf("%s never came", args[0])
			},
			"heal": func(ts *testscript.TestScript, _ bool, _ []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				s.(*stage).healed.Store(true)
			},
			"copies": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				if n := s.(*stage).workspace.Table(args[0]).IDs()[args[1]]; strconv.Itoa(n) != args[2] {
					ts.Fatalf("%s came %d times, want %s", args[1], n, args[2])
				}
			},
			"arrived": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				for range 600 {
					if strconv.Itoa(s.(*stage).workspace.Table(args[0]).Count()) == args[1] {
						return
					}
					<-time.After(50 * time.Millisecond)
				}
				ts.Fatalf("%s never had %s rows", args[0], args[1])
			},
			"job": func(ts *testscript.TestScript, _ bool, _ []string) { // the first that jobs list has shown
				_, rows, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
				ts.Setenv("JOB", strings.Fields(rows)[0])
			},
			"rows": func(ts *testscript.TestScript, _ bool, args []string) {
				s, _ := stages.Load(ts.Getenv("WORK"))
				ids, n := s.(*stage).workspace.Table(args[0]).IDs(), s.(*stage).workspace.Table(args[0]).Count()
				if strconv.Itoa(n) != args[1] || len(ids) != n {
					ts.Fatalf("%s has %d rows and %d ids, want %s of both", args[0], n, len(ids), args[1])
				}
			},
		},
	})
}

func parseOptions(ts *testscript.TestScript, args []string) (o options) {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "events":
			o.events, err = strconv.Atoi(value)
		case "scopes":
			o.scopes = strings.Split(value, ",")
		case "ahead":
			o.ahead, err = time.ParseDuration(value)
		case "reader":
			o.noReader = value == "no"
		case "shape":
			o.shape = map[string]synth.Shape{"long-tokens": synth.LongTokens, "poison": synth.Poison}[value]
		default:
			err = errors.New("no such option")
		}
		ts.Check(err)
	}
	return o
}

// date makes the files in a folder that old.
func date(ts *testscript.TestScript, dir string, at time.Time) {
	ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, at, at))
	}))
}
