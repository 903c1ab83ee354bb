package tenant

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// projection is queryResultFilter: which fields of a document an answer shows.
// Names are paths, and may have a *. What a field shows or hides, its members share.
type projection struct {
	Includes []string `json:"includes"`
	Excludes []string `json:"excludes"`
}

// appendShown appends a document without what is not to be seen. Values stay as they are.
func (p *projection) appendShown(dst, raw []byte) []byte {
	if p == nil || len(p.Includes)+len(p.Excludes) == 0 {
		return append(dst, raw...)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return p.value(dst, dec, "")
}

// value copies an object or an array of which a part may be seen, or anything else
// as it is. A document is JSON, so nothing here fails.
func (p *projection) value(dst []byte, dec *jsontext.Decoder, at string) []byte {
	kind := dec.PeekKind()
	if kind != '{' && kind != '[' {
		value, _ := dec.ReadValue()
		return append(dst, value...)
	}
	_, _ = dec.ReadToken()
	dst = append(dst, byte(kind))
	n := 0
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' && dec.PeekKind() != 0 {
		before, member := len(dst), at
		if n > 0 {
			dst = append(dst, ',')
		}
		if kind == '{' {
			quoted, _ := dec.ReadValue()
			member = strings.TrimPrefix(at+"."+textOf(quoted), ".")
			dst = append(append(dst, quoted...), ':')
		}
		from, shown := len(dst), p.shows(member)
		if inner := dec.PeekKind(); !p.leads(member) || (!shown && inner != '{' && inner != '[') {
			_ = dec.SkipValue()
			dst = dst[:before]
			continue
		}
		dst = p.value(dst, dec, member)
		if inside := string(dst[from:]); !shown && (inside == "{}" || inside == "[]") { // nothing in it was asked for
			dst = dst[:before]
			continue
		}
		n++
	}
	end, _ := dec.ReadToken()
	return append(dst, end.String()...)
}

// shows says whether a field as a whole may be seen.
func (p *projection) shows(field string) bool {
	covered := func(name string) bool { return covers(name, field) }
	return (len(p.Includes) == 0 || slices.ContainsFunc(p.Includes, covered)) && !slices.ContainsFunc(p.Excludes, covered)
}

// leads says whether a field or something below it may be seen.
func (p *projection) leads(field string) bool {
	if slices.ContainsFunc(p.Excludes, func(name string) bool { return covers(name, field) }) {
		return false
	}
	return len(p.Includes) == 0 || slices.ContainsFunc(p.Includes, func(name string) bool {
		return covers(name, field) || strings.HasPrefix(name, field+".") || mayReach(name, field)
	})
}

// mayReach says whether a name with a * may be that of something below a field.
func mayReach(name, field string) bool {
	before, _, wild := strings.Cut(name, "*")
	return wild && (strings.HasPrefix(field+".", before) || strings.HasPrefix(before, field+"."))
}

// covers says whether a name is that of a field or of one around it.
func covers(name, field string) bool {
	if ok, err := path.Match(name, field); (ok && err == nil) || name == field {
		return true
	}
	for i, c := range field { // a member of something that the name covers
		if c == '.' {
			if ok, err := path.Match(name, field[:i]); ok && err == nil {
				return true
			}
		}
	}
	return false
}
