package config

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
)

// speller finds mistakes in the names that the origins hold. Everything in a settings file
// must be a setting. The environment also holds variables of other programs, so only names
// that look like settings count there.
type speller struct {
	origins  []Origin
	prefixes []string           // of the connections, with "_" at the end
	known    map[string]Setting // by every name that is looked up
	table    []Setting
	problems []Problem
	unlisted []Problem // settings of connections that CONNECTIONS does not list
	hints    []Problem
	meant    map[string]bool // what misspelled names should be
}

// spell checks the names in all origins. connections are in lower case.
func spell(table []Setting, connections []string, origins []Origin) *speller {
	s := &speller{origins: origins, table: table, known: map[string]Setting{}, meant: map[string]bool{}}
	for _, setting := range table {
		s.known[setting.Name] = setting
	}
	for _, name := range connections {
		if name == "" {
			continue
		}
		prefix := PrefixOf(name)
		s.prefixes = append(s.prefixes, prefix)
		for _, setting := range table {
			if !setting.App {
				s.known[prefix+setting.Name] = setting
				s.known[prefix+strings.ToUpper(setting.Name)] = setting
			}
		}
	}
	for _, o := range origins {
		for _, name := range slices.Sorted(slices.Values(o.Names())) {
			if text, _ := o.Lookup(name); trim(text) != "" {
				s.judge(o, name)
			}
		}
	}
	if !s.meant["CONNECTIONS"] {
		s.problems = append(s.problems, s.unlisted...)
	}
	return s
}

// of removes and returns the problems of one connection.
func (s *speller) of(connection string) (list []Problem) {
	s.problems = slices.DeleteFunc(s.problems, func(p Problem) bool {
		own := connection != "" && strings.HasPrefix(p.Setting, PrefixOf(connection))
		if own {
			list = append(list, p)
		}
		return own
	})
	return list
}

// judge reports what is wrong with one name, if anything.
func (s *speller) judge(o Origin, name string) {
	if _, ok := s.known[name]; ok || o.isOktaFunction(name) {
		return
	}
	if outside(name) {
		s.outside(o, name)
		return
	}
	right := s.nearest(name)
	prefix, rest, _ := strings.Cut(name, "_")
	prefix += "_"
	row, isSetting := s.row(rest)
	switch {
	case isSetting && row.App && slices.Contains(s.prefixes, prefix):
		s.add(o, name, row.Name, "applies to the whole app and can't be set for one connection: rename it to "+row.Name)
	case isSetting && !row.App && !strings.EqualFold(name, right) && s.forgotten(o, prefix, row.Name):
		remedy := "add " + strings.ToLower(strings.TrimSuffix(prefix, "_")) + " to CONNECTIONS, or remove this setting"
		if right != "" {
			remedy += ", or rename it if you mean " + right
		}
		s.unlisted = append(s.unlisted, Problem{Setting: name, Message: "belongs to a connection that CONNECTIONS does not list: " + remedy, Origin: o.Name, Row: row.Name})
	case right != "":
		s.misspelled(o, name, right)
	case o.Closed && !platform(name):
		s.add(o, name, "", "is not a setting of this program: remove it, or look up its name in the README under Settings")
	}
}

func (s *speller) add(o Origin, name, row, message string) {
	s.problems = append(s.problems, Problem{Setting: name, Message: message, Origin: o.Name, Row: row})
}

// row finds a setting by its name in the table, or by that name in upper case.
func (s *speller) row(name string) (Setting, bool) {
	i := slices.IndexFunc(s.table, func(t Setting) bool { return t.spelled(name) })
	if i < 0 {
		return Setting{}, false
	}
	return s.table[i], true
}

// forgotten reports whether a name with an unlisted prefix is meant for a connection. A
// developer's environment contains similar names of other programs, above all CLIENT_ID.
func (s *speller) forgotten(o Origin, prefix, row string) bool {
	name := strings.TrimSuffix(prefix, "_")
	list, _, listed := Lookup("CONNECTIONS", s.origins...)
	// Whatever separates the names: a list that can't be read is a problem of its own.
	separates := func(r rune) bool { return !connectionName.MatchString(strings.ToLower(string(r))) }
	if !connectionName.MatchString(strings.ToLower(name)) || slices.ContainsFunc(strings.FieldsFunc(list, separates), func(other string) bool { return strings.EqualFold(other, name) }) {
		return false // the problem is already reported
	}
	// App Service copies every setting, with the prefix APPSETTING_.
	common := []string{"CLIENT_ID", "CLIENT_SECRET", "LIMIT", "TENANT_ID", "GRANT_TYPE"}
	others := []string{"APPSETTING_", "ARM_", "AAD_", "AZURE_", "ENTRA_", "GRAPH_", "MSAL_", "SAIL_", "TEAMS_"}
	switch {
	case o.Closed:
		return true
	case slices.Contains(others, prefix):
		return false
	case row == "TENANT_ID":
		_, _, one := Lookup(row, s.origins...)
		return len(s.prefixes) > 0 || !listed && !one // with neither, CONNECTIONS is missing
	}
	return !slices.Contains(common, row)
}

// misspelled reports a misspelled name. A name in the environment may belong to another
// program if the correct one is set too, or if other programs have that name.
func (s *speller) misspelled(o Origin, name, right string) {
	row := s.known[right].Name
	if strings.EqualFold(name, right) {
		if runtime.GOOS == "windows" && !o.Closed {
			return // environment variables on Windows are not case-sensitive
		}
		s.meant[right] = true
		s.problems = append(s.problems, Problem{Setting: right, Message: "is set as " + name + ": names are case-sensitive, so rename it", Origin: o.Name, Row: row})
		return
	}
	_, _, set := Lookup(right, s.origins...)
	if common := slices.Contains([]string{"LIMITS", "ULIMIT", "LOGLEVEL", "LOG_LEVELS"}, strings.ToUpper(name)); !o.Closed && (set || common) {
		s.hints = append(s.hints, Problem{Setting: name, Message: "looks like " + right + ": rename it if it is meant for this program", Origin: o.Name, Row: row})
		return
	}
	s.meant[right] = true
	s.add(o, name, row, "is not a setting: did you mean "+right+"? Then rename it")
}

// nearest returns the known name that another is probably a typo of, or "". With a prefix,
// only one of the two parts may contain typos.
func (s *speller) nearest(name string) string {
	prefix, rest, _ := strings.Cut(strings.ToUpper(name), "_")
	prefix += "_"
	listed := slices.Contains(s.prefixes, prefix)
	best, least := "", 0
	better := func(right string, n, allowed int) {
		if n <= allowed && (best == "" || n < least) {
			best, least = right, n
		}
	}
	for _, t := range s.table {
		upper := strings.ToUpper(t.Name)
		most := allowed(upper)
		better(t.Name, distance(strings.ToUpper(name), upper, most), most)
		switch {
		case t.App:
		case listed:
			better(prefix+t.Name, distance(rest, upper, most), most)
		case rest == upper:
			for _, other := range s.prefixes {
				better(other+t.Name, distance(prefix, other, allowed(other)), allowed(other))
			}
		}
	}
	return best
}

// allowed is how many typos a name may have and still be recognised.
func allowed(name string) int {
	if len(name) > 9 {
		return 2
	}
	return 1
}

// distance counts the typos between two names, up to most+1: missing, extra or wrong
// characters, and swapped adjacent ones.
func distance(a, b string, most int) int {
	if max(len(a)-len(b), len(b)-len(a)) > most {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			wrong := 1
			if a[i] == b[j] {
				wrong = 0
			}
			row[j+1] = min(last[j]+wrong, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// outside reports a variable in a settings file that libraries read from the environment of
// the process, where it has no effect.
func (s *speller) outside(o Origin, name string) {
	text, _ := o.Lookup(name)
	open := slices.DeleteFunc(slices.Clone(s.origins), func(o Origin) bool { return o.Closed })
	if set, _, _ := Lookup(name, open...); !o.Closed || trim(set) == trim(text) {
		return
	}
	s.hints = append(s.hints, Problem{Setting: name, Message: "is read only from the environment: Azure Functions Core Tools copy it there, this command does not; also set it there", Origin: o.Name})
}

// outside matches variables of the Go runtime, TLS, proxies and the Azure SDK.
func outside(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK",
		"AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
		"AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TOKEN_CREDENTIALS",
		"AZURE_ADDITIONALLY_ALLOWED_TENANTS", "AZURE_REGIONAL_AUTHORITY_NAME",
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET":
		return true
	}
	return false
}

// platform reports whether Azure Functions or its tools read this name.
func platform(name string) bool {
	name = strings.ToUpper(name)
	for _, prefix := range []string{
		"AZUREWEBJOBS", "AZUREFUNCTIONS", "FUNCTIONS_", "WEBSITE_", "WEBSITES_", "WEBJOBS_", "APPLICATIONINSIGHTS_", "APPINSIGHTS_", "SCM_", "DEPLOYMENT_STORAGE_",
		"LANGUAGEWORKERS", "LOGGING__", "ASPNETCORE_", "DOTNET_", "DOCKER_", "DIAGNOSTICS_", "ENABLE_ORYX_BUILD", "BUILD_FLAGS", "POST_BUILD_COMMAND", "PRE_BUILD_COMMAND", "XDG_CACHE_HOME",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Overridden lists the settings in a settings file for which an earlier origin has a
// different value.
func Overridden(kinds []Kind, origins ...Origin) (names []string) {
	table := Table(kinds)
	place := func(name string) int {
		return slices.IndexFunc(table, func(s Setting) bool { return s.Name == name })
	}
	for i, o := range origins {
		if !o.Closed {
			continue
		}
		for _, name := range o.Names() {
			text, _ := o.Lookup(name)
			if other, _, ok := Lookup(name, origins[:i]...); ok && trim(text) != "" && trim(other) != trim(text) && !outside(name) && !platform(name) {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return names
}
