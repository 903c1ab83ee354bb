package kql

import (
	"slices"
	"strconv"
	"time"
)

// Database is what a query is run over.
type Database struct {
	// Table returns a table by its name, or nil.
	Table func(name string) *Table
	// Now is what now() is.
	Now time.Time
}

// run is a query at work.
type run struct {
	*parser
	db    Database
	lets  map[string]any
	table *Table
}

// Run runs a query. Its error is an [*Error].
func Run(query string, db Database) (*Table, error) {
	tokens, err := scan(query)
	if err != nil {
		return nil, err
	}
	r := &run{parser: &parser{src: query, tokens: tokens}, db: db, lets: map[string]any{}}
	for {
		if _, ok := r.word("let"); !ok {
			break
		}
		if err := r.let(); err != nil {
			return nil, err
		}
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	for {
		if _, ok := r.symbol("|"); !ok {
			break
		}
		if err := r.operator(); err != nil {
			return nil, err
		}
	}
	r.symbol(";")
	if r.peek().kind != end {
		return nil, r.fail()
	}
	return r.table, nil
}

func (r *run) scope(operator string) *scope {
	s := &scope{operator: operator, lets: r.lets, now: r.db.Now}
	if r.table != nil {
		s.columns = r.table.Columns
	}
	return s
}

func (r *run) let() error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	if err := r.want("="); err != nil {
		return err
	}
	e, err := r.expression()
	if err != nil {
		return err
	}
	value, err := r.scope("let").compile(e)
	if err != nil {
		return err
	}
	r.lets[id] = value.of(nil)
	return r.want(";")
}

// begin reads what the rows are of.
func (r *run) begin() error {
	if _, ok := r.word("print"); ok {
		r.table = &Table{Rows: [][]any{nil}}
		return r.project("print", "print_")
	}
	id, err := r.ident()
	if err != nil {
		return err
	}
	source := r.db.Table(id)
	if source == nil {
		operator := "where"
		if _, ok := r.symbol("|"); ok {
			operator = r.peek().text
		}
		return resolve(operator, "table or column expression", id)
	}
	r.table = &Table{slices.Clone(source.Columns), source.Rows}
	return nil
}

func (r *run) operator() error {
	t := r.peek()
	if t.kind != name {
		return r.fail()
	}
	r.at++
	switch t.text {
	case "where", "filter":
		return r.where(t.text)
	case "extend":
		return r.extend()
	case "project":
		return r.project("project", "Column")
	case "project-away", "project-keep":
		return r.keep(t.text)
	case "project-rename":
		return r.rename()
	case "distinct":
		return r.distinct()
	case "mv-expand":
		return r.expand()
	case "summarize":
		return r.summarize()
	case "sort", "order":
		return r.sort(t.text)
	case "top":
		return r.top()
	case "take", "limit":
		n, err := r.count()
		if err == nil {
			r.table.Rows = r.table.Rows[:min(n, len(r.table.Rows))]
		}
		return err
	case "count":
		r.table = &Table{[]Column{{"Count", Long}}, [][]any{{int64(len(r.table.Rows))}}}
		return nil
	}
	r.at--
	return r.fail()
}

func (r *run) count() (int, error) {
	if n, ok := r.peek().value.(int64); ok && r.peek().kind == number {
		r.at++
		return int(n), nil
	}
	return 0, r.fail()
}

func (r *run) where(operator string) error {
	e, err := r.expression()
	if err != nil {
		return err
	}
	good, err := r.scope(operator).compile(e)
	if err != nil {
		return err
	}
	if good.typ != Bool && good.typ != Dynamic {
		return mistyped("'%s' operator: the expression must be a bool, and is a %s", operator, good.typ)
	}
	var rows [][]any
	for _, row := range r.table.Rows {
		if good.of(row) == true {
			rows = append(rows, row)
		}
	}
	r.table.Rows = rows
	return nil
}

// nameOf is the name of a column that nobody named.
func (n named) nameOf(prefix string, i int) string {
	switch {
	case n.name != "":
		return n.name
	case n.of.op == "name" || n.of.op == "member":
		return n.of.name
	case n.of.op == "call" && len(n.of.args) > 0 && slices.Contains(namedAfter(), n.of.name):
		// The service names it after what it is made of.
		switch of := n.of.args[0]; {
		case of.op == "name":
			return of.name
		case of.op == "member" && of.args[0].op == "name":
			return of.args[0].name + "_" + of.name
		}
	}
	return prefix + strconv.Itoa(i)
}

// namedAfter are the functions whose column the service names after their first argument.
func namedAfter() []string {
	return []string{"bin", "floor", "startofday", "tostring", "tolower", "toupper", "todynamic", "parse_json"}
}

func (r *run) extend() error {
	list, err := r.columns()
	if err != nil {
		return err
	}
	s := r.scope("extend")
	columns, at := slices.Clone(r.table.Columns), make([]int, len(list))
	values := make([]eval, len(list))
	for i, n := range list {
		if values[i], err = s.compile(n.of); err != nil {
			return err
		}
		column := Column{n.nameOf("Column", i+1), values[i].typ}
		at[i] = slices.IndexFunc(columns, func(c Column) bool { return c.Name == column.Name })
		if at[i] < 0 {
			at[i] = len(columns)
			columns = append(columns, column)
		}
		columns[at[i]] = column
	}
	rows := make([][]any, len(r.table.Rows))
	for i, row := range r.table.Rows {
		rows[i] = append(slices.Clone(row), make([]any, len(columns)-len(row))...)
		for j, v := range values {
			rows[i][at[j]] = v.of(row)
		}
	}
	r.table = &Table{columns, rows}
	return nil
}

func (r *run) project(operator, prefix string) error {
	list, err := r.columns()
	if err != nil {
		return err
	}
	s := r.scope(operator)
	values := make([]eval, len(list))
	out := &Table{}
	for i, n := range list {
		if values[i], err = s.compile(n.of); err != nil {
			return err
		}
		at := i + 1
		if operator == "print" {
			at = i
		}
		out.Columns = append(out.Columns, Column{n.nameOf(prefix, at), values[i].typ})
	}
	for _, row := range r.table.Rows {
		cells := make([]any, len(values))
		for j, v := range values {
			cells[j] = v.of(row)
		}
		out.Rows = append(out.Rows, cells)
	}
	r.table = out
	return nil
}

// pick makes the table of some of its columns.
func (r *run) pick(at []int) {
	out := &Table{}
	for _, i := range at {
		out.Columns = append(out.Columns, r.table.Columns[i])
	}
	for _, row := range r.table.Rows {
		cells := make([]any, len(at))
		for j, i := range at {
			cells[j] = row[i]
		}
		out.Rows = append(out.Rows, cells)
	}
	r.table = out
}

func (r *run) keep(operator string) error {
	named := make([]bool, len(r.table.Columns))
	for {
		id, err := r.ident()
		if err != nil {
			return err
		}
		i := r.table.index(id)
		if i < 0 {
			return resolve(operator, "column or scalar expression", id)
		}
		named[i] = true
		if _, ok := r.symbol(","); !ok {
			break
		}
	}
	var at []int
	for i, is := range named {
		if is == (operator == "project-keep") {
			at = append(at, i)
		}
	}
	r.pick(at)
	return nil
}

func (r *run) rename() error {
	list, err := r.columns()
	if err != nil {
		return err
	}
	for _, n := range list {
		if n.name == "" || n.of.op != "name" {
			return mistyped("'project-rename' operator: needs NewName = OldName")
		}
		i := r.table.index(n.of.name)
		if i < 0 {
			return resolve("project-rename", "column or scalar expression", n.of.name)
		}
		r.table.Columns[i].Name = n.name
	}
	return nil
}

func (r *run) distinct() error {
	if _, ok := r.symbol("*"); !ok {
		if err := r.project("distinct", "Column"); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	r.table.Rows = slices.DeleteFunc(slices.Clone(r.table.Rows), func(row []any) bool {
		k := key(row)
		known := seen[k]
		seen[k] = true
		return known
	})
	return nil
}

// order reads "by" and what to sort by: descending unless it says asc.
func (r *run) order(operator string) (func(a, b []any) int, error) {
	if _, ok := r.word("by"); !ok {
		return nil, r.fail()
	}
	var keys []func(a, b []any) int
	for {
		e, err := r.expression()
		if err != nil {
			return nil, err
		}
		value, err := r.scope(operator).compile(e)
		if err != nil {
			return nil, err
		}
		direction, _ := r.word("asc", "desc")
		nulls := ""
		if _, ok := r.word("nulls"); ok {
			if nulls, ok = r.word("first", "last"); !ok {
				return nil, r.fail()
			}
		}
		keys = append(keys, ordered(value, direction == "asc", nulls))
		if _, ok := r.symbol(","); !ok {
			break
		}
	}
	return func(a, b []any) int {
		for _, k := range keys {
			if n := k(a, b); n != 0 {
				return n
			}
		}
		return 0
	}, nil
}

// ordered compares rows. Nulls are last downwards and first upwards, if nothing else is said.
func ordered(value eval, up bool, nulls string) func(a, b []any) int {
	return func(a, b []any) int {
		x, y := value.of(a), value.of(b)
		if (x == nil) != (y == nil) && nulls != "" {
			if (x == nil) == (nulls == "first") {
				return -1
			}
			return 1
		}
		n, _ := compare(x, y)
		if up {
			return n
		}
		return -n
	}
}

func (r *run) sort(operator string) error {
	less, err := r.order(operator)
	if err != nil {
		return err
	}
	r.table.Rows = slices.Clone(r.table.Rows)
	slices.SortStableFunc(r.table.Rows, less)
	return nil
}

func (r *run) top() error {
	n, err := r.count()
	if err != nil {
		return err
	}
	if err := r.sort("top"); err != nil {
		return err
	}
	r.table.Rows = r.table.Rows[:min(n, len(r.table.Rows))]
	return nil
}

// group is the rows of one value of the columns that are summarized by.
type group struct {
	by   []any
	rows [][]any
}

func (r *run) summarize() error {
	var list []named
	var err error
	if t := r.peek(); t.kind != name || t.text != "by" {
		if list, err = r.columns(); err != nil {
			return err
		}
	}
	var by []named
	if _, ok := r.word("by"); ok {
		if by, err = r.columns(); err != nil {
			return err
		}
	}
	s := r.scope("summarize")
	out := &Table{}
	keys := make([]eval, len(by))
	for i, n := range by {
		if keys[i], err = s.compile(n.of); err != nil {
			return err
		}
		out.Columns = append(out.Columns, Column{n.nameOf("Column", i+1), keys[i].typ})
	}
	aggregates := make([]aggregate, len(list))
	for i, n := range list {
		if aggregates[i], err = s.aggregate(n); err != nil {
			return err
		}
		out.Columns = append(out.Columns, aggregates[i].columns...)
	}
	for _, g := range grouped(r.table.Rows, keys) {
		row := g.by
		for _, a := range aggregates {
			row = append(row, a.of(g.rows)...)
		}
		out.Rows = append(out.Rows, row)
	}
	r.table = out
	return nil
}

func grouped(rows [][]any, keys []eval) []*group {
	var groups []*group
	if len(keys) == 0 {
		return []*group{{rows: rows}}
	}
	index := map[string]*group{}
	for _, row := range rows {
		by := make([]any, len(keys))
		for i, k := range keys {
			by[i] = k.of(row)
		}
		k := key(by)
		g := index[k]
		if g == nil {
			g = &group{by: by}
			index[k] = g
			groups = append(groups, g)
		}
		g.rows = append(g.rows, row)
	}
	return groups
}
