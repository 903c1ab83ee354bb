package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

// Reader reads the settings of the app, or of one connection, and collects what is wrong
// with them. Its methods take the name of a setting as [Table] has it; problems carry the
// name that the value was found under, or would be looked for first.
type Reader struct {
	origins  []Origin
	prefix   string // of the connection, upper case; "" for the app
	defaults map[string]string
	problems []Problem
	hints    []Problem
	places   map[string]place
	reported map[string]bool
	meant    map[string]bool // what misspelled names should be: they are reported already
}

// place is where a setting was found.
type place struct{ name, origin string }

func newReader(prefix string, table []Setting, origins []Origin) *Reader {
	r := &Reader{origins: origins, prefix: strings.ToUpper(prefix), defaults: map[string]string{}, places: map[string]place{}, reported: map[string]bool{}}
	for _, s := range table {
		r.defaults[s.Name] = s.Default
	}
	return r
}

// Fill reads the settings that the fields of a struct name in their tags, envconfig:"NAME",
// in exact case. The fields are strings or [secret.String]; they get cleaned text, or the
// default. envconfig walks the struct and builds the prefixed names; it would read the
// process environment, so the values come from elsewhere.
func (r *Reader) Fill(spec any) {
	assign := func(key string, tag reflect.StructTag, field reflect.Value) string {
		name := tag.Get("envconfig")
		text := r.text(names(r.prefix, key, name))
		switch field := field.Addr().Interface().(type) {
		case *string:
			if *field = text; text == "" && !r.Reported(name) {
				*field = r.defaults[name]
			}
		case *secret.String:
			*field = secret.New(text)
		}
		return ""
	}
	each := template.Must(template.New("").Funcs(template.FuncMap{"assign": assign}).Parse("{{range .}}{{assign .Key .Tags .Field}}{{end}}"))
	if err := envconfig.Usaget(r.prefix, spec, io.Discard, each); err != nil {
		r.add(Problem{Setting: "settings", Message: "can't be read"}) // spec is not a pointer to a struct of texts
	}
}

// names are what a setting is looked up under, in this order: with the prefix of the
// connection, as it is written or in upper case, and then without.
func names(prefix, key, name string) []string {
	if prefix == "" {
		return []string{name}
	}
	return slices.Compact([]string{prefix + "_" + name, key, name})
}

// names are those of a setting for the connection.
func (r *Reader) names(name string) []string {
	return names(r.prefix, strings.ToUpper(r.prefix+"_"+name), name)
}

// text finds a setting and cleans it. The last of its names is that of the table.
func (r *Reader) text(names []string) string {
	name := names[len(names)-1]
	if found, o, text, ok := r.find(names); ok {
		return r.clean(name, found, o, text)
	}
	if slices.ContainsFunc(names, func(name string) bool { return r.meant[name] }) {
		r.reported[name] = true
	}
	return ""
}

// find looks a setting up: what overrides all, then the connection's own, then that of all.
func (r *Reader) find(names []string) (found string, o Origin, text string, ok bool) {
	name := names[len(names)-1]
	for _, o := range r.origins {
		if text, ok := o.Lookup(name); ok && o.Overrides && trim(text) != "" {
			return name, o, text, true
		}
	}
	for _, candidate := range names {
		if text, o, ok := Lookup(candidate, r.origins...); ok {
			return candidate, o, text, true
		}
	}
	return "", Origin{}, "", false
}

func (r *Reader) isSet(name string) bool {
	_, _, _, ok := r.find(r.names(name))
	return ok
}

// own says whether a setting was found under the prefix of the connection.
func (r *Reader) own(name string) bool {
	at, found := r.places[name]
	return found && at.name != name
}

// clean trims a value, and reports and empties one that can't be meant as it stands,
// whatever the setting.
func (r *Reader) clean(name, found string, o Origin, text string) string {
	r.places[name] = place{found, o.Name}
	text = trim(text)
	if problem := pasted(name, text); problem != "" {
		r.Problem(name, problem)
		return ""
	}
	return text
}

// Name is the name that a setting was found under, or would be looked for first.
func (r *Reader) Name(setting string) string {
	switch at, found := r.places[setting]; {
	case found:
		return at.name
	case r.prefix != "":
		return r.prefix + "_" + setting
	}
	return setting
}

// Problem reports that something is wrong with a setting. The message says what, and what
// to do; it holds no secret.
func (r *Reader) Problem(setting, message string) {
	r.reported[setting] = true
	r.add(Problem{Setting: r.Name(setting), Message: message, Origin: r.places[setting].origin, Row: setting})
}

// Problemf is [Reader.Problem] with a format.
func (r *Reader) Problemf(setting, format string, args ...any) {
	r.Problem(setting, fmt.Sprintf(format, args...))
}

func (r *Reader) add(p Problem) { r.problems = append(r.problems, p) }

// Hint reports what looks odd and need not be wrong.
func (r *Reader) Hint(setting, message string) {
	r.hints = append(r.hints, Problem{Setting: r.Name(setting), Message: message, Origin: r.places[setting].origin, Row: setting})
}

// Reported says whether there is a problem with the setting already; then its
// absence is not a second one.
func (r *Reader) Reported(setting string) bool { return r.reported[setting] }

// Require reports a setting that is empty.
func (r *Reader) Require(setting, value, remedy string) bool {
	if value == "" && !r.Reported(setting) {
		r.Problem(setting, "is missing: "+remedy)
	}
	return value != ""
}

// Integer reads a whole number.
func (r *Reader) Integer(setting, text string, lo, hi int) int {
	if r.Reported(setting) {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lo || n > hi {
		r.Problemf(setting, "is %s: use a whole number from %d to %d", shown(text), lo, hi)
	}
	return n
}

// Boolean reads true or false.
func (r *Reader) Boolean(setting, text string) bool {
	if r.Reported(setting) {
		return false
	}
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		r.Problemf(setting, "is %s: use true or false", shown(text))
	}
	return b
}

// Duration reads a duration.
func (r *Reader) Duration(setting, value string, lo, hi time.Duration) time.Duration {
	if r.Reported(setting) {
		return 0
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		r.Problemf(setting, "is %s: write a number and a unit, such as 90s, 4m or 24h (a day is 24h)", shown(value))
	case d < lo || d > hi:
		r.Problemf(setting, "is %s: use %s to %s", shown(value), text.Duration(lo), text.Duration(hi))
	}
	return d
}

// Address reads the URL of a service. It returns nil after reporting a problem.
func (r *Reader) Address(setting, text string) *url.URL {
	u, err := address.Parse(text)
	if err != nil {
		r.Problem(setting, err.Error())
		return nil
	}
	return u
}
