package solution_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/playbooks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

func load(t *testing.T) (*solution.Solution, map[string][]byte) {
	t.Helper()
	s, err := solution.Load(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return s, files
}

// TestGeneratedFilesAreCurrent: run make solution when this fails.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	_, files := load(t)
	for path, want := range files {
		got, err := os.ReadFile(kqltest.Root(t, filepath.FromSlash(path)))
		if err != nil {
			t.Errorf("%v: run make solution", err)
		} else if !bytes.Equal(want, got) {
			t.Errorf("%s is not what the content says: run make solution", path)
		}
	}
	// Nothing is left over from content that is gone.
	for _, folder := range []string{"sentinel/CustomTables", "sentinel/Package", "sentinel/Package/Parsers", "sentinel/Data"} {
		entries, err := os.ReadDir(kqltest.Root(t, filepath.FromSlash(folder)))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, ok := files[folder+"/"+e.Name()]; !ok && !e.IsDir() {
				t.Errorf("%s/%s is not generated any more: delete it", folder, e.Name())
			}
		}
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	_, one := load(t)
	_, two := load(t)
	if diff := cmp.Diff(one, two); diff != "" {
		t.Error(diff)
	}
}

// resource is what the tests read of a resource of the template.
type resource struct {
	Type, Name, Kind, Scope, Condition string
	DependsOn                          []string
	Properties                         struct {
		DisplayName, FunctionAlias, FunctionParameters, Query string
		QueryFrequency, QueryPeriod, SerializedData, Category string
		ConnectorUIConfig                                     map[string]any `json:"connectorUiConfig"`
	}
}

func resources(t *testing.T, files map[string][]byte) []resource {
	t.Helper()
	var doc struct{ Resources []resource }
	if err := json.Unmarshal(files["sentinel/Package/mainTemplate.json"], &doc, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	return doc.Resources
}

// TestTemplateHasEverything: each piece of content is one resource, whole, and
// comes after the functions that it calls.
func TestTemplateHasEverything(t *testing.T) {
	s, files := load(t)
	all := resources(t, files)
	// Beside them: the connector page, and the deployment of the custom unifying functions.
	if want := len(s.Functions) + len(s.Rules) + len(s.Hunts) + len(s.Workbooks) + len(playbooks.Watchlists()) + 2; len(all) != want {
		t.Errorf("%d resources, want %d", len(all), want)
	}
	byName := map[string]resource{}
	for _, r := range all {
		name := r.Name[strings.LastIndex(r.Name, "/")+1:]
		if m := regexp.MustCompile(`'(\w+)'\)\]$`).FindStringSubmatch(r.Name); m != nil {
			name = m[1]
		}
		byName[strings.TrimSuffix(name, "')]")] = r
	}
	if len(byName) != len(all) {
		t.Errorf("%d names for %d resources", len(byName), len(all))
	}
	after := func(name, query string, own bool) {
		calls := content.Calls(query, s.Functions)
		if own {
			calls = slices.DeleteFunc(calls, func(c string) bool { return c == name })
		}
		if got := len(byName[name].DependsOn); got != len(calls) {
			t.Errorf("%s depends on %d resources, but calls %v", name, got, calls)
		}
		for _, c := range calls {
			if !strings.Contains(strings.Join(byName[name].DependsOn, "\n"), "'"+c+"')]") {
				t.Errorf("%s calls %s, but may be deployed before it", name, c)
			}
		}
	}
	for _, f := range s.Functions {
		r := byName[f.Name]
		if r.Properties.Query != f.Body || r.Properties.FunctionParameters != f.Params || r.Properties.FunctionAlias != f.Name || r.Properties.DisplayName == "" || r.Properties.Category == "" {
			t.Errorf("function %s differs", f.Name)
		}
		after(f.Name, f.Body, true)
	}
	for _, rule := range s.Rules {
		r := byName[rule.ID]
		if r.Properties.Query != rule.Query || r.Kind != rule.Kind || r.Scope == "" || strings.HasPrefix(r.Properties.QueryPeriod, "P") != (rule.Kind == content.Scheduled) {
			t.Errorf("rule %s differs", rule.File)
		}
		if len(r.DependsOn) == 0 {
			t.Errorf("rule %s depends on no function", rule.File)
		}
		after(rule.ID, rule.Query, false)
	}
	for _, h := range s.Hunts {
		if r := byName[h.ID]; r.Properties.Query != h.Query || r.Properties.Category != "Hunting Queries" {
			t.Errorf("hunting query %s differs", h.File)
		}
		after(h.ID, h.Query, false)
	}
	for _, w := range playbooks.Watchlists() {
		if r := byName[w.Alias]; r.Condition != "[parameters('createWatchlists')]" || r.Properties.DisplayName != w.Title || r.Scope == "" {
			t.Errorf("watchlist %s differs", w.Alias)
		}
	}
	for _, w := range s.Workbooks {
		if byName[w.File].Properties.SerializedData != w.Text {
			t.Errorf("workbook %s differs", w.File)
		}
	}
}

// TestNoAccidentalExpressions: a text that begins with a bracket would be
// evaluated by Resource Manager.
func TestNoAccidentalExpressions(t *testing.T) {
	_, files := load(t)
	for _, r := range resources(t, files) {
		for _, text := range []string{r.Properties.Query, r.Properties.SerializedData, r.Properties.DisplayName} {
			if strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "[[") {
				t.Errorf("%s: %.40q", r.Name, text)
			}
		}
	}
}

// TestListedFilesExist checks the list from which the repository's tools pack.
func TestListedFilesExist(t *testing.T) {
	_, files := load(t)
	var list struct {
		Connectors []string `json:"Data Connectors"`
		Parsers    []string
		Rules      []string `json:"Analytic Rules"`
		Hunts      []string `json:"Hunting Queries"`
		Workbooks  []string
		Playbooks  []string
		Watchlists []string
		Metadata   string
	}
	if err := json.Unmarshal(files["sentinel/Data/Solution_SailPointIdentityNow.json"], &list); err != nil {
		t.Fatal(err)
	}
	for kind, paths := range map[string][]string{"connectors": list.Connectors, "parsers": list.Parsers, "rules": list.Rules, "hunts": list.Hunts, "workbooks": list.Workbooks, "playbooks": list.Playbooks, "watchlists": list.Watchlists, "metadata": {list.Metadata}} {
		if len(paths) == 0 {
			t.Errorf("no %s", kind)
		}
		for _, p := range paths {
			if _, err := os.Stat(kqltest.Root(t, "sentinel", filepath.FromSlash(p))); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// TestListIsWhole: what is in the folders is in the list.
func TestListIsWhole(t *testing.T) {
	s, files := load(t)
	text := string(files["sentinel/Data/Solution_SailPointIdentityNow.json"])
	for _, p := range s.Playbooks {
		if !strings.Contains(text, `"Playbooks/`+p.Path+`"`) {
			t.Errorf("playbook %s is not listed", p.Path)
		}
	}
	for name := range s.Watchlists {
		if !strings.Contains(text, `"Watchlists/`+name+`.json"`) {
			t.Errorf("watchlist %s is not listed", name)
		}
	}
}

// TestCustomTables: the declared tables have every column of the published ones.
func TestCustomTables(t *testing.T) {
	_, files := load(t)
	for schema, table := range map[string]string{"events-published": kqltest.EventsTable, "events-isc-published": kqltest.ISCTable, "triggers-published": kqltest.TriggersTable, "health": kqltest.HealthTable} {
		var declared struct {
			Name       string
			Properties []struct{ Name, Type string }
		}
		if err := json.Unmarshal(files["sentinel/CustomTables/"+table+".json"], &declared); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, p := range declared.Properties {
			got[p.Name] = strings.ToLower(p.Type)
		}
		for _, c := range kqltest.Load(t, schema).Columns(t, table) {
			if got[c.Name] != c.Type {
				t.Errorf("%s.%s is %q, want %q", declared.Name, c.Name, got[c.Name], c.Type)
			}
		}
	}
}

// TestDetectionsPage looks for what the page is for.
func TestDetectionsPage(t *testing.T) {
	s, files := load(t)
	text := string(files["docs/detections.md"])
	for _, r := range s.Rules {
		if !strings.Contains(text, "["+r.Name+"](#"+strings.ToLower(r.File)+")") || !strings.Contains(text, "\n### "+r.File+"\n") {
			t.Errorf("rule %s is missing", r.Name)
		}
		for _, id := range r.RelevantTechniques {
			if !strings.Contains(text, "["+id+"](https://attack.mitre.org/techniques/"+strings.ReplaceAll(id, ".", "/")+"/)") {
				t.Errorf("technique %s is missing", id)
			}
		}
	}
	for _, h := range s.Hunts {
		if !strings.Contains(text, "| "+h.Name+" |") {
			t.Errorf("hunting query %s is missing", h.Name)
		}
	}
}
