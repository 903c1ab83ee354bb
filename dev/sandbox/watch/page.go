package watch

import (
	"html/template"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// newestRows is how many rows of each table are shown.
const newestRows = 5

const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox{{range .Faults}}{{if .On}}, {{.Label}}{{end}}{{end}} – idn-sentinel</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{{if not .Still}}<meta http-equiv="refresh" content="3">{{end}}
<style>
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1f;--quiet:#565661;--line:#d4d4dc;--card:#f6f6f9;--on:#ad1227}
@media (prefers-color-scheme:dark){:root{--bg:#16161a;--fg:#ececf1;--quiet:#b4b4c0;--line:#3b3b46;--card:#1f1f25;--on:#ff98a4}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:0 0 .5rem}h2{font-size:1.1rem;margin:1.5rem 0 .25rem}h3{font-size:1rem;margin:1rem 0 .25rem}p{margin:.25rem 0}
.quiet{color:var(--quiet);font-size:.9rem}
a{color:inherit}
button{font:inherit;padding:.4rem .8rem;margin:.15rem .3rem .15rem 0;border:1px solid var(--fg);border-radius:.4rem;background:var(--card);color:var(--fg);cursor:pointer}
button[aria-pressed=true]{color:var(--on);border-color:var(--on);border-width:2px;font-weight:bold}
:focus-visible{outline:3px solid var(--fg);outline-offset:2px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid var(--line);white-space:nowrap;max-width:18rem;overflow:hidden;text-overflow:ellipsis}
pre{white-space:pre-wrap;font-size:.8rem;background:var(--card);padding:.5rem;margin:.25rem 0}
meter{width:100%;height:1.2rem}
</style></head><body><main>
<h1>Stand-ins, and the real connector between them</h1>
<p class="quiet">All data is synthetic, {{.Rate}} events a second. At {{.Now}}; {{if .Still}}this page stands still, <a href="/">refresh it every 3 seconds</a>{{else}}this page refreshes itself, <a href="/?still=1">stop that</a>{{end}}.</p>
<section aria-labelledby="complete-head"><h2 id="complete-head">Complete</h2>
<label for="complete">{{.Arrived}} of {{.Expected}} events up to the newest that arrived, {{.Twice}} twice</label>
<meter id="complete" min="0" max="{{.Max}}" value="{{.Arrived}}">{{.Arrived}} of {{.Expected}}</meter></section>
<section aria-labelledby="faults"><h2 id="faults">Faults</h2>
<form method="post">{{range .Faults}}<button name="fault" value="{{.Name}}"{{if .Lasts}} aria-pressed="{{.On}}"{{end}}>{{.Label}}{{if .On}} (on){{end}}</button>{{end}}</form></section>
<section aria-labelledby="more"><h2 id="more">More events a second</h2>
<form method="post">{{range .More}}<button name="more" value="{{.Rate}}" aria-pressed="{{.On}}">{{if .Rate}}{{.Rate}} more{{else}}No more{{end}}</button>{{end}}</form></section>
<section aria-labelledby="runs"><h2 id="runs">Runs of the connector, newest first</h2>
{{if .Runs}}<div class="wide" tabindex="0" role="region" aria-labelledby="runs"><table>
<thead><tr><th scope="col">Time</th><th scope="col">Stream</th><th scope="col">State</th><th scope="col">Fetched</th><th scope="col">Sent</th><th scope="col">Duplicates</th><th scope="col">Quarantined</th><th scope="col">Lag</th><th scope="col">Error</th></tr></thead>
<tbody>{{range .Runs}}<tr><td>{{.Time.UTC.Format "15:04:05"}}</td><td>{{.Stream}}</td><td>{{.State}}</td><td>{{.Fetched}}</td><td>{{.Sent}}</td><td>{{.Duplicates}}</td><td>{{.Quarantined}}</td><td>{{.LagText}}</td><td>{{.Error}}</td></tr>{{end}}</tbody></table></div>
{{else}}<p>No runs yet.</p>{{end}}</section>
<section aria-labelledby="tables"><h2 id="tables">Tables</h2>
{{range .Tables}}<h3 id="{{.Name}}">{{.Name}}: {{.Count}} rows</h3><div class="wide" tabindex="0" role="region" aria-labelledby="{{.Name}}"><table>
<thead><tr>{{range .Columns}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</tbody></table></div>
{{else}}<p>No rows yet.</p>{{end}}</section>
<section aria-labelledby="log"><h2 id="log">Log of the connector, newest first (start {{.Starts}})</h2>
<pre>{{range .Log}}{{.}}
{{end}}</pre></section></main></body></html>`

// button is a fault on the page.
type button struct {
	Name      Fault
	Label     string
	Lasts, On bool
}

// choice is a rate on the page.
type choice struct {
	Rate int
	On   bool
}

// rows is a table on the page.
type rows struct {
	Name    string
	Count   int
	Columns []string
	Rows    [][]string
}

// view is what the page shows.
type view struct {
	Now                           string
	Still                         bool    // it does not refresh itself
	Rate                          float64 // events a second
	Arrived, Expected, Twice, Max int
	Faults                        []button
	More                          []choice
	Runs                          []run
	Tables                        []rows
	Log                           []string
	Starts                        int
}

// ServeHTTP shows the page, and does what its buttons say.
func (w *Watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/":
		http.Error(rw, errUnknownPath.Error(), http.StatusNotFound)
	case r.Method == http.MethodPost:
		if err := w.press(r); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(rw, r, stillAs(r), http.StatusSeeOther)
	default:
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Header().Set("Cache-Control", "no-store")
		_ = template.Must(template.New("").Parse(page)).Execute(rw, w.view(r.URL.Query().Has("still"))) // the reader may be gone
	}
}

// press does what the button says that was pressed.
func (w *Watch) press(r *http.Request) error {
	if rate := r.PostFormValue("more"); rate != "" {
		return w.More(rate)
	}
	return w.Do(Fault(r.PostFormValue("fault")))
}

// stillAs is the page that stands still if the one does from which a button was pressed.
func stillAs(r *http.Request) string {
	if r.URL.Query().Has("still") {
		return "/?still=1"
	}
	return "/"
}

func (w *Watch) view(still bool) view {
	v := view{Still: still, Rate: w.rate, Now: time.Now().UTC().Format(time.TimeOnly) + " UTC"}
	expected, missing, twice := w.stage.Audit()
	rate, expectedMore, missingMore, twiceMore := w.more.audit(w.stage.Workspace.Table("SailPointIDN_Events").IDs())
	v.Expected, v.Twice = expected+expectedMore, twice+twiceMore
	v.Arrived, v.Max = v.Expected-missing-missingMore, max(v.Expected, 1)
	for _, n := range Rates() {
		v.More = append(v.More, choice{n, n == rate})
	}
	v.Faults = []button{
		{Throttle, "Throttle the tenant", true, w.throttled.Load()},
		{Outage, "Workspace outage", true, w.down.Load()},
		{Late, "Late event", false, false},
		{Poison, "Poison event", false, false},
		{Kill, "Kill the connector", false, false},
	}
	for _, t := range w.stage.Workspace.Tables() {
		v.Tables = append(v.Tables, newest(t))
	}
	v.Log, v.Runs, v.Starts = w.connector.log()
	return v
}

// newest shows the newest rows of a table, newest first.
func newest(t *workspace.Table) rows {
	all := t.Rows()
	r := rows{Name: t.Name(), Count: len(all), Columns: []string{"TimeGenerated"}}
	for _, name := range []string{"type_s", "action_s", "actor_name_s", "target_name_s", "status_s", "id_s", "stream_s", "state_s", "sent_d", "lag_seconds_d"} {
		if len(all) > 0 && all[len(all)-1][name] != "" {
			r.Columns = append(r.Columns, name)
		}
	}
	for i := len(all) - 1; i >= max(0, len(all)-newestRows); i-- {
		cells := make([]string, len(r.Columns))
		for c, name := range r.Columns {
			cells[c] = all[i][name]
		}
		r.Rows = append(r.Rows, cells)
	}
	return r
}
