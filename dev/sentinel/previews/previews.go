// Package previews draws the pictures of the workbooks that the solution repository
// shows in its gallery: a page that looks like the workbook, made of what its queries
// give of invented rows, by light and by dark.
//
//	go test ./dev/sentinel/previews -update    draws them anew
//
// The tests draw the pages and look at them in a headless browser, and fail when a
// picture shows other tiles than its workbook has.
package previews

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// Tile is what a page shows in one frame.
type Tile struct {
	Title, Kind string // Kind is the visualization, or text
	Text        string // of Kind text
	Query       string
	Half        bool
}

// Tiles reads a workbook: its texts and the tiles that are shown without a choice.
func Tiles(workbook string) ([]Tile, error) {
	var doc struct {
		Items []struct {
			Type    int
			Content struct {
				JSON, Title, Visualization, Query string
			}
			CustomWidth           string
			ConditionalVisibility any
		}
	}
	if err := json.Unmarshal([]byte(workbook), &doc, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, err
	}
	var tiles []Tile
	for _, i := range doc.Items {
		switch {
		case i.ConditionalVisibility != nil:
		case i.Type == 1:
			tiles = append(tiles, Tile{Kind: "text", Text: i.Content.JSON})
		case i.Type == 3:
			tiles = append(tiles, Tile{Title: i.Content.Title, Kind: i.Content.Visualization, Query: i.Content.Query, Half: i.CustomWidth == "50"})
		}
	}
	return tiles, nil
}

// Titles are the titles of the tiles, a line each.
func Titles(tiles []Tile) string {
	var b strings.Builder
	for _, t := range tiles {
		if t.Title != "" {
			b.WriteString(t.Title + "\n")
		}
	}
	return b.String()
}

// Page draws a workbook. run executes a query.
func Page(tiles []Tile, dark bool, run func(query string) (kqltest.Table, error)) (string, error) {
	var frames []frame
	for _, t := range tiles {
		f := frame{Tile: t}
		if t.Kind == "text" {
			f.Lines = strings.Split(strings.TrimLeft(strings.NewReplacer("`", "", "*", "").Replace(t.Text), "# "), "\n")
			frames = append(frames, f)
			continue
		}
		out, err := run(t.Query)
		if err != nil {
			return "", fmt.Errorf("tile %s: %w", t.Title, err)
		}
		if len(out.Rows) == 0 {
			return "", fmt.Errorf("tile %s: no row to draw", t.Title)
		}
		switch t.Kind {
		case "timechart", "barchart", "areachart":
			f.Chart, f.Legend, err = chart(out, t.Kind == "barchart")
		case "map":
			f.Chart, err = worldMap(out)
		case "tiles":
			for _, r := range out.Rows {
				f.Cards = append(f.Cards, [2]string{show(r[out.Columns[0].Name]), show(r[out.Columns[1].Name])})
			}
		default:
			for _, c := range out.Columns {
				f.Heads = append(f.Heads, c.Name)
			}
			for _, r := range out.Rows[:min(8, len(out.Rows))] {
				var cells []string
				for _, c := range out.Columns {
					cells = append(cells, show(r[c.Name]))
				}
				f.Rows = append(f.Rows, cells)
			}
		}
		if err != nil {
			return "", fmt.Errorf("tile %s: %w", t.Title, err)
		}
		frames = append(frames, f)
	}
	var b strings.Builder
	err := page.Execute(&b, struct {
		Dark   bool
		Frames []frame
	}{dark, frames})
	return b.String(), err
}

type frame struct {
	Tile
	Lines  []string
	Cards  [][2]string
	Heads  []string
	Rows   [][]string
	Chart  template.HTML
	Legend []entry
}

type entry struct {
	Name   string
	Color  template.CSS
	Latest string
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		if v == math.Trunc(v) {
			return fmt.Sprintf("%.0f", v)
		}
		return fmt.Sprintf("%.1f", v)
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.Format("01/02/2006, 15:04")
		}
		return v
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, show(one))
		}
		return strings.Join(all, ", ")
	}
	return fmt.Sprint(v)
}

func color(i int) string {
	palette := []string{"#2f8ae0", "#f2994a", "#27ae7a", "#b65fcf", "#e5484d", "#7f8c9b", "#d4b106", "#1abc9c"}
	return palette[i%len(palette)]
}

const wide, high = 600.0, 170.0

// chart draws lines or stacked bars over time: the series are the values of the text column, or the
// number columns.
func chart(out kqltest.Table, bars bool) (template.HTML, []entry, error) {
	var when, by string
	var numbers []string
	for _, c := range out.Columns {
		switch c.Type {
		case "datetime":
			when = cmp.Or(when, c.Name)
		case "string":
			by = cmp.Or(by, c.Name)
		case "long", "int", "real":
			numbers = append(numbers, c.Name)
		}
	}
	if len(numbers) == 0 {
		return "", nil, fmt.Errorf("no numbers in %v", out.Columns)
	}
	series := map[string]map[string]float64{}
	places := map[string]bool{}
	for _, r := range out.Rows {
		at := show(r[cmp.Or(when, by)])
		if when != "" {
			at, _ = r[when].(string)
		}
		places[at] = true
		for _, n := range numbers {
			name := n
			if by != "" && when != "" {
				name = show(r[by])
			}
			if series[name] == nil {
				series[name] = map[string]float64{}
			}
			value, _ := r[n].(float64)
			series[name][at] += value
		}
	}
	x := slices.Sorted(maps.Keys(places))
	names := slices.SortedFunc(maps.Keys(series), func(a, b string) int {
		return cmp.Or(cmp.Compare(total(series[b]), total(series[a])), cmp.Compare(a, b))
	})
	names = names[:min(len(names), 8)]
	return drawn(x, names, series, bars), legend(names, series), nil
}

// scale is what stands at one of the four lines of a chart.
func scale(largest float64, line int) string {
	v := largest * float64(line) / 3
	if largest < 10 {
		return show(math.Round(v*10) / 10)
	}
	return show(math.Round(v))
}

func legend(names []string, series map[string]map[string]float64) []entry {
	var all []entry
	for i, n := range names {
		all = append(all, entry{cmp.Or(n, "none"), template.CSS(color(i)), show(math.Round(total(series[n])*10) / 10)}) //nolint:gosec // our own colors
	}
	return all
}

func total(values map[string]float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum
}

func drawn(x, names []string, series map[string]map[string]float64, bars bool) template.HTML {
	largest := 1.0
	for _, at := range x {
		sum := 0.0
		for _, n := range names {
			largest = max(largest, series[n][at])
			sum += series[n][at]
		}
		if bars {
			largest = max(largest, sum)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img">`, wide, high)
	for i := range 4 {
		y := high - 20 - float64(i)*(high-30)/3
		fmt.Fprintf(&b, `<line x1="34" x2="%.0f" y1="%.1f" y2="%.1f" class="grid"/><text x="30" y="%.1f" class="scale">%s</text>`, wide, y, y, y+3, scale(largest, i))
	}
	step := (wide - 44) / float64(max(len(x), 2)-1)
	if bars {
		step = (wide - 44) / float64(len(x))
	}
	height := func(v float64) float64 { return (high - 30) * v / largest }
	for i, at := range x {
		if i%max(1, len(x)/5) == 0 {
			label := at
			if t, err := time.Parse(time.RFC3339, at); err == nil {
				label = t.Format("15:04")
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" class="time">%s</text>`, 36+float64(i)*step, high-6, template.HTMLEscapeString(label))
		}
	}
	below := make([]float64, len(x))
	for s, n := range names {
		var points []string
		for i, at := range x {
			v := series[n][at]
			if bars {
				y := high - 20 - height(below[i]) - height(v)
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, 36+float64(i)*step, y, step*0.8, height(v), color(s))
				below[i] += v
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", 36+float64(i)*step, high-20-height(v)))
		}
		if !bars {
			fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), color(s))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers, our own colors, and escaped labels
}

// worldMap draws circles by latitude and longitude, the two number columns called so.
func worldMap(out kqltest.Table) (template.HTML, error) {
	var lat, long, size string
	for _, c := range out.Columns {
		switch name := strings.ToLower(c.Name); {
		case strings.HasPrefix(name, "lat"):
			lat = c.Name
		case strings.HasPrefix(name, "lon"):
			long = c.Name
		case c.Type == "long" && size == "":
			size = c.Name
		}
	}
	if lat == "" || long == "" || size == "" {
		return "", fmt.Errorf("no latitude, longitude and number in %v", out.Columns)
	}
	largest := 1.0
	for _, r := range out.Rows {
		n, _ := r[size].(float64)
		largest = max(largest, n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img">`, wide, 300.0)
	for d := 0.0; d <= 360; d += 30 {
		fmt.Fprintf(&b, `<line x1="%[1]f" x2="%[1]f" y1="0" y2="300" class="grid"/>`, d/360*wide)
	}
	for d := 0.0; d <= 180; d += 30 {
		fmt.Fprintf(&b, `<line x1="0" x2="%f" y1="%[2]f" y2="%[2]f" class="grid"/>`, wide, d/180*300)
	}
	for i, r := range out.Rows {
		la, _ := r[lat].(float64)
		lo, _ := r[long].(float64)
		n, _ := r[size].(float64)
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s" fill-opacity="0.7"/>`, (lo+180)/360*wide, (90-la)/180*300, 5+20*math.Sqrt(n/largest), color(i))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil //nolint:gosec // numbers and our own colors
}

//nolint:gochecknoglobals // a constant
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Preview</title>
<style>
body { margin: 0; padding: 16px; width: 1068px; font: 13px/1.35 "Segoe UI", "Liberation Sans", Arial, sans-serif; background: #fff; color: #1b1f24; }
body.dark { background: #111418; color: #e4e7eb; }
.sheet { display: flex; flex-wrap: wrap; gap: 12px; }
.tile { box-sizing: border-box; width: 100%; overflow: hidden; }
.tile.half { width: calc(50% - 6px); }
h2 { font-size: 20px; margin: 4px 0; font-weight: 600; } h3 { font-size: 16px; margin: 8px 0 0; font-weight: 600; } p { margin: 2px 0; }
h4 { font-size: 13px; margin: 0 0 6px; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 12px; table-layout: fixed; }
th, td { text-align: left; padding: 3px 6px; border-bottom: 1px solid #d8dde3; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.dark th, .dark td { border-color: #2c333b; }
.cards { display: flex; gap: 12px; } .card { border: 1px solid #d8dde3; padding: 8px 18px; } .dark .card { border-color: #2c333b; } .card b { font-size: 24px; display: block; }
svg { width: 100%; display: block; } .grid { stroke: #8884; stroke-width: 1; } text { font-size: 10px; fill: currentColor; opacity: .75; } .scale { text-anchor: end; }
.legend span { margin-right: 14px; } .legend i { display: inline-block; width: 10px; height: 10px; margin-right: 4px; }
</style>
<body{{if .Dark}} class="dark"{{end}}><main class="sheet">
{{range .Frames}}<section class="tile{{if .Half}} half{{end}}">{{if .Title}}<h4>{{.Title}}</h4>{{end}}
{{range $i, $l := .Lines}}{{if eq $i 0}}<h3>{{$l}}</h3>{{else}}<p>{{$l}}</p>{{end}}{{end}}
{{if .Cards}}<div class="cards">{{range .Cards}}<div class="card">{{index . 0}}<b>{{index . 1}}</b></div>{{end}}</div>{{end}}
{{if .Heads}}<table><thead><tr>{{range .Heads}}<th scope="col">{{.}}</th>{{end}}</tr></thead><tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</tbody></table>{{end}}
{{.Chart}}{{if .Legend}}<div class="legend">{{range .Legend}}<span><i style="background:{{.Color}}"></i>{{.Name}} <b>{{.Latest}}</b></span>{{end}}</div>{{end}}
</section>{{end}}
</main></body></html>
`))
