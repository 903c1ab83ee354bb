package forward_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

const (
	flowID  = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	flowKey = "canary-workflow-secret-5d2e"
	content = "canary-report-content-81ab"
	execute = "/workflows/v1/execute/external/" + flowID
)

// rig is a tenant with a workflow, and a state.
type rig struct {
	t      *testing.T
	tenant *tenant.Tenant
	flow   tenant.Workflow
	store  *mem.Store
	// trip, if set, answers requests instead of the tenant.
	trip func(*http.Request) (*http.Response, error)
	said []string // all texts for people
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, store: new(mem.Store), tenant: new(tenant.Tenant)}
	r.flow = tenant.Workflow{ID: flowID, ClientID: "flow-client", ClientSecret: flowKey}
	r.tenant.SetWorkflow(r.flow)
	return r
}

// RoundTrip implements [http.RoundTripper].
func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.trip != nil {
		if resp, err := r.trip(req); resp != nil || err != nil {
			return resp, err
		}
	}
	return fault.Transport(r.tenant).RoundTrip(req)
}

func (r *rig) box() *reports.Store {
	box := reports.New(r.store, "acme", "Reports")
	box.PartBytes, box.Forward = 4000, true
	return box
}

// process is a new process.
func (r *rig) process() *forward.Forwarder {
	base := &url.URL{Scheme: "https", Host: "acme.api.identitynow.com"}
	return &forward.Forwarder{Queue: r.box(), Workflow: sailpoint.NewWorkflow(sailpoint.WorkflowConfig{
		URL: base.JoinPath(execute), BaseURL: base, ClientID: r.flow.ClientID, ClientSecret: secret.New(flowKey), HTTP: &http.Client{Transport: r},
	})}
}

// receive stores a report with n rows, and delivers it at once.
func (r *rig) receive(name string, n int) string {
	r.t.Helper()
	id := r.store1(name, csv(n))
	if err := r.box().Remove(r.t.Context(), id); err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) store1(name, body string) string {
	r.t.Helper()
	<-time.After(time.Second) // ids are in the order of receipt
	got, _, err := r.box().Put(r.t.Context(), name, "", time.Now(), strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return got.ID
}

func csv(n int) string {
	var b strings.Builder
	b.WriteString("Name,Note\n")
	for i := range n {
		fmt.Fprintf(&b, "row %d,%s\n", i+1, content)
	}
	return b.String()
}

// run runs once, and remembers what was said.
func (r *rig) run(f *forward.Forwarder) forward.Result {
	r.t.Helper()
	res := f.Run(r.t.Context())
	r.said = append(r.said, res.Notes...)
	if res.Err != nil {
		r.said = append(r.said, res.Err.Error())
	}
	return res
}

// settled runs until nothing waits.
func (r *rig) settled(f *forward.Forwarder) (res forward.Result) {
	r.t.Helper()
	for range 20 {
		if res = r.run(f); res.Waiting == 0 {
			return res
		}
		<-time.After(10 * time.Minute)
	}
	r.t.Fatalf("it is never settled: %+v", res)
	return res
}

// started is what the workflow got in one start.
type started struct {
	Report, Received, DeliveryID, Key string
	Repeated, Last, Incomplete        bool
	RowNumber                         int
	Row                               map[string]string
	Rows                              []map[string]string
	About                             map[string]any
}

func (r *rig) started() (list []started) {
	r.t.Helper()
	for _, e := range r.tenant.Executions() {
		var s started
		if err := json.Unmarshal(e.Input, &s, json.MatchCaseInsensitiveNames(true)); err != nil {
			r.t.Fatalf("%v: %s", err, e.Input)
		}
		list = append(list, s)
	}
	return list
}

// times are how often each row was passed on, by report and name.
func (r *rig) times() map[string]int {
	n := map[string]int{}
	for _, s := range r.started() {
		for _, row := range append(s.Rows, s.Row) {
			if row != nil {
				n[s.Report+" "+row["Name"]]++
			}
		}
	}
	return n
}

// once holds that each row of a report with n rows was passed on that often.
func (r *rig) times1(name string, n, want int) {
	r.t.Helper()
	got := r.times()
	for i := range n {
		if key := fmt.Sprintf("%s row %d", name, i+1); got[key] != want {
			r.t.Errorf("%s was passed on %d times, want %d", key, got[key], want)
			return
		}
	}
}

// quiet holds that nothing that was said, and nothing beside the report's own parts, shows what it must not.
func (r *rig) quiet() {
	r.t.Helper()
	for _, text := range r.said {
		if strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
			r.t.Errorf("it shows: %s", text)
		}
	}
	for info, err := range r.store.List(r.t.Context(), "") {
		o, gone := r.store.Get(r.t.Context(), info.Key)
		if err != nil || gone != nil {
			r.t.Fatal(err, gone)
		}
		if strings.Contains(string(o.Data), flowKey) || strings.Contains(string(o.Data), "eyJ") || !strings.Contains(info.Key, "/parts/") && strings.Contains(string(o.Data), content) {
			r.t.Errorf("%s shows a secret or the contents of a report", info.Key)
		}
	}
	if v := r.tenant.Violations(); len(v) > 0 {
		r.t.Errorf("the tenant saw %q", v)
	}
}

func (r *rig) keys() (n int) {
	for _, err := range r.store.List(r.t.Context(), "acme/inbox/Reports/") {
		if err != nil {
			r.t.Fatal(err)
		}
		n++
	}
	return n
}

// Each report is passed on once, in starts of bounded size, and then nothing of it is left.
func TestForward(t *testing.T) {
	for name, test := range map[string]struct {
		byRow  bool
		starts int
	}{"reports": {false, 3 + 1 + 1}, "rows": {true, 600 + 1 + 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.receive("large", 600)
				about := r.store1("", `{"reportName":"own name","n":7,"rows":[{"Name":"row 1"}]}`)
				odd := r.store1("odd", "{\"Name\":\"row 1\",\"Note\":\"\xff\"}\n{\"a\n{\"Name\":\"row 2\"}\n")
				f := r.process()
				f.ByRow = test.byRow
				begun := time.Now()
				res := r.settled(f)
				if res.Err != nil || res.Kept != 0 || len(res.Notes) != 0 {
					t.Errorf("%+v", res)
				}
				if rate := float64(test.starts) / time.Since(begun).Seconds(); rate > 5 && test.starts > 10 {
					t.Errorf("%.1f starts a second", rate)
				}
				list := r.started()
				if len(list) != test.starts {
					t.Errorf("%d starts, want %d", len(list), test.starts)
				}
				for i, s := range list {
					if s.Repeated || s.Received == "" || s.DeliveryID == "" || s.Key == "" || slices.ContainsFunc(list[:i], func(o started) bool { return o.Key == s.Key }) {
						t.Errorf("%+v", s)
					}
				}
				r.times1("large", 600, 1)
				r.times1("own name", 1, 1)
				r.times1("odd", 2, 1)
				if !test.byRow && (list[0].Last || list[1].Last || !list[2].Last || len(list[0].Rows) != 250 || list[3].About["n"] != 7.0) {
					t.Errorf("%+v", list[3])
				}
				// Those that were not delivered yet stay, and are not forwarded a second time.
				if again := r.run(r.process()); again.Waiting != 0 || len(r.tenant.Executions()) != test.starts {
					t.Errorf("%+v, %d starts", again, len(r.tenant.Executions()))
				}
				for _, id := range []string{about, odd} {
					if err := r.box().Remove(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				if r.run(r.process()); r.keys() != 3 { // what remembers that they came
					t.Errorf("%d objects are left, want 3", r.keys())
				}
				r.quiet()
			})
		})
	}
}

// The last start for a report says so, also if what follows it in the report can't be passed on.
func TestLastStart(t *testing.T) {
	rows := lines(250)
	for name, tc := range map[string]struct {
		body       string
		starts     int
		incomplete bool
	}{
		"good":                             {rows, 1, false},
		"one more row":                     {rows + `{"Name":"row 251"}` + "\n", 2, false},
		"a row that can't be read follows": {rows + "{\"a\n{\"b\n", 1, false},
		"it breaks off":                    {`{"rows":[` + strings.ReplaceAll(strings.TrimSpace(lines(3)), "\n", ",") + `,{"Name":"ro`, 1, true},
		"it breaks off after a full start": {`{"rows":[` + strings.ReplaceAll(strings.TrimSpace(rows), "\n", ",") + `,`, 1, true},
		"it is damaged within":             {`{"rows":[` + strings.ReplaceAll(strings.TrimSpace(lines(3)), "\n", ",") + `]] what`, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.store1("users", tc.body)
				if res := r.settled(r.process()); res.Err != nil || res.Kept != 0 {
					t.Errorf("%+v", res)
				}
				list := r.started()
				if len(list) != tc.starts {
					t.Fatalf("%d starts, want %d", len(list), tc.starts)
				}
				for i, s := range list {
					if end := i == len(list)-1; s.Last != end || s.Incomplete != (end && tc.incomplete) {
						t.Errorf("start %d of %d: last %v, incomplete %v", i+1, len(list), s.Last, s.Incomplete)
					}
				}
			})
		})
	}
}

// lines is a report of n rows, as JSON lines.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"Name\":\"row %d\"}\n", i+1)
	}
	return b.String()
}

// notDone are failures after which the workflow was certainly not started: each is tried again, and
// every row is passed on once.
func TestCertainFailures(t *testing.T) {
	for name, test := range map[string]struct {
		spoil, mend func(*rig)
		says        string
	}{
		"429": {func(r *rig) {
			r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.TooManyRequests, Path: execute, RetryAfter: "40", To: 3, From: 1}}}
		}, nil, "429"},
		"disabled": {func(r *rig) { w := r.flow; w.Disabled = true; r.tenant.SetWorkflow(w) }, func(r *rig) { r.tenant.SetWorkflow(r.flow) }, "Workflow is not enabled: check"},
		"unknown": {
			func(r *rig) {
				w := r.flow
				w.ID = "other"
				w.ClientID = "x"
				r.tenant.SetWorkflow(w)
				r.tenant.SetWorkflow(tenant.Workflow{ID: flowID, Disabled: true, ClientID: r.flow.ClientID, ClientSecret: flowKey})
			},
			func(r *rig) { r.tenant.SetWorkflow(r.flow) }, "was not started",
		},
		"secret": {func(r *rig) { w := r.flow; w.ClientSecret = "other"; r.tenant.SetWorkflow(w) }, func(r *rig) { r.tenant.SetWorkflow(r.flow) }, "WORKFLOW_CLIENT_ID or WORKFLOW_CLIENT_SECRET is wrong"},
		"scope":  {func(r *rig) { w := r.flow; w.Scopes = []string{"idn:x"}; r.tenant.SetWorkflow(w) }, func(r *rig) { r.tenant.SetWorkflow(r.flow); r.tenant.RevokeTokens() }, "needs the scope sp:workflow-execute:external"},
		"revoked": {func(r *rig) {
			r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unauthorized, Path: execute, From: 2, To: 3}}}
		}, nil, "just issued"},
		"redirect": {func(r *rig) { r.trip = answerOnce(r, http.StatusFound, "https://elsewhere.example/") }, nil, "redirects are not followed"},
		"refused connection": {func(r *rig) {
			n := 0
			r.trip = func(req *http.Request) (*http.Response, error) {
				if n++; n < 3 && req.URL.Path == execute {
					return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
				}
				return nil, nil
			}
		}, nil, "no answer from acme.api.identitynow.com"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.receive("a", 600)
				r.receive("b", 3)
				test.spoil(r)
				f := r.process()
				if res := r.run(f); res.Err == nil || !strings.Contains(res.Err.Error(), test.says) || res.Waiting == 0 || res.Oldest.IsZero() {
					t.Errorf("%+v", res)
				}
				<-time.After(time.Hour)
				if test.mend != nil {
					test.mend(r)
				}
				if res := r.settled(f); res.Kept != 0 {
					t.Errorf("%+v", res)
				}
				r.times1("a", 600, 1)
				r.times1("b", 3, 1)
				r.quiet()
			})
		})
	}
}

// answerOnce answers the first start with a status and a Location.
func answerOnce(r *rig, status int, location string) func(*http.Request) (*http.Response, error) {
	n := 0
	return func(req *http.Request) (*http.Response, error) {
		if req.URL.Host != "acme.api.identitynow.com" {
			r.t.Errorf("a request to %s", req.URL)
		}
		if req.URL.Path != execute {
			return nil, nil
		}
		if n++; n > 1 {
			return nil, nil
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {location}}, Body: http.NoBody, Request: req}, nil
	}
}

// What never succeeds is given up after three days, kept and named, and can be repeated.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.receive("a", 300)
		w := r.flow
		w.Disabled = true
		r.tenant.SetWorkflow(w)
		f := r.process()
		begun := time.Now()
		var res forward.Result
		for res = r.run(f); res.Waiting > 0; res = r.run(f) {
			if time.Since(begun) > 80*time.Hour {
				t.Fatal("it never ends")
			}
			<-time.After(15 * time.Minute)
		}
		if took := time.Since(begun); took < 71*time.Hour || res.Kept != 1 {
			t.Errorf("given up after %v: %+v", took, res)
		}
		notes := strings.Join(r.run(f).Notes, "\n")
		for _, want := range []string{id, "nothing more is tried", "not enabled", "idnsentinel forwarding repeat " + id} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not said: %s", want, notes)
			}
		}
		r.tenant.SetWorkflow(r.flow)
		r.repeat(id)
		if res := r.settled(f); res.Kept != 0 || len(r.tenant.Executions()) != 2 {
			t.Errorf("%+v, %d starts", res, len(r.tenant.Executions()))
		}
		r.times1("a", 300, 1)
	})
}

// repeat does what a person does.
func (r *rig) repeat(id string) {
	r.t.Helper()
	items, _, err := r.box().Items(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, item := range items {
		if item.ID == id {
			item.Repeat(time.Now())
			if err := r.box().Save(r.t.Context(), &item); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// Answers that leave open whether the workflow was started: it is started no second time, and the rows
// are kept and named until a person decides. With Repeats they are repeated, and the input says so.
func TestDoubts(t *testing.T) {
	for name, rule := range map[string]fault.Rule{
		"lost answer": {Kind: fault.ResetAfter}, "reset": {Kind: fault.Reset}, "500": {Kind: fault.ServerError}, "502": {Kind: fault.BadGateway}, "503": {Kind: fault.Unavailable, RetryAfter: "5"},
		"cut": {Kind: fault.Cut}, "malformed": {Kind: fault.Malformed}, "empty 200": {Kind: fault.Early}, "a portal": {Kind: fault.Foreign, Body: "<html><title>Sign in</title>"},
		"neither id nor message": {Kind: fault.Foreign, Body: "{}"}, "both": {Kind: fault.Foreign, Body: `{"workflowExecutionId":"e","message":"failed to start"}`},
		"no answer": {Kind: fault.Slow, Delay: time.Hour},
	} {
		for _, repeats := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, repeats %v", name, repeats), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					id := r.receive("a", 600)
					r.receive("b", 3)
					rule := rule
					rule.Path, rule.Nth = execute, []int{2}
					r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{rule}}
					f := r.process()
					f.Repeats = repeats
					begun := time.Now()
					res := r.run(f)
					if res.Err == nil || time.Since(begun) > time.Minute {
						t.Errorf("after %v: %+v", time.Since(begun), res)
					}
					<-time.After(time.Minute)
					if res = r.settled(f); res.Waiting != 0 || !repeats && res.Kept != 1 || repeats && res.Kept != 0 {
						t.Fatalf("%+v", res)
					}
					done := rule.Kind == fault.ResetAfter || rule.Kind == fault.Cut || rule.Kind == fault.Malformed
					got := r.times()
					if n := got["a row 251"]; !repeats && n > 1 || !repeats && done != (n == 1) {
						t.Errorf("row 251 was passed on %d times", n)
					}
					if got["a row 1"] != 1 || got["a row 501"] != 1 || got["b row 3"] != 1 {
						t.Errorf("others were not passed on once: %v", got)
					}
					if !repeats {
						notes := strings.Join(res.Notes, "\n")
						for _, want := range []string{id, "not known whether the workflow was started", "rows 251 to 500", "idnsentinel forwarding repeat"} {
							if !strings.Contains(notes, want) {
								t.Errorf("%q is not said: %s", want, notes)
							}
						}
						r.repeat(id)
						if res = r.settled(f); res.Kept != 0 {
							t.Errorf("%+v", res)
						}
					}
					list := r.started()
					if again := list[len(list)-1]; !repeats && (!again.Repeated || again.Key != id+"#251" || len(again.Rows) != 250) {
						t.Errorf("%+v", again)
					}
					for _, s := range list {
						if s.Repeated != (s.Key == id+"#251" && s.Repeated) {
							t.Errorf("%s says that it is repeated", s.Key)
						}
					}
					if got := r.times()["a row 251"]; got != map[bool]int{true: 2, false: 1}[done] {
						t.Errorf("row 251 was passed on %d times in the end", got)
					}
					r.quiet()
				})
			})
		}
	}
}

// A start in doubt that passed on only what surrounds the rows, and is repeated when each row is passed on by
// itself: there is nothing to pass on any more, and that is an end.
func TestRepeatedWithoutRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.store1("a", `{"title":"x","rows":[`+strings.Repeat(`{"Name":"row"},`, 249)+`{"Name":"row"}]}`)
		if err := r.box().Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.ResetAfter, Path: execute, Nth: []int{2}}}}
		if res := r.run(r.process()); res.Err == nil {
			t.Errorf("%+v", res)
		}
		r.settled(r.process())
		if starts := r.started(); len(starts) != 2 || len(starts[1].Rows) != 0 || starts[1].About == nil {
			t.Fatalf("%+v", starts)
		}
		r.repeat(id)
		f := r.process()
		f.ByRow = true
		if res := r.run(f); res.Err != nil || res.Waiting != 0 || res.Kept != 0 {
			t.Errorf("%+v", res)
		}
		if n := r.keys(); n != 1 { // what remembers the report
			t.Errorf("%d objects are left", n)
		}
	})
}

// A workflow that never answers is not started for each of a thousand rows: the report is kept as a whole.
func TestDoubtsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receive("a", 1000)
		r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.ResetAfter, Path: execute}}}
		f := r.process()
		f.ByRow = true
		res := r.settled(f)
		if n := len(r.tenant.Executions()); n != 20 || res.Kept != 1 || !strings.Contains(strings.Join(res.Notes, ""), "20 starts are in doubt") {
			t.Errorf("%d starts, %+v", n, res)
		}
	})
}

// What the workflow does not take is kept and named, and holds up nothing else.
func TestRefusedInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		w := r.flow
		w.MostBytes = 20_000
		r.tenant.SetWorkflow(w)
		id := r.store1("large row", `[{"Name":"row 1"},{"Name":"row 2","Note":"`+strings.Repeat("x", 30_000)+`"},{"Name":"row 3","Note":"`+strings.Repeat("y", 500_000)+`"},{"Name":"row 4"}]`)
		r.receive("b", 3)
		f := r.process()
		f.ByRow = true
		res := r.settled(f)
		if res.Err != nil || res.Kept != 1 {
			t.Errorf("%+v", res)
		}
		if notes := strings.Join(res.Notes, "\n"); !strings.Contains(notes, id) || !strings.Contains(notes, "did not take row 2") || !strings.Contains(notes, "1 more") {
			t.Errorf("notes: %s", notes)
		}
		r.times1("b", 3, 1)
		if got := r.times(); got["large row row 1"] != 1 || got["large row row 4"] != 1 || len(got) != 5 {
			t.Errorf("%v", got)
		}
		// It is dropped after 30 days.
		<-time.After(31 * 24 * time.Hour)
		if res := r.run(f); res.Kept != 0 || !strings.Contains(strings.Join(res.Notes, ""), "is dropped") {
			t.Errorf("%+v", res)
		}
		r.quiet()
	})
}

// An answer that repeats the report does not bring it into a log.
func TestEcho(t *testing.T) {
	for name, body := range map[string]string{
		"200": `{"message":"no such user: ` + content + `"}`, "400": `{"detailCode":"400.1","messages":[{"text":"invalid: ` + content + `"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.receive("a", 3)
				status := map[string]int{"200": 200, "400": 400}[name]
				r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Foreign, Path: execute, Status: status, Body: body, To: 1, From: 1}}}
				f := r.process()
				r.run(f)
				r.settled(f)
				r.quiet()
			})
		})
	}
}

// An entry, or a report, that can't be read is named and kept, and holds up no other one.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		damaged := r.receive("damaged", 600)
		newer := r.receive("newer", 3)
		cut := r.store1("cut", csv(600))
		key := "acme/inbox/Reports/waiting/" + cut
		waiting, err := r.store.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		fewer := regexp.MustCompile(`"parts":\d+`).ReplaceAll(waiting.Data, []byte(`"parts":1`))
		if _, err := r.store.Put(t.Context(), key, fewer, waiting.ETag); err != nil {
			t.Fatal(err)
		}
		r.receive("good", 3)
		if err := r.store.Delete(t.Context(), "acme/inbox/Reports/parts/"+damaged+"/000002"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.store.Put(t.Context(), "acme/inbox/Reports/forward/"+newer, []byte(`{"version":99}`), state.Any); err != nil {
			t.Fatal(err)
		}
		if _, err := r.store.Put(t.Context(), "acme/inbox/Reports/forward/20261129T120000.000000005Z-0123456789abcdef", []byte(`{"version":1}`), state.Any); err != nil {
			t.Fatal(err)
		}
		f := r.process()
		for range 2 {
			res := r.settled(f)
			notes := strings.Join(res.Notes, "\n")
			for _, want := range []string{damaged, cut, "missing or damaged", newer, "newer version", "20261129T120000.000000005Z-0123456789abcdef"} {
				if !strings.Contains(notes, want) {
					t.Errorf("%q is not said: %s", want, notes)
				}
			}
		}
		r.times1("good", 3, 1)
		if err := r.box().Tidy(t.Context(), time.Now().Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if parts, err := r.box().PartOf(t.Context(), forward.Entry{ID: newer}, 1); err != nil || len(parts) == 0 {
			t.Errorf("the parts of what is kept are gone: %v", err)
		}
	})
}

// A process dies at each operation of the state, or at each post, before or after it took effect. In the
// end each row was passed on once, or its start is in doubt and said; none was passed on twice.
func TestKilledAnywhere(t *testing.T) {
	died := errors.New("the process died")
	for _, effect := range []bool{false, true} {
		for n := 1; ; n++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				ids := []string{r.receive("a", 600), r.receive("b", 3)}
				undelivered := r.store1("c", csv(3))
				step, dead := 0, false
				hit := func(after bool) error {
					if dead {
						return died
					}
					if after != effect {
						return nil
					}
					if step++; step == n {
						dead, reached = true, true
						return died
					}
					return nil
				}
				r.store.Before = func(mem.Op, string) error { return hit(false) }
				r.store.After = func(mem.Op, string) error { return hit(true) }
				r.trip = func(req *http.Request) (*http.Response, error) {
					if req.URL.Path != execute {
						return nil, nil
					}
					if err := hit(false); err != nil {
						return nil, err
					}
					resp, err := fault.Transport(r.tenant).RoundTrip(req)
					if lost := hit(true); lost != nil {
						return nil, lost
					}
					return resp, err
				}
				r.process().Run(context.WithoutCancel(t.Context()))
				r.store.Before, r.store.After, r.trip = nil, nil, nil
				dead = false
				r.settled(r.process())
				if err := r.box().Remove(t.Context(), undelivered); err != nil {
					t.Fatal(err)
				}
				res := r.settled(r.process())
				got := r.times()
				missing := 0
				for name, rows := range map[string]int{"a": 600, "b": 3, "c": 3} {
					for i := range rows {
						switch got[fmt.Sprintf("%s row %d", name, i+1)] {
						case 0:
							missing++
						case 1:
						default:
							t.Fatalf("effect %v, step %d: %s row %d was passed on twice", effect, n, name, i+1)
						}
					}
				}
				if missing > 0 && res.Kept == 0 {
					t.Errorf("effect %v, step %d: %d rows were not passed on, and nothing is said", effect, n, missing)
				}
				if res.Kept > 1 {
					t.Errorf("effect %v, step %d: %d are kept: %q", effect, n, res.Kept, res.Notes)
				}
				for _, id := range append(ids, undelivered) {
					r.repeat(id)
				}
				if res = r.settled(r.process()); res.Kept != 0 {
					t.Errorf("%+v", res)
				}
				got = r.times()
				if len(got) != 606 {
					t.Errorf("effect %v, step %d: %d rows were passed on in the end", effect, n, len(got))
				}
				if r.run(r.process()); r.keys() != 3 {
					t.Errorf("effect %v, step %d: %d objects are left", effect, n, r.keys())
				}
			})
			if !reached {
				if n < 20 {
					t.Errorf("only %d steps", n)
				}
				break
			}
		}
	}
}

// Two processes that both believe to have the lock start nothing twice.
func TestTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receive("a", 2000)
		r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Path: execute, Delay: time.Second}}}
		done := make(chan struct{})
		for range 2 {
			f := r.process()
			go func() {
				f.Run(t.Context())
				done <- struct{}{}
			}()
		}
		<-done
		<-done
		r.settled(r.process())
		for key, n := range r.times() {
			if n > 1 {
				t.Fatalf("%s was passed on %d times", key, n)
			}
		}
	})
}

// A stop waits for the start under way, and is no doubt.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receive("a", 2000)
		r.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Path: execute, Delay: 5 * time.Second}}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(12*time.Second, cancel)
		begun := time.Now()
		res := r.process().Run(ctx)
		if took := time.Since(begun); took > 20*time.Second || res.Starts < 2 || res.Waiting != 1 {
			t.Errorf("after %v: %+v", took, res)
		}
		if res := r.settled(r.process()); res.Kept != 0 {
			t.Errorf("%+v", res)
		}
		r.times1("a", 2000, 1)
	})
}
