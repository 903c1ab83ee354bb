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
<html lang="en"><head><meta charset="utf-8"><title>idn-sentinel sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="3">
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:1.5rem}
button{font:inherit;padding:.4rem .8rem;margin:.15rem}
button[aria-pressed=true]{font-weight:bold;outline:2px solid}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.15rem .6rem;border-bottom:1px solid;white-space:nowrap;max-width:22rem;overflow:hidden;text-overflow:ellipsis}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem}meter{width:100%;height:1.2rem}
</style></head><body>
<h1>Stand-ins, and the real connector between them</h1>
<p>All data is synthetic. At {{.Now}}; this page refreshes itself.</p>
<h2>Complete</h2>
<label for="complete">{{.Arrived}} of {{.Expected}} events up to the newest that arrived, {{.Twice}} twice</label>
<meter id="complete" min="0" max="{{.Max}}" value="{{.Arrived}}">{{.Arrived}} of {{.Expected}}</meter>
<h2>Faults</h2>
<form method="post">{{range .Faults}}<button name="fault" value="{{.Name}}"{{if .Lasts}} aria-pressed="{{.On}}"{{end}}>{{.Label}}{{if .On}} (on){{end}}</button>{{end}}</form>
<h2>Tables</h2>
{{range .Tables}}<section><h3>{{.Name}}: {{.Count}} rows</h3><div class="wide"><table>
<thead><tr>{{range .Columns}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</tbody></table></div></section>
{{else}}<p>No rows yet.</p>{{end}}
<h2>Log of the connector, newest first (start {{.Starts}})</h2>
<pre>{{range .Log}}{{.}}
{{end}}</pre></body></html>`

// button is a fault on the page.
type button struct {
	Name      Fault
	Label     string
	Lasts, On bool
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
	Arrived, Expected, Twice, Max int
	Faults                        []button
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
		if err := w.Do(Fault(r.PostFormValue("fault"))); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(rw, r, "/", http.StatusSeeOther)
	default:
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Header().Set("Cache-Control", "no-store")
		_ = template.Must(template.New("").Parse(page)).Execute(rw, w.view()) // the reader may be gone
	}
}

func (w *Watch) view() view {
	v := view{Now: time.Now().UTC().Format(time.TimeOnly) + " UTC"}
	var missing int
	v.Expected, missing, v.Twice = w.stage.Audit()
	v.Arrived, v.Max = v.Expected-missing, max(v.Expected, 1)
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
	v.Log, v.Starts = w.connector.log()
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
