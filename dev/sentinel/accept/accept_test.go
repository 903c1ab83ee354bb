package accept_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/accept"
	asim "github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/tree"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/solution"
)

const folder = "Solutions/SailPointIdentityNow/"

type made struct {
	ours, own accept.Tree
}

var (
	once sync.Once
	both made
)

func trees(t *testing.T) made {
	t.Helper()
	once.Do(func() { both = makeTrees(t) })
	if both.ours.Files == nil {
		t.Fatal("no tree")
	}
	return both
}

func makeTrees(t *testing.T) made {
	t.Helper()
	s, err := solution.Load(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := kqltest.ColumnsOf(s.Functions)
	columns := func(f content.Function) ([]solution.Column, error) {
		found, err := ask(f)
		var all []solution.Column
		for _, c := range found {
			all = append(all, solution.Column{Name: c.Name, Type: c.Type})
		}
		return all, err
	}
	checkout := repository(t)
	parsers, err := asim.Tree(kqltest.Root(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.Tree(s.Upstream(), solution.Source{Columns: columns, Checkout: checkout, Extra: parsers})
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.Tree(s.Own(), solution.Source{})
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{}
	for name := range checkout {
		if before[name], err = fs.ReadFile(checkout, name); err != nil {
			t.Fatal(err)
		}
	}
	known := map[string][]accept.Column{}
	tables := kqltest.Schemas(t, "okta", "threat-intelligence", "incidents")
	for name := range tables {
		for _, c := range (&kqltest.Workspace{Tables: tables}).Columns(t, name) {
			known[name] = append(known[name], accept.Column{Name: c.Name, Type: c.Type})
		}
	}
	declarations := maps.Clone(own)
	for name, text := range ours {
		if strings.HasPrefix(name, ".script/") {
			declarations[name] = text
		}
	}
	return made{
		ours: accept.Tree{Files: ours, Before: before, Known: known, Diagnose: diagnose},
		own:  accept.Tree{Files: declarations, Known: known, Diagnose: diagnose},
	}
}

// diagnose asks Microsoft's parser, with functions that are declared only.
func diagnose(w accept.Workspace, query string) ([]string, error) {
	ws := kqltest.Workspace{Tables: map[string]jsontext.Value{}}
	for name, columns := range w.Tables {
		var b bytes.Buffer
		b.WriteByte('{')
		for i, c := range columns {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q:%q", c.Name, c.Type)
		}
		b.WriteByte('}')
		ws.Tables[name] = b.Bytes()
	}
	empty := map[string]string{"string": "''", "dynamic": "dynamic([])", "bool": "false"}
	for _, f := range w.Functions {
		var parameters, columns []string
		for _, p := range f.Parameters {
			value, ok := empty[p.Type]
			if !ok {
				value = p.Type + "(null)"
			}
			parameters = append(parameters, p.Name+": "+p.Type+" = "+value)
		}
		for _, c := range f.Columns {
			columns = append(columns, "['"+c.Name+"']: "+c.Type)
		}
		ws.Functions = append(ws.Functions, kqltest.Function{Name: f.Name, Params: strings.Join(parameters, ", "), Body: "datatable(" + strings.Join(columns, ", ") + ")[]"})
	}
	checked, err := ws.Analyse(query)
	return slices.Concat(checked.Errors, checked.Warnings), err
}

// TestAccepted: the tree passes every check of the repository.
func TestAccepted(t *testing.T) {
	all := trees(t)
	for _, c := range accept.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			for _, p := range c.Run(all.ours) {
				t.Errorf("%s\n(%s)", p, c.Source)
			}
			if c.Name == "workbooks: listed" {
				return // the list is the repository's
			}
			for _, p := range c.Run(all.own) {
				t.Errorf("own variant: %s\n(%s)", p, c.Source)
			}
		})
	}
}

// TestEachCheckFinds: each check finds a fault that is put into the tree.
func TestEachCheckFinds(t *testing.T) {
	tree := trees(t).ours
	faults := faults()
	for _, c := range accept.Checks() {
		if len(faults[c.Name]) == 0 {
			t.Errorf("no fault for the check %q", c.Name)
		}
		for i, f := range faults[c.Name] {
			t.Run(fmt.Sprintf("%s/%d", c.Name, i), func(t *testing.T) {
				broken := tree
				broken.Files = maps.Clone(tree.Files)
				f(t, broken.Files)
				if got := c.Run(broken); len(got) == 0 {
					t.Error("the check finds nothing")
				}
			})
		}
		delete(faults, c.Name)
	}
	for name := range faults {
		t.Errorf("faults for %q, which is no check", name)
	}
}

// TestKeeps: an update takes nothing away that is somebody else's.
func TestKeeps(t *testing.T) {
	tree := trees(t).ours
	for name, text := range tree.Before {
		if !strings.HasPrefix(name, folder) || bytes.Equal(tree.Files[name], text) {
			continue
		}
		if !slices.Contains([]string{"Data Connectors/SailPoint_IdentityNow_FunctionApp.json", "Data/Solution_SailpointIdentityNow.json", "Package/mainTemplate.json", "Package/createUiDefinition.json", "ReleaseNotes.md", "SolutionMetadata.json", "Analytic Rules/SailPointIdentityNowEventType.yaml"}, strings.TrimPrefix(name, folder)) {
			t.Errorf("%s has changed or is gone", name)
		}
	}
	var list map[string]any
	if err := json.Unmarshal(tree.Files[folder+"Data/Solution_SailpointIdentityNow.json"], &list); err != nil {
		t.Fatal(err)
	}
	text := string(tree.Files[folder+"Package/mainTemplate.json"])
	for kind, file := range map[string]string{"Data Connectors": "Data Connectors/SearchEvent_CCF/ConnectorDefinition.json", "Playbooks": "Playbooks/Custom Connector/azuredeploy.json", "Parsers": "Parsers/parser_V2.json", "Analytic Rules": "Analytic Rules/Failed_CCF.yaml"} {
		if !slices.Contains(list[kind].([]any), any(file)) {
			t.Errorf("%s is not listed any more", file)
		}
	}
	if slices.Contains(list["Parsers"].([]any), any("Parsers/parser_Alias.json")) {
		t.Error("the function SailPointIDN_Events is packed twice")
	}
	for _, want := range []string{"SailPointIdentityNowConnector", "CustomConnectorOfTheOthers", "SailPointIDN_EventsV2", "rule of the codeless connector", `"connectionsOf2"`, `"theirs"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the package has no %s any more", want)
		}
	}
	for _, gone := range []string{"the old page", "the old rule", "notNeeded"} {
		if strings.Contains(text, gone) {
			t.Errorf("the package still has %s", gone)
		}
	}
	if notes := string(tree.Files[folder+"ReleaseNotes.md"]); strings.Count(notes, "| 3.0.1 ") != 1 || strings.Index(notes, "| 4.") > strings.Index(notes, "| 3.0.1 ") {
		t.Errorf("release notes:\n%s", notes)
	}
	if books := string(tree.Files["Workbooks/WorkbooksMetadata.json"]); !strings.HasPrefix(books, string(bytes.TrimRight(tree.Before["Workbooks/WorkbooksMetadata.json"], "] \n"))) {
		t.Error("the list of workbooks is another in front of our entries")
	}
}
