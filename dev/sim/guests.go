package sim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Guests are further sources of the connection: an Okta org, an IdentityIQ server. Their events are
// rows like those of the tenant, and the same promises are kept for them. What they do is drawn by
// dice of their own: a play without guests is what it would be if there were none.

const (
	oktaStream = "Okta"
	iiqStream  = "SailPointIIQ_Audit"

	oktaHost  = "acme.okta.com"
	iiqHost   = "iiq.acme.example"
	oktaToken = "00" + secretText
)

// guest is a further source.
type guest struct {
	kind       Kind
	host       string
	streams    []string
	fails      func(fault.Kind) Kind // the kind of a single request that fails
	foreign    Kind                  // of one that something else answers
	outage     Kind                  // and of all of them failing for a while
	settings   func() config.Source
	service    http.Handler
	logs       []guestLog
	violations func() []string
	visits     atomic.Int64
	rows       []*row
	changes    []change // of lists, and others that happen at their time
	refuse     func(rw http.ResponseWriter, r *http.Request) bool
	audited    map[string]time.Time // up to then, as the last drained run of a stream says
}

// guestLog is a stream of events that never change.
type guestLog struct {
	stream string
	add    func(n int, created, visible time.Time) (id string, raw []byte)
}

// change is something that happens to a guest at a moment.
type change struct {
	at time.Time
	do func()
}

// guestKinds are the guests that there are.
func guestKinds() []Kind { return []Kind{Okta, IIQ} }

// invite draws the guests of a play.
func (w *world) invite() {
	for _, kind := range guestKinds() {
		drawn := w.dice.chance("guest/"+string(kind), 0, 0.12) && !w.o.Pushes && !w.o.Reports && !w.o.Uncounted
		if w.o.off(kind) || !drawn && !slices.Contains(w.o.Guests, kind) {
			continue
		}
		w.count[kind]++
		w.plan.readBack = "" // after the pause before it the audits of an org with low limits fill some runs
		g := w.newOkta()
		if kind == IIQ {
			g = w.newIIQ()
		}
		w.guests = append(w.guests, g)
		w.guestWeather(g)
		w.guestEvents(g)
	}
}

// newOkta is an org with the limits of one, or less.
func (w *world) newOkta() *guest {
	org := &okta.Org{
		Host: oktaHost, APIToken: oktaToken, Now: w.now, UntilInclusive: w.dice.chance("okta/until", 0, 0.5), LastIsSelf: w.dice.chance("okta/self", 0, 0.2),
		App: w.newApp(), RateLimit: []int{60, 120, 600}[w.dice.pick("okta/limit", 0, 3)], ServeAtMost: []int{0, 20, 100}[w.dice.pick("okta/page", 0, 3)],
	}
	g := &guest{kind: Okta, host: oktaHost, streams: []string{oktaStream}, fails: onGuest, foreign: GuestForeign, outage: GuestOutage, service: org, violations: org.Violations}
	g.settings = func() config.Source {
		s := &config.Okta{BaseURL: &url.URL{Scheme: "https", Host: oktaHost}, Token: secret.Plain(oktaToken)}
		if org.App != nil {
			s.Token, s.ClientID, s.PrivateKey = secret.Value{}, oktaClient, secret.Plain(oktaKey)
		}
		return s
	}
	if org.App != nil {
		w.unsettle(g, org)
	}
	add := func(n int, created, visible time.Time) (string, []byte) {
		events := okta.Generator{Start: created.Add(-time.Duration(n) * time.Millisecond), Every: time.Millisecond}
		e := okta.Event{UUID: events.UUID(n), Published: created, Persisted: visible, Raw: events.Raw(n)}
		org.Add(e)
		return e.UUID, e.Raw
	}
	g.logs = []guestLog{{oktaStream, add}}
	return g
}

// newIIQ is a server with the plugin.
func (w *world) newIIQ() *guest {
	server := &identityiq.Server{
		ClientID: clientID, ClientSecret: secretText, Now: w.now, UnstableTies: w.dice.chance("iiq/ties", 0, 0.5), TextTotal: w.dice.chance("iiq/text", 0, 0.2),
		ServeAtMost: []int{0, 10, 100}[w.dice.pick("iiq/page", 0, 3)],
	}
	g := &guest{kind: IIQ, host: iiqHost, streams: []string{iiqStream}, fails: onGuest, foreign: GuestForeign, outage: GuestOutage, service: server, violations: server.Violations}
	names := []string{"audit"}
	g.settings = func() config.Source {
		return &config.IdentityIQ{
			BaseURL: &url.URL{Scheme: "https", Host: iiqHost, Path: "/identityiq"}, ClientID: clientID, ClientSecret: clientSecret(), Streams: names,
		}
	}
	g.logs = []guestLog{{iiqStream, func(n int, created, visible time.Time) (string, []byte) {
		raw := identityiq.AuditEvent(n, created)
		server.AddAudit(raw, created, visible)
		return identityiq.ID('a', n), raw
	}}}
	if !w.o.off(IIQLists) && w.dice.chance("iiq/lists", 0, 0.5) {
		w.count[IIQLists]++
		server.RefuseSort = w.dice.chance("iiq/sort", 0, 0.3)
		names = append(names, "syslog", "tasks", "violations", "alerts")
		g.logs = append(g.logs, guestLog{syslogStream, func(n int, created, visible time.Time) (string, []byte) {
			raw := identityiq.SyslogEvent(n, created)
			server.AddSyslog(raw, created, visible)
			return identityiq.ID('b', n), raw
		}})
		g.streams = append(g.streams, syslogStream)
		w.lists(g, server)
	}
	return g
}

// guestWeather draws how often the requests to a guest fail in each phase, and whether all do.
func (w *world) guestWeather(g *guest) {
	name := "weather/" + string(g.kind)
	for i := range w.plan.phases {
		ph := &w.plan.phases[i]
		for j, k := range g.faults() {
			n := int64(i)<<8 | int64(j)
			if w.dice.chance(name, n, 0.4) {
				ph.rates[k] = float64(w.dice.pick(name+"/rate", n, 60)) / 1000
				if k == OktaCursor {
					ph.rates[k] *= 4
				}
			}
		}
		if w.dice.chance(name+"/down", int64(i), 0.08) && !w.o.off(g.outage) {
			ph.down = append(ph.down, g.kind)
			w.count[g.outage]++
		}
	}
}

// faults are what may happen to a request to a guest.
func (g *guest) faults() (all []Kind) {
	for _, k := range requestFaults() {
		all = append(all, g.fails(k))
	}
	all = append(all, g.foreign)
	if g.kind == Okta {
		all = append(all, OktaCursor)
	}
	return all
}

// guestEvents makes the events of a guest: some of them at the same moment, some of them found late, and one
// for each run until nearly the end.
func (w *world) guestEvents(g *guest) {
	for i, l := range g.logs {
		name := "event/" + string(g.kind)
		if i > 0 {
			name += "/" + l.stream
		}
		w.logEvents(g, l, name)
	}
}

// logEvents makes the events of one log of a guest.
func (w *world) logEvents(g *guest, l guestLog, name string) {
	d, p := w.dice, w.plan
	many := 20 + d.pick(name+"/many", 0, 20*(1+d.pick(name+"/many", 1, 40)))
	if w.o.MaxEvents > 0 {
		many = min(many, w.o.MaxEvents)
	}
	longest := p.ages[len(p.ages)-1] - time.Minute
	var at time.Time
	for i := range many {
		n := int64(i)
		if i == 0 || !d.chance(name+"/tie", n, 0.15) {
			at = p.start.Add(d.span(name, n, -30*time.Minute, p.active)).Truncate(time.Millisecond)
		} else {
			w.count[GuestTies]++
		}
		late := d.span(name+"/seconds", n, 0, 3*time.Second)
		if d.chance(name+"/late", n, 0.06) && !w.o.off(GuestLate) {
			w.count[GuestLate]++
			late = d.span(name+"/minutes", n, 3*time.Second, longest)
		}
		w.guestEvent(g, l, i, at, at.Add(late))
	}
	for at := p.active; at < p.active+p.calm-15*time.Minute; at += p.tick {
		created := p.start.Add(at).Truncate(time.Millisecond)
		w.guestEvent(g, l, many, created, created.Add(time.Second))
		many++
	}
}

func (w *world) guestEvent(g *guest, l guestLog, n int, created, visible time.Time) {
	id, raw := l.add(n, created, visible)
	e := &row{key: id, id: id, stream: l.stream, raws: [][]byte{raw}, created: created, visible: visible, wanted: true}
	w.seen.add(e)
	g.rows = append(g.rows, e)
}

// peer is the guest at an address, nil if none is, and says whether the workspace is there.
func (w *world) peer(host string) (of *guest, sink bool) {
	for _, g := range w.guests {
		if g.host == host {
			return g, false
		}
	}
	if w.flow != nil && host == flowHost {
		return w.flow.guest, false
	}
	return nil, host != tenantHost
}

// fault draws what happens to a request to a guest.
func (g *guest) fault(w *world, name string, n int64) fault.Kind {
	ph := w.phase()
	if ph == nil {
		return ""
	}
	if slices.Contains(ph.down, g.kind) {
		down := []fault.Kind{fault.Unavailable, fault.Reset, fault.BadGateway, fault.ServerError, fault.TooManyRequests}
		return down[w.dice.pick(name+"/down", n, len(down))]
	}
	for _, k := range requestFaults() {
		if k == fault.Unauthorized && strings.Contains(name, "/oauth") {
			continue
		}
		if w.hits(g.fails(k), ph, name, n) {
			return k
		}
	}
	return ""
}

// serve answers a request.
func (g *guest) serve(w *world, rw http.ResponseWriter, r *http.Request) {
	n := g.visits.Add(1)
	if ph := w.phase(); ph != nil && r.URL.Query().Has("after") && w.hits(OktaCursor, ph, "cursor", n) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader([]int{http.StatusBadRequest, http.StatusGone}[w.dice.pick("cursor/status", n, 2)])
		_, _ = fmt.Fprint(rw, `{"errorCode":"E0000031","errorSummary":"Invalid search criteria.","errorCauses":[{"errorSummary":"after: the cursor is invalid or has expired"}]}`)
		return
	}
	if g.refuse != nil && g.refuse(rw, r) {
		return
	}
	g.service.ServeHTTP(rw, r)
}

// checkGuests demands that no guest saw what it must never see. The caller holds the lock.
func (w *world) checkGuests() {
	all := w.guests
	if w.flow != nil {
		all = append(slices.Clone(all), w.flow.guest)
	}
	for _, g := range all {
		for _, v := range g.violations() {
			w.breaks("%s: %s", g.kind, v)
		}
	}
}

// checkPage demands that a page of the server's events, asked for at the moment asked, lacks nothing that was
// created from the place on that it begins at. The caller holds the lock.
func (g *guest) checkPage(w *world, r *run, after pipeline.Cursor, page *pipeline.Page, asked time.Time) {
	if g.kind != IIQ || page.Through.IsZero() || isListed(r.stream) {
		return
	}
	at := struct {
		From time.Time `json:"from"`
	}{page.From}
	if after != "" && json.Unmarshal([]byte(after), &at) != nil {
		w.breaks("%s: the cursor %s can't be read", r, after)
	}
	got := make(map[string]bool, len(page.Records))
	for _, rec := range page.Records {
		got[rec.ID] = true
	}
	for _, e := range g.rows {
		if e.stream == r.stream && !e.created.Before(at.From) && e.created.Before(page.Through) && !e.visible.After(asked) && !got[e.key] {
			w.breaks("%s: the page from %s through %s lacks %q of %s, visible since %s", r, after, page.Through.Format(stamp), e.key, e.created.Format(stamp), e.visible.Format(stamp))
			return
		}
	}
}

// checkDrained demands that a drained run of the org has left nothing that the log had when it began: the
// log is read in the order in which it grows, so no audit is needed for that. A short page that has come to
// the present may leave what is younger to the next run. The caller holds the lock.
func (g *guest) checkDrained(w *world, r *run, rep pipeline.Report) {
	if r == nil || !slices.Contains(g.streams, rep.Stream) || rep.State != pipeline.Drained || r.leaseLost || len(r.pages) == 0 {
		return
	}
	if g.kind == IIQ {
		g.checkSwept(w, r)
		g.checkAudited(w, r, rep)
		return
	}
	const present = 2 * time.Minute
	for _, e := range g.rows {
		if !e.settled && e.visible.Before(r.pages[0].asked.Add(-present)) {
			w.breaks("%s is drained, and %q of %s, visible since %s, is nowhere", r, e.key, e.created.Format(stamp), e.visible.Format(stamp))
			return
		}
	}
}

// checkAudited holds a drained run of the server to what its audit claims, as that of the tenant is: what
// was visible when the run began, of the time that it has compared, is settled. The caller holds the lock.
func (g *guest) checkAudited(w *world, r *run, rep pipeline.Report) {
	if isListed(r.stream) || rep.WindowsChecked == 0 || !rep.AuditedThrough.After(g.audited[r.stream]) || slices.ContainsFunc(rep.Warnings, func(text string) bool { return strings.Contains(text, "audit was not possible") }) {
		return
	}
	if g.audited == nil {
		g.audited = map[string]time.Time{}
	}
	g.audited[r.stream] = rep.AuditedThrough // which a run whose audit did not come to its end repeats
	if rep.Mismatches > 0 || rep.Unexplained > 0 {
		return
	}
	for _, e := range g.rows {
		if e.stream == r.stream && !e.settled && e.created.Before(rep.AuditedThrough) && e.visible.Before(r.began) {
			w.breaks("%s is drained and has audited through %s with nothing unexplained, and %q of %s, visible since %s, is nowhere", r, rep.AuditedThrough.Format(stamp), e.key, e.created.Format(stamp), e.visible.Format(stamp))
			return
		}
	}
}
