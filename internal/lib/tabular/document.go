package tabular

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxWrap is how deep lists of rows are looked for: {"input":{"data":{"rows":[…]}}}.
const maxWrap = 4

// document is a report in JSON: values, usually one, that are a list of rows, an object around
// one, or a row.
type document struct {
	w      *window
	most   int
	number int

	inRows bool   // within a list of rows
	wraps  int    // how many objects around it are open
	around []byte // what was read of them, with empty lists in place of the rows
	extra  int    // how many of their members are not part of the wrapping
	// tooLong is set once a part of what was read of them had to be returned.
	tooLong bool
	zeros   int    // rows that surround others
	own     string // what the report calls itself
	large   *pieces
	broken  error // what follows large
}

func (d *document) name() string { return d.own }

func (d *document) next() (Row, error) {
	for {
		if d.large != nil {
			if row, ok := d.large.next(); ok {
				return row, nil
			}
			fault := d.large.fault
			d.large = nil
			if fault != nil && d.broken == nil {
				d.giveUp(fault, "a row")
				continue
			}
		}
		if d.broken != nil {
			return Row{}, d.broken
		}
		row, ok, err := d.step()
		if ok || err != nil {
			return row, err
		}
	}
}

// step reads a bit further. ok says that this was a row.
func (d *document) step() (row Row, ok bool, err error) {
	if d.inRows {
		return d.element()
	}
	if d.wraps > 0 {
		return d.object()
	}
	d.w.skip(d.w.space(0, space+","))
	switch c, ok := d.w.peek(0); {
	case !ok:
		return Row{}, false, io.EOF
	case c == '{':
		return d.object()
	case c == '[':
		d.w.skip(1)
		d.inRows = true
		return Row{}, false, nil
	}
	d.number++
	d.large = &pieces{w: d.w, most: d.most, number: d.number, flaw: "it is neither an object nor a list", end: newline}
	return Row{}, false, nil
}

// element reads an element of a list of rows.
func (d *document) element() (Row, bool, error) {
	d.w.skip(d.w.space(0, space+","))
	c, ok := d.w.peek(0)
	switch {
	case !ok:
		return Row{}, false, &Broken{Why: "it ends before its list of rows does", Kept: true}
	case c == ']':
		d.w.skip(1)
		if d.inRows = false; d.wraps > 0 {
			d.around = append(d.around, ']')
		}
		return Row{}, false, nil
	}
	return d.row()
}

// row reads the value that comes next as a row.
func (d *document) row() (Row, bool, error) {
	end, s, err := d.w.value(0, d.most)
	d.number++
	switch {
	case errors.Is(err, errLarge):
		// Its beginning is fed again, so that the pieces are of one size.
		s = span{}
		d.large = &pieces{w: d.w, most: d.most, number: d.number, flaw: tooLarge(d.most), end: s.feed}
		return Row{}, false, nil
	case err != nil:
		d.number--
		d.giveUp(err, "a row")
		return Row{}, false, nil
	}
	raw := d.w.rest()[:end]
	d.w.skip(end)
	return Row{Number: d.number, Raw: raw, Flaw: d.w.check.flaw(raw)}, true, nil
}

// giveUp returns what is left in pieces: where the next row begins is unknown.
func (d *document) giveUp(err error, within string) {
	why := "it is not divided into rows: " + err.Error()
	switch {
	case errors.Is(err, errCut):
		why = "it ends within " + within
	case errors.Is(err, errLarge):
		why = within + " has a member that is too large"
	}
	d.number++
	d.large = &pieces{w: d.w, most: d.most, number: d.number, flaw: "the report can't be read from here on: " + why}
	d.broken = &Broken{Why: why, Kept: true}
}

// object reads an object up to a list of rows in it, or to its end. It may be the rest of one.
func (d *document) object() (Row, bool, error) {
	o, err := d.outline()
	switch {
	case err != nil && d.wraps == 0: // there has been no list: it is treated as a row
		return d.row()
	case err != nil:
		d.giveUp(err, "what surrounds its rows")
		return Row{}, false, nil
	}
	if !o.rows && d.wraps == 0 && !o.hollow() {
		from, to := o.rowAt()
		raw := d.w.rest()[from:to]
		d.w.skip(o.end)
		d.number++
		return Row{Number: d.number, Raw: raw, Flaw: d.w.check.flaw(raw)}, true, nil
	}
	if len(d.around) > 0 && len(d.around)+o.end > d.most {
		row := d.zero(tooLarge(d.most))
		d.tooLong = true
		return row, true, nil
	}
	d.around = append(d.around, d.w.rest()[:o.end]...)
	d.w.skip(o.end)
	d.wraps, d.inRows = o.open, o.rows
	d.extra += o.members
	if d.wraps > 0 {
		if d.own == "" && d.number == 0 {
			d.own = o.name
		}
		return Row{}, false, nil
	}
	return d.surroundings()
}

// surroundings returns what was around the lists of an object, unless it is only the wrapping.
func (d *document) surroundings() (Row, bool, error) {
	extra, tooLong := d.extra, d.tooLong
	d.extra, d.tooLong = 0, false
	switch {
	case tooLong:
		return d.zero(tooLarge(d.most)), true, nil
	case extra == 0:
		d.around = nil
		return Row{}, false, nil
	}
	return d.zero(d.w.check.flaw(d.around)), true, nil
}

// zero returns what surrounds rows, as far as it was read. If there are several such rows, the
// later ones count as pieces.
func (d *document) zero(flaw string) Row {
	row := Row{Raw: d.around, Flaw: flaw}
	if d.zeros++; d.zeros > 1 {
		row.Piece = d.zeros
	}
	d.around = nil
	return row
}

// outline is what a look at an object has found.
type outline struct {
	end     int  // where the look ended
	rows    bool // because a list of rows begins there
	open    int  // how many objects are open there
	members int  // that are not part of the wrapping
	outer   int  // of them, those of the outermost object
	lists   int  // that are empty
	tables  int  // of them, those named "rows"
	name    string
	// inner is where the object below "input" is.
	inner [2]int
}

// hollow reports whether the object surrounds an empty list: it is nothing but its wrapping, or the
// list is named "rows". Another one may be a value of a single row.
func (o *outline) hollow() bool { return o.members == 0 && o.lists > 0 || o.tables > 0 }

// rowAt returns the place of the row in an object without a list of rows: the object, or what is in
// "input".
func (o *outline) rowAt() (from, to int) {
	if o.outer == 0 && o.inner[1] > 0 {
		return o.inner[0], o.inner[1]
	}
	return 0, o.end
}

// outline looks at the object that begins here, or, within one, at what follows.
func (d *document) outline() (o outline, err error) {
	i := 0
	if o.open = d.wraps; o.open == 0 {
		i, o.open = 1, 1
	}
	for o.open > 0 {
		i = d.w.space(i, space+",")
		c, ok := d.w.peek(i)
		switch {
		case !ok:
			return o, errCut
		case i > d.most:
			return o, errLarge
		case c == '}':
			i++
			if o.open--; o.open == 1 && o.inner[0] > 0 && o.inner[1] == 0 {
				o.inner[1] = i
			}
		case c != '"':
			return o, errUndivided
		default:
			if i, err = d.member(&o, i); err != nil {
				return o, err
			}
			if o.rows {
				o.end = i
				return o, nil
			}
		}
	}
	o.end = i
	return o, nil
}

// member looks at a member, and into its value if rows may be there.
func (d *document) member(o *outline, i int) (next int, err error) {
	end, _, err := d.w.value(i, d.most)
	if err != nil {
		return i, err
	}
	name := strings.ToLower(textOf(d.w.rest()[i:end]))
	if end = d.w.space(end, space); !d.is(end, ':') {
		return i, errUndivided
	}
	at := d.w.space(end+1, space)
	inside := d.w.space(at+1, space)
	switch {
	case d.is(at, '[') && d.is(inside, '{'):
		o.rows = true
		return at + 1, nil
	case d.is(at, '{') && wraps(name) && o.open < maxWrap:
		if name == "input" && o.open == 1 && d.wraps == 0 {
			o.inner[0] = at
		}
		o.open++
		return at + 1, nil
	case d.is(at, '[') && d.is(inside, ']'):
		o.lists++
		if name == "rows" {
			o.tables++
		}
		return inside + 1, nil
	}
	next, _, err = d.w.value(at, d.most)
	if err != nil {
		return i, err
	}
	o.members++
	if o.open == 1 {
		o.outer++
	}
	if o.name == "" && names(name) && d.is(at, '"') {
		o.name = textOf(d.w.rest()[at:next])
	}
	return next, nil
}

// wraps reports whether rows are looked for in an object of that name.
func wraps(name string) bool { return name == "input" || name == "data" }

// names reports whether a member of that name, in lower case, names the report.
func names(name string) bool { return name == "reportname" || name == "report" || name == "name" }

func (d *document) is(i int, c byte) bool {
	got, ok := d.w.peek(i)
	return ok && got == c
}

// textOf is a JSON string without quotes and escapes; what is not valid in it is replaced.
func textOf(quoted []byte) string {
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
}
