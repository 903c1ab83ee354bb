package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

// connectionNames returns the names in CONNECTIONS, in lower case, or one empty name if it
// is not set.
func connectionNames(r *Reader, table []Setting) (names []string) {
	const setting = "CONNECTIONS"
	text := r.text(r.names(setting))
	switch {
	case r.Reported(setting):
		return nil
	case text == "":
		return []string{""}
	}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if complaint := checkName(table, name, names); complaint != "" {
			r.Problem(setting, complaint)
			continue
		}
		names = append(names, name)
	}
	return names
}

// connection reads the settings of one connection.
func connection(r *Reader, name string, kinds []Kind, keyed func() Account, several bool) Connection {
	var text struct {
		InitialLookback string `envconfig:"INITIAL_LOOKBACK"`
		SettleDelay     string `envconfig:"SETTLE_DELAY"`
		AuditAges       string `envconfig:"AUDIT_AGES"`
		LedgerKeep      string `envconfig:"LEDGER_KEEP"`
		QuarantineKeep  string `envconfig:"QUARANTINE_KEEP"`
		HealthTable     string `envconfig:"HEALTH_TABLE"`
	}
	r.Fill(&text)
	c := Connection{
		Name:            name,
		InitialLookback: r.Duration("INITIAL_LOOKBACK", text.InitialLookback, 0, 10*365*24*time.Hour),
		SettleDelay:     r.Duration("SETTLE_DELAY", text.SettleDelay, 0, time.Hour),
		LedgerKeep:      r.Duration("LEDGER_KEEP", text.LedgerKeep, 24*time.Hour, 90*24*time.Hour),
		QuarantineKeep:  r.Duration("QUARANTINE_KEEP", text.QuarantineKeep, 8*24*time.Hour, 10*365*24*time.Hour),
		Health:          r.Boolean("HEALTH_TABLE", text.HealthTable),
	}
	c.AuditAges = auditAges(r, text.AuditAges, c.LedgerKeep)
	c.Sources, c.Tenant = sources(r, kinds)
	ownWorkflow(r, c.Sources)
	sink := sinkReader{Reader: r}
	r.Fill(&sink.text)
	sink.sink(&c.Sink)
	c.ReadBack = sink.readBack(c.Sink)
	legacy := legacyReader{Reader: r, keyed: keyed, several: several}
	r.Fill(&legacy.text)
	c.Legacy = legacy.legacy()
	return c
}

// sources reads the sources that are enabled. If none is, it reports what is missing for
// the first kind. The first source names the tenant.
func sources(r *Reader, kinds []Kind) (list []Source, tenant string) {
	on := slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool {
		return !slices.ContainsFunc(k.On, r.isSet) && !slices.ContainsFunc(k.With, r.isSetHere)
	})
	if len(on) == 0 {
		on = kinds[:min(1, len(kinds))]
	}
	for _, k := range on {
		source, name := k.Read(r)
		list, tenant = append(list, source), cmp.Or(tenant, name)
	}
	return list, tenant
}

// withoutKind reports settings that all connections share and none of them uses.
func withoutKind(app *Reader, kinds []Kind, connections []Connection) {
	for _, k := range kinds {
		enabled := func(c Connection) bool {
			return slices.ContainsFunc(c.Sources, func(s Source) bool { return s.Kind() == k.Name })
		}
		if len(connections) == 0 || slices.ContainsFunc(connections, enabled) {
			continue
		}
		for _, name := range k.With {
			if app.isSet(name) {
				app.Problemf(name, "is set, but no connection has %s: set it with the prefix of a connection, or remove %s", strings.Join(k.On, " or "), name)
			}
		}
	}
}

// auditAges reads a list of ages; "off" means an empty list.
func auditAges(r *Reader, list string, keep time.Duration) (ages []time.Duration) {
	const setting = "AUDIT_AGES"
	if strings.EqualFold(list, "off") || r.Reported(setting) {
		return nil
	}
	for age := range strings.SplitSeq(list, ",") {
		age := r.Duration(setting, strings.TrimSpace(age), 5*time.Minute, 144*time.Hour)
		if r.Reported(setting) {
			return nil
		}
		ages = append(ages, age)
	}
	slices.Sort(ages)
	ages = slices.Compact(ages)
	if oldest := ages[len(ages)-1]; oldest >= keep && !r.Reported("LEDGER_KEEP") {
		r.Problemf("LEDGER_KEEP", "is %s, but windows are audited when they are %s old (%s): remember ids for longer than that", text.Duration(keep), text.Duration(oldest), setting)
	}
	return ages
}

// oneStateEach reports connections that would share state, and connections that would read
// the same tenant twice.
func oneStateEach(kinds []Kind, readers []*Reader, connections []Connection) {
	states, places := map[string]string{}, map[string]string{}
	for i, c := range connections {
		r := readers[i]
		if r.Reported("CONNECTIONS") { // it reads nothing
			continue
		}
		if other, twice := states[c.Tenant]; twice && c.Tenant != "" {
			setting := tenantSetting(kinds, r)
			r.Problemf(setting, "gives the connections %s and %s the same tenant (%s), and so the same state: set %s_%s to the tenant of %s, or remove one of the two from CONNECTIONS",
				other, c.Name, c.Tenant, r.prefix, setting, c.Name)
			continue
		}
		states[c.Tenant] = c.Name
		for _, source := range c.Sources {
			at, ok := source.(Located)
			if !ok {
				continue
			}
			setting, address := at.At()
			if other, twice := places[address]; twice && address != "" {
				r.Problemf(setting, "is the address of both connections %s and %s, which would deliver the same events twice: set %s_%s to the address of %s, or remove one of the two from CONNECTIONS",
					other, c.Name, r.prefix, setting, c.Name)
			}
			places[address] = c.Name
		}
	}
}

// tenantSetting returns the setting that names the tenant of a connection.
func tenantSetting(kinds []Kind, r *Reader) string {
	for _, k := range kinds {
		if i := slices.IndexFunc(k.On, r.isSet); i >= 0 {
			return k.On[i]
		}
	}
	return "CONNECTIONS"
}

// hookPaths are the paths below /api/hooks/ that connection names would collide with.
func hookPaths() []string { return []string{"sailpoint", "saas"} }

// reserved are prefixes that can't be connection names: they belong to other kinds of
// sources, or to the copies of settings that App Service makes.
func reserved() []string { return []string{"appsetting", "iiq", "okta", "webhook", "workflow"} }

var connectionName = regexp.MustCompile(`^[a-z0-9]+$`)

// hasPrefix reports whether a name with this prefix, in any case, is set.
func (r *Reader) hasPrefix(prefix string) bool {
	return slices.ContainsFunc(r.origins, func(o Origin) bool {
		return slices.ContainsFunc(o.Names(), func(name string) bool {
			text, _ := o.Lookup(name)
			return strings.HasPrefix(strings.ToUpper(name), prefix) && trim(text) != ""
		})
	})
}

// withoutSettings reports a connection of which nothing but the name is set. It is a problem of that
// connection: a name that is there before its settings must not end the others.
func withoutSettings(r, app *Reader, c Connection) Connection {
	const setting = "CONNECTIONS"
	prefix := PrefixOf(c.Name)
	if c.Name == "" || r.hasPrefix(prefix) {
		return c
	}
	c.Tenant, r.problems, r.hints = "", nil, nil // what is shared is not its own
	r.places[setting] = app.places[setting]
	r.Problemf(setting, "has the name %s, but none of its settings is set: set at least the tenant of %s (%sTENANT_ID), or remove the name", c.Name, c.Name, prefix)
	return c
}

// checkName returns what is wrong with a connection name in lower case, or "".
func checkName(table []Setting, name string, before []string) string {
	prefix := PrefixOf(name)
	switch {
	case name == "":
		return "has an empty name: separate names with one comma, like acme,globex"
	case !connectionName.MatchString(name):
		return fmt.Sprintf("has the name %s: use letters a to z and digits only, and commas between names", shown(name))
	case slices.Contains(before, name):
		return fmt.Sprintf("has the name %s twice (upper and lower case do not matter): remove one", name)
	case slices.Contains(hookPaths(), name):
		return fmt.Sprintf("has the name %s, which is also the path of a webhook, /api/hooks/%s: choose another name", name, name)
	case slices.Contains(reserved(), name):
		return fmt.Sprintf("has the name %s, which is reserved for settings that begin with %s: choose another name", name, prefix)
	}
	for _, s := range table {
		if slices.ContainsFunc(table, func(other Setting) bool { return other.Name == prefix+s.Name }) {
			return fmt.Sprintf("has the name %s, with which %s%s would be a setting of the connection and of the app: choose another name", name, prefix, s.Name)
		}
	}
	return ""
}
