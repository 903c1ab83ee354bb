package config

import (
	"net/url"
	"strings"
)

// Value is a setting as one connection, or the app, gets it.
type Value struct {
	Setting
	// Connection is the connection's name; "" for the app, or if there is one without a name.
	Connection string
	// Found is the name under which it was found, and Origin where: the environment, the path of a
	// file, a flag. Both are "" if it was not found; then Text is the default.
	Found, Origin string
	// Text is the value as it was written, trimmed. What may carry a password, a signature or a key
	// is cut out of addresses. Of a secret it is "", or where a vault has it.
	Text string
}

// Effective returns the settings that are set or have a default, in the order of the table, those of
// the app first. Nothing is validated, and no secret is among the texts.
func Effective(kinds []Kind, origins ...Origin) (list []Value) {
	table := Table(kinds)
	app := newReader("", table, origins)
	names := connectionNames(app, table)
	for _, s := range table {
		if s.App {
			list = app.effective(list, s, "")
		}
	}
	for _, name := range names {
		r := newReader(name, table, origins)
		for _, s := range table {
			if !s.App {
				list = r.effective(list, s, name)
			}
		}
	}
	return list
}

// effective adds a setting, unless there is nothing to say about it.
func (r *Reader) effective(list []Value, s Setting, connection string) []Value {
	v := Value{Setting: s, Connection: connection, Text: s.Default}
	found, o, text, ok := r.find(r.names(s.Name))
	switch {
	case ok:
		v.Found, v.Origin, v.Text = found, o.Name, trim(text)
	case s.Default == "" && s.Otherwise == "":
		return list
	}
	if ok && s.Secret {
		v.Text = ""
		if at, problem, kept := r.kept(trim(text)); kept && problem == "" {
			v.Text = at.String()
		}
	} else if ok {
		v.Text = withoutAccess(v.Text)
	}
	return append(list, v)
}

// withoutAccess cuts user and query out of an address.
func withoutAccess(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(an address that can't be parsed)"
	}
	if u.User != nil {
		u.User = url.User("…")
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	u.Fragment = ""
	if shown, err := url.PathUnescape(u.String()); err == nil {
		return shown
	}
	return u.String()
}
