package config

import (
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

// References returns the settings of an origin, by name, that the platform replaces by a secret
// before the process starts, and that this program can't read by itself: AzureWebJobsStorage, and all
// that don't hold a secret. Invalid references are left out.
func References(kinds []Kind, o Origin) map[string]secret.Reference {
	table := Table(kinds)
	r := newReader("", table, []Origin{o})
	found := map[string]secret.Reference{}
	for _, name := range o.Names() {
		text, _ := o.Lookup(name)
		row, known := rowOf(table, name)
		if text = trim(text); !known || !reference.MatchString(text) || row.Secret && row.Name != "AzureWebJobsStorage" {
			continue
		}
		if at, problem, _ := r.kept(text); problem == "" {
			at.Setting = name
			found[name] = at
		}
	}
	return found
}

// IsStoreReference reports whether a value is a reference to an App Configuration store, which only
// the platform resolves.
func IsStoreReference(value string) bool { return configReference.MatchString(trim(value)) }

// rowOf finds the setting that a name stands for, with or without the prefix of a connection.
func rowOf(table []Setting, name string) (Setting, bool) {
	_, rest, _ := strings.Cut(name, "_")
	for _, s := range table {
		if s.Name == name || !s.App && (s.Name == rest || strings.ToUpper(s.Name) == rest) {
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
