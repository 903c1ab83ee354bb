package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Deployed is the origin of the settings of a function app that runs in Azure, for a command on
// another machine. site is the app's name, which lets the settings be judged as they are there; "" if
// a flag keeps the state elsewhere. authority is the sign-in service of its cloud.
//
// Where the app prints to is left out: that is a file over there.
func Deployed(name, site, authority string, values map[string]string) Origin {
	all := map[string]string{}
	for setting, value := range values {
		if setting != "NDJSON_PATH" {
			all[setting] = value
		}
	}
	for setting, value := range map[string]string{"WEBSITE_SITE_NAME": site, "AZURE_AUTHORITY_HOST": authority} {
		if trim(all[setting]) == "" && value != "" {
			all[setting] = value
		}
	}
	if site == "" {
		delete(all, "WEBSITE_SITE_NAME")
	}
	return Values(name, all)
}

// OnlyThere reports whether a setting of an app has no effect for a command on another machine: the
// managed identity of the app is not there.
func OnlyThere(setting string) bool {
	_, rest, _ := strings.Cut(setting, "_")
	return slices.Contains([]string{"AZURE_CLIENT_ID", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId", "LOG_LEVEL"}, setting) || rest == "AZURE_CLIENT_ID"
}

// PlatformReferences returns those of the [VaultReferences] that the platform replaces by a secret
// before the process starts, and that this program can't read by itself: AzureWebJobsStorage, and all
// that don't hold a secret.
func PlatformReferences(kinds []Kind, o Origin) map[string]secret.Reference {
	table, found := Table(kinds), VaultReferences(kinds, o)
	maps.DeleteFunc(found, func(name string, _ secret.Reference) bool {
		text, _ := o.Lookup(name)
		row, known := rowOf(table, name)
		return !known || !reference.MatchString(trim(text)) || row.Secret && row.Name != "AzureWebJobsStorage"
	})
	return found
}

// IsStoreReference reports whether a value is a reference to an App Configuration store, which only
// the platform resolves.
func IsStoreReference(value string) bool { return configReference.MatchString(trim(value)) }

// rowOf finds the setting that a name stands for, with or without the prefix of a connection.
func rowOf(table []Setting, name string) (Setting, bool) {
	_, rest, _ := strings.Cut(name, "_")
	for _, s := range table {
		if s.Name == name || !s.App && s.spelled(rest) {
			return s, true
		}
	}
	return Setting{}, false
}

// Unused lists the settings for which an origin that does not count has another value than those that
// count.
func Unused(kinds []Kind, other Origin, count ...Origin) (names []string) {
	for _, s := range Table(kinds) {
		text, _ := other.Lookup(s.Name)
		used, from, _ := Lookup(s.Name, count...)
		if trim(text) != "" && trim(text) != trim(used) && !from.Overrides && !OnlyThere(s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// SettingNamed returns the setting of this exact name.
func SettingNamed(kinds []Kind, name string) (Setting, bool) {
	table := Table(kinds)
	i := slices.IndexFunc(table, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return table[i], true
}

// OfSources returns the names of the settings that belong to kinds of sources.
func OfSources(kinds []Kind) (names []string) {
	for _, k := range kinds {
		for _, s := range k.Table {
			names = append(names, s.Name)
		}
	}
	return names
}

// PrefixOf is what stands in front of the settings of a connection.
func PrefixOf(connection string) string { return strings.ToUpper(connection) + "_" }

// BelongsTo reports whether a name is one of a connection's own settings. Whatever else begins
// with the connection's name is something else.
func BelongsTo(kinds []Kind, connection, name string) bool {
	rest, ok := strings.CutPrefix(name, PrefixOf(connection))
	return ok && slices.ContainsFunc(Table(kinds), func(s Setting) bool {
		return !s.App && s.spelled(rest)
	})
}

// ConnectionsIn splits a list of connections as it is written in CONNECTIONS.
func ConnectionsIn(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.ToLower(trim(name)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// VaultReferences returns the settings of an origin that refer to secrets in vaults, by name. Invalid
// references are left out.
func VaultReferences(kinds []Kind, o Origin) map[string]secret.Reference {
	table := Table(kinds)
	found := map[string]secret.Reference{}
	for _, name := range o.Names() {
		text, _ := o.Lookup(name)
		row, _ := rowOf(table, name)
		prefix, _, _ := strings.Cut(name, "_")
		if row.spelled(name) { // without the prefix of a connection
			prefix = ""
		}
		r := newReader(prefix, table, []Origin{o})
		if at, problem, ok := r.kept(trim(text)); ok && problem == "" {
			at.Setting, at.Identity = name, r.identity()
			if row.App {
				at.Identity = at.Identity.Home()
			}
			found[name] = at
		}
	}
	return found
}

// VaultAddress returns the address of a vault that is named by its name or its address. problem says
// what is wrong with it.
func VaultAddress(o Origin, text string) (at, problem string) {
	if vaultName.MatchString(text) {
		r := newReader("", nil, []Origin{o})
		return "https://" + strings.ToLower(text) + r.vaultCloud(), ""
	}
	text = strings.TrimRight(text, "/")
	reference, problem := secretAddress(text + "/secrets/x")
	if problem != "" {
		return "", "use the name of a vault, or its address, such as https://NAME.vault.azure.net"
	}
	return reference.Vault, ""
}

// Judge returns the problems that the settings of an app would have after a change, and don't have
// before it.
func Judge(kinds []Kind, before, after Origin) []Problem {
	known := problemsOf(kinds, before)
	return slices.DeleteFunc(problemsOf(kinds, after), func(p Problem) bool { return slices.Contains(known, p) })
}

func problemsOf(kinds []Kind, o Origin) []Problem {
	_, err := Load(kinds, o)
	var problems *Problems
	if errors.As(err, &problems) {
		return problems.List
	}
	return nil
}

// IsReference reports whether a value is a reference to a secret in a vault, in any form, or to a
// store of settings.
func IsReference(value string) bool {
	value = trim(value)
	_, _, kept := newReader("", nil, nil).kept(value)
	return kept || IsStoreReference(value)
}
