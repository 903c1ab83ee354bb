package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

// Reader reads the settings of the app, or of one connection, and collects problems. Its
// methods take a setting's name from [Table]. Problems contain the name that the value was
// found under, or the first name to look for.
type Reader struct {
	origins  []Origin
	prefix   string // of the connection, upper case; "" for the app
	defaults map[string]string
	ofApp    map[string]bool // settings of the whole app
	problems []Problem
	hints    []Problem
	places   map[string]place
	reported map[string]bool
	meant    map[string]bool // what misspelled names should be; these are already reported
}

// place is where a setting was found.
type place struct{ name, origin string }

func newReader(prefix string, table []Setting, origins []Origin) *Reader {
	r := &Reader{origins: origins, prefix: strings.ToUpper(prefix), defaults: map[string]string{}, ofApp: map[string]bool{}, places: map[string]place{}, reported: map[string]bool{}}
	for _, s := range table {
		r.defaults[s.Name], r.ofApp[s.Name] = s.Default, s.App
	}
	return r
}

// Fill reads the settings that the fields of a struct name in envconfig:"NAME" tags. Case
// matters. The fields are strings, [secret.Value] for secrets, or [secret.String] for secrets
// that can't be references; they get the cleaned text, or the default. envconfig only walks
// the struct and builds the prefixed names, because on its own it would read just the
// environment of the process.
func (r *Reader) Fill(spec any) {
	assign := func(key string, tag reflect.StructTag, field reflect.Value) string {
		name := tag.Get("envconfig")
		names := names(r.prefix, key, name)
		switch field := field.Addr().Interface().(type) {
		case *string:
			if *field = r.text(names); *field == "" && !r.Reported(name) {
				*field = r.defaults[name]
			}
		case *secret.String:
			*field = secret.New(r.text(names))
		case *secret.Value:
			*field = r.secret(names)
		}
		return ""
	}
	each := template.Must(template.New("").Funcs(template.FuncMap{"assign": assign}).Parse("{{range .}}{{assign .Key .Tags .Field}}{{end}}"))
	if err := envconfig.Usaget(r.prefix, spec, io.Discard, each); err != nil {
		r.add(Problem{Setting: "settings", Message: "can't be read"}) // spec is not a pointer to a struct of texts
	}
}

// names lists the names to look a setting up under, in order: with the connection's prefix,
// as written and in upper case, then without.
func names(prefix, key, name string) []string {
	if prefix == "" {
		return []string{name}
	}
	return slices.Compact([]string{prefix + "_" + name, key, name})
}

// names lists the names of a setting for this connection.
func (r *Reader) names(name string) []string {
	return names(r.prefix, strings.ToUpper(r.prefix+"_"+name), name)
}

var isAddress = regexp.MustCompile(`(?i)^https?://`)

// text looks a setting up and cleans it. The last name is the one in the table.
func (r *Reader) text(names []string) string {
	name := names[len(names)-1]
	if found, o, text, ok := r.find(names); ok {
		text = r.clean(name, found, o, text)
		r.oneSpelling(names, found, text)
		return text
	}
	if slices.ContainsFunc(names, func(name string) bool { return r.meant[name] }) {
		r.reported[name] = true
	}
	return ""
}

// secret looks a secret setting up. It may refer to a secret in a vault.
func (r *Reader) secret(names []string) secret.Value {
	found, o, text, ok := r.find(names)
	at, problem, kept := r.kept(trim(text))
	name := names[len(names)-1]
	if !ok || !kept {
		plain := r.text(names)
		if isAddress.MatchString(plain) && !r.Reported(name) {
			r.Problem(name, "is an address, not the secret, and not that of a secret in a vault: "+referenceForms)
			plain = ""
		}
		return secret.Plain(plain)
	}
	r.places[name] = place{found, o.Name}
	if problem != "" {
		r.Problem(name, problem)
		return secret.Value{}
	}
	at.Setting, at.Identity = found, r.identity()
	if r.ofApp[name] { // what the whole app uses is where the app is
		at.Identity = at.Identity.Home()
	}
	return secret.Kept(at)
}

// identity is who signs in for a connection: to its workspace, and to vaults. It is validated elsewhere.
func (r *Reader) identity() entra.Identity {
	text := func(name string) string {
		_, _, text, _ := r.find(r.names(name))
		return trim(text)
	}
	i := entra.Identity{Managed: text("AZURE_CLIENT_ID"), Directory: strings.ToLower(text("WORKSPACE_DIRECTORY_ID")), App: strings.ToLower(text("WORKSPACE_APP_ID"))}
	if i.Directory == "" || i.App == "" {
		return i.Home()
	}
	return i
}

// oneSpelling reports a setting of a connection that is set in both of its spellings, with two
// values: which one is meant must not be a guess.
func (r *Reader) oneSpelling(names []string, found, text string) {
	name := names[len(names)-1]
	for _, other := range names[:len(names)-1] {
		if second, _, ok := Lookup(other, r.origins...); ok && found != name && other != found && trim(second) != text && !r.Reported(name) {
			r.Problem(name, "is also set as "+other+", with another value: remove one of the two")
		}
	}
}

// find looks a setting up: first in overriding origins, then for the connection, then
// without a prefix.
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

// isSetHere reports whether a setting is set for this connection, not for all of several.
func (r *Reader) isSetHere(name string) bool {
	found, _, _, ok := r.find(r.names(name))
	return ok && (r.prefix == "" || found != name)
}

// own reports whether a setting was found with the connection's prefix.
func (r *Reader) own(name string) bool {
	at, found := r.places[name]
	return found && at.name != name
}

// clean trims a value. If it can't be what was meant, clean reports it and returns "".
func (r *Reader) clean(name, found string, o Origin, text string) string {
	r.places[name] = place{found, o.Name}
	text = trim(text)
	if problem := pasted(name, text); problem != "" {
		r.Problem(name, problem)
		return ""
	}
	return text
}

// Name returns the name that a setting was found under, or the first name to look for.
func (r *Reader) Name(setting string) string {
	switch at, found := r.places[setting]; {
	case found:
		return at.name
	case r.prefix != "":
		return r.prefix + "_" + setting
	}
	return setting
}

// Problem reports a problem with a setting. The message says what is wrong and how to fix
// it, and contains no secret.
func (r *Reader) Problem(setting, message string) {
	r.reported[setting] = true
	r.add(Problem{Setting: r.Name(setting), Message: message, Origin: r.places[setting].origin, Row: setting})
}

// Problemf is [Reader.Problem] with a format.
func (r *Reader) Problemf(setting, format string, args ...any) {
	r.Problem(setting, fmt.Sprintf(format, args...))
}

func (r *Reader) add(p Problem) { r.problems = append(r.problems, p) }

// Hint reports something that looks odd but may be correct.
func (r *Reader) Hint(setting, message string) {
	r.hints = append(r.hints, Problem{Setting: r.Name(setting), Message: message, Origin: r.places[setting].origin, Row: setting})
}

// Reported reports whether a setting already has a problem. If so, its value is missing for
// that reason only.
func (r *Reader) Reported(setting string) bool { return r.reported[setting] }

// Require reports an empty setting as a problem.
func (r *Reader) Require(setting, value, remedy string) bool {
	if value == "" && !r.Reported(setting) {
		r.Problem(setting, "is missing: "+remedy)
	}
	return value != ""
}

// RequireSecret reports an empty secret setting as a problem. text is the secret; "" if it is
// in a vault, where it can't be checked yet.
func (r *Reader) RequireSecret(setting string, value secret.Value, remedy string) (text string, ok bool) {
	if value.IsZero() {
		return "", r.Require(setting, "", remedy)
	}
	text = value.Text().Reveal()
	return text, text != ""
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
	d, err := parseDuration(value)
	switch {
	case err != nil:
		r.Problemf(setting, "is %s: write a number and a unit, such as 90s, 4m, 24h or 7d", shown(value))
	case d < lo || d > hi:
		r.Problemf(setting, "is %s: use %s to %s", shown(value), text.Duration(lo), text.Duration(hi))
	}
	return d
}

// durationPart is one number with its unit, as people write it. Months and minutes differ in case only,
// so a capital M is neither.
var durationPart = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ns|us|µs|ms|s|m|h|d|S|H|D)`)

// parseDuration is [time.ParseDuration] with days, blanks and capital letters, and without a sign.
func parseDuration(value string) (time.Duration, error) {
	if d, err := time.ParseDuration(value); err == nil {
		return d, nil
	}
	total := time.Duration(0)
	for rest := value; ; {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, errors.New("not a duration")
		}
		factor, unit := 1.0, strings.ToLower(m[2])
		if unit == "d" {
			factor, unit = 24, "h"
		}
		part, err := time.ParseDuration(m[1] + unit)
		if err != nil || part > math.MaxInt64/48 || total > math.MaxInt64/2 {
			return 0, errors.New("not a duration")
		}
		total += time.Duration(float64(part) * factor)
		if rest = rest[len(m[0]):]; strings.TrimSpace(rest) == "" {
			return total, nil
		}
	}
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
