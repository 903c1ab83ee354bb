package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// grid is a table for people. Where it is wider than the terminal, each row becomes a few short
// lines: the first cell, and below it the other cells with their names.
type grid struct {
	head []string
	rows [][]string
	// right aligns all columns but the first to the right, for numbers.
	right bool
	// first is the least width of the first column.
	first int
}

// add adds a row.
func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// write writes the table. width measures the terminal, and is nil if there is none.
func (g *grid) write(w io.Writer, width func() int) {
	table := g.table()
	if width == nil || widest(table) <= width() {
		_, _ = io.WriteString(w, table) // as any output: a reader that has left is noticed elsewhere
		return
	}
	_, _ = io.WriteString(w, g.list(max(width(), minWidth)))
}

// minWidth is the narrowest terminal for which lines are broken.
const minWidth = 20

func (g *grid) table() string {
	var b strings.Builder
	var flags uint
	if g.right {
		flags = tabwriter.AlignRight
	}
	first := g.first
	for _, row := range append([][]string{g.head}, g.rows...) {
		first = max(first, visible(row[0]))
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', flags)
	for _, row := range append([][]string{g.head}, g.rows...) {
		if g.right {
			fmt.Fprintf(w, "%-*s\t%s\t\n", first, row[0], strings.Join(row[1:], "\t"))
			continue
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // can't fail in memory
	return b.String()
}

func (g *grid) list(width int) string {
	var b strings.Builder
	for i, row := range g.rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		const indent = 4
		fmt.Fprintln(&b, wrapped(row[0], width, 0, indent))
		for c, cell := range row[1:] {
			if cell == "" || cell == "-" {
				continue
			}
			fmt.Fprintln(&b, "  "+wrapped(strings.ToLower(g.head[c+1])+": "+cell, width, len("  "), indent))
		}
	}
	return b.String()
}

// widest is the length of the longest line of a text.
func widest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, visible(strings.TrimRight(line, "\n ")))
	}
	return n
}

// when is a cell with a time; "-" if it is unknown.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return stamp(t)
}

// number is a cell with a number.
func number(n int64) string { return strconv.FormatInt(n, 10) }
