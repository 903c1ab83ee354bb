package tree_test

import (
	"bytes"
	"encoding/csv"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/checks"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim/tree"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

const now = "2026-11-24T12:00:00Z"

// Two unions in the two styles that the repository has: commas at the end of a line, or at
// its beginning; and what it says of them.
const (
	trailing = `Parser:
  Title: %[1]s ASIM filtering parser
  Version: '0.1.3'
  LastUpdated: May 30, 2024
ParserName: im%[1]s
EquivalentBuiltInParser: _Im_%[1]s
Parsers:
  - _Im_%[1]s_Empty
  - _Im_%[1]s_Native
ParserParams:
  - Name: pack
    Type: bool
    Default: false
ParserQuery: |
  let DisabledParsers=materialize(_GetWatchlist('ASimDisabledParsers') | distinct SearchKey);
  let ASimBuiltInDisabled=toscalar('Any' in (DisabledParsers));
  let parser=(pack: bool=false) {
      union isfuzzy=true
          vim%[1]sEmpty,
          vim%[1]sNative(pack=pack, disabled=(ASimBuiltInDisabled or ('Excludevim%[1]sNative' in (DisabledParsers))))
  };
  parser(pack=pack)
`
	leading = `Parser:
  Title: %[1]s ASIM parser
  Version: 0.1
  LastUpdated: 16 Jul, 2023
ParserName: ASim%[1]s
ParserQuery: |
  let BuiltInDisabled=toscalar('Any' in (DisabledParsers));
  union isfuzzy=true
    vim%[1]sEmpty
    , ASim%[1]sNative   (BuiltInDisabled)
Parsers:
- _Im_%[1]s_Empty
- _ASim_%[1]s_Native
`
	log = "# Changelog for it\n\n## Version 0.1.3\n\n- something\n"
)

func checkout() fstest.MapFS {
	fs := fstest.MapFS{}
	for _, schema := range asim.Schemas() {
		for file, text := range map[string]string{
			"Parsers/im" + schema + ".yaml": trailing, "Parsers/ASim" + schema + ".yaml": leading,
			"CHANGELOG/im" + schema + ".md": log, "CHANGELOG/ASim" + schema + ".md": log,
		} {
			fs["Parsers/ASim"+schema+"/"+file] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "%[1]s", schema))}
		}
	}
	return fs
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	all, err := tree.Tree(kqltest.Root(t), checkout())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, text []byte) checks.File {
	t.Helper()
	f, err := checks.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// parserFile is one of the repository's parsers of ours, with its union.
type parserFile struct {
	name, kind, schema string
	text, union        []byte
}

func parserFiles(t *testing.T, all map[string][]byte) []parserFile {
	t.Helper()
	parsers, err := tree.Parsers(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	var found []parserFile
	for _, p := range parsers {
		folder := "Parsers/ASim" + p.Schema + "/Parsers/"
		union := map[string]string{"vim": "im", "ASim": "ASim"}[p.Kind] + p.Schema
		found = append(found, parserFile{p.Name(), p.Kind, p.Schema, all[folder+p.Name()+".yaml"], all[folder+union+".yaml"]})
	}
	return found
}

func TestTree(t *testing.T) {
	all := files(t)
	var want []string
	for _, schema := range asim.Schemas() {
		folder := "Parsers/ASim" + schema + "/"
		for _, name := range []string{"ASim" + schema + "SailPointISC", "vim" + schema + "SailPointISC", "ASim" + schema + "SailPointIIQ", "vim" + schema + "SailPointIIQ", "im" + schema, "ASim" + schema} {
			want = append(want, folder+"Parsers/"+name+".yaml", folder+"CHANGELOG/"+name+".md")
		}
		want = append(want, "Sample Data/ASIM/SailPoint_Identity Security Cloud_"+schema+"_IngestedLogs.csv", "Sample Data/ASIM/SailPoint_IdentityIQ_"+schema+"_IngestedLogs.csv")
	}
	want = append(want, "Sample Data/ASIM/SailPointIDN_Events_CL_Schema.csv", "Sample Data/ASIM/SailPointIIQ_Audit_CL_Schema.csv")
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	for name, text := range all {
		if i := bytes.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }); i >= 0 {
			t.Errorf("%s has a character beyond ASCII: %.40q", name, text[i:])
		}
	}
	again := files(t)
	if diff := cmp.Diff(all, again); diff != "" {
		t.Errorf("not the same twice\n%s", diff)
	}
	alone, err := tree.Tree(kqltest.Root(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(alone["Parsers/ASimAuditEvent/Parsers/imAuditEvent.yaml.add"]); !strings.Contains(text, "_Im_AuditEvent_SailPointISC") || !strings.Contains(text, "vimAuditEventSailPointIIQ(starttime=starttime") {
		t.Errorf("without a checkout: %s", text)
	}
}

// TestTemplates: the port of the repository's own check has no complaint.
func TestTemplates(t *testing.T) {
	all := files(t)
	sample := func(name string) bool { return all["Sample Data/ASIM/"+name] != nil }
	for _, p := range parserFiles(t, all) {
		for _, problem := range checks.Template(read(t, p.text), read(t, p.union), p.kind, sample) {
			t.Errorf("%s: %s", p.name, problem)
		}
	}
	// Each fault is noticed.
	p := parserFiles(t, all)[0]
	for _, fault := range []struct{ of, to, want string }{
		{"EventProduct = 'Identity Security Cloud'", "EventProduct = Product", "EventProduct"},
		{"EventVendor = 'SailPoint'", "EventVendor = Vendor", "EventVendor"},
		{"EventProduct = 'Identity Security Cloud'", "EventProduct = 'ISC'", "there is no sample SailPoint_ISC_Authentication_IngestedLogs.csv"},
		{"ParserName: ASimAuthenticationSailPointISC", "ParserName: ASimAuthenticationOther", "not in the query of the union"},
		{"EquivalentBuiltInParser: _ASim_Authentication_SailPointISC", "EquivalentBuiltInParser: _ASim_Authentication_Other", "not in the list of the union"},
		{"EquivalentBuiltInParser: _ASim_Authentication_SailPointISC", "EquivalentBuiltInParser: _Im_Authentication_SailPointISC", "does not begin with _ASim_Authentication_"},
		{"  Title: Authentication ASIM parser", "  Titel: Authentication ASIM parser", "there is no title"},
		{"  Version: '0.1.0'", "  Version: '0.1'", "has not three numbers"},
		{"  LastUpdated: Nov", "  LastUpdated: November", "is no date"},
		{"Schema: Authentication", "Schema: Authentification", "is not known"},
		{"  Version: '1.0.0'", "  Version: '0.1.4'", "should be 1.0.0"},
		{"https://aka.ms/ASimAuthenticationDoc", "https://aka.ms/ASimDnsDoc", "leads to"},
		{"Title: ASIM Authentication Schema", "Title: ASIM AuthenticationSchema", "there is no reference"},
		{"ParserName: ASimAuthenticationSailPointISC", "ParserName: vimAuthenticationSailPointISC", "does not begin with ASimAuthentication"},
	} {
		if !bytes.Contains(p.text, []byte(fault.of)) {
			t.Errorf("the fault %q no longer applies", fault.of)
			continue
		}
		broken := bytes.ReplaceAll(p.text, []byte(fault.of), []byte(fault.to))
		problems := strings.Join(checks.Template(read(t, broken), read(t, p.union), p.kind, sample), "\n")
		if !strings.Contains(problems, fault.want) {
			t.Errorf("%q to %q: problems %q, want one with %q", fault.of, fault.to, problems, fault.want)
		}
	}
}

// scene is a workspace with the sample data and without any saved function.
func scene(t *testing.T) *kqltest.Scene {
	t.Helper()
	s := kqltest.NewScene(t, now, "events-dcr", "iiq-audit-dcr")
	s.Functions = nil
	for _, product := range asim.Products() {
		for _, schema := range asim.Schemas() {
			header, lines, err := tree.Sample(product, schema)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lines {
				row := kqltest.Row{}
				for i, column := range header {
					if l[i] != "" && column != "Type" {
						row[column] = l[i]
					}
				}
				s.Rows(tree.Table(product), row)
			}
		}
	}
	return s
}

// The sample rows come out of the parser of their schema and of no other, the parser
// needs no saved function, and its rows keep to the schema.
func TestParsersOnSamples(t *testing.T) {
	all := files(t)
	s := scene(t)
	for _, p := range parserFiles(t, all) {
		f := read(t, p.text)
		product := strings.TrimPrefix(p.name, p.kind+p.schema)
		checked := s.Check(t, declare(f)+f.Query)
		for _, problem := range append(checked.Errors, checked.Warnings...) {
			if strings.Contains(problem, "KS205") { // a table that this workspace does not have, in a union that allows it
				continue
			}
			t.Errorf("%s: %s", p.name, problem)
		}
		out := s.Run(t, declare(f)+f.Query)
		_, lines, err := tree.Sample(product, p.schema)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Rows) != len(lines) {
			t.Errorf("%s: %d rows of %d in the sample", p.name, len(out.Rows), len(lines))
		}
		for _, problem := range append(checks.Schema(p.schema, out.Columns), checks.Data(p.schema, out)...) {
			t.Errorf("%s: %s", p.name, problem)
		}
	}
}

// declare gives a query its parameters.
func declare(f checks.File) string {
	var list []string
	for _, p := range f.Params {
		value := p.Default
		if p.Type == "string" {
			value = "'" + value + "'"
		}
		list = append(list, "let "+p.Name+" = "+value+";\n")
	}
	return strings.Join(list, "")
}

// trials runs a query with the values of parameters in the table Trial.
func trials(t *testing.T, s *kqltest.Scene) func(string, kqltest.Row) (kqltest.Table, error) {
	t.Helper()
	return func(query string, trial kqltest.Row) (kqltest.Table, error) {
		ws, data := s.Workspace, s.Data
		ws.Tables, data.Rows = maps.Clone(s.Tables), maps.Clone(s.Data.Rows)
		columns := make([]kqltest.Column, 0, len(trial))
		for _, name := range []string{"starttime", "endtime"} {
			columns = append(columns, kqltest.Column{Name: name, Type: "datetime"})
		}
		for name, value := range trial {
			switch value.(type) {
			case bool:
				columns = append(columns, kqltest.Column{Name: name, Type: "bool"})
			case []any:
				columns = append(columns, kqltest.Column{Name: name, Type: "dynamic"})
			case string:
				if !strings.HasSuffix(name, "time") {
					columns = append(columns, kqltest.Column{Name: name, Type: "string"})
				}
			}
		}
		slices.SortFunc(columns, func(a, b kqltest.Column) int { return strings.Compare(a.Name, b.Name) })
		ws.Tables["Trial"], data.Rows["Trial"] = kqltest.Schema(columns), []kqltest.Row{trial}
		return ws.TryRun(t, query, data)
	}
}

// few are the parameters for which a product has too few values to test them as the
// repository does: IdentityIQ is one application, and says of a failure only that it is one.
var few = map[string]string{
	"vimAuthenticationSailPointIIQ": "targetappname_has_any: only one value|targetappname_has_any: too few values for two|eventtype_in: too few values for two|eventresultdetails_in: too few values for two",
	"vimAuditEventSailPointIIQ":     "operation_has_any: no part of a value",
	"vimAuditEventSailPointISC":     "operation_has_any: no part of a value",
}

func TestFiltering(t *testing.T) {
	all := files(t)
	s := scene(t)
	run := trials(t, s)
	for _, p := range parserFiles(t, all) {
		if p.kind != "vim" {
			continue
		}
		problems, partial, err := checks.Filtering(read(t, p.text), run)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for _, problem := range problems {
			t.Errorf("%s: %s", p.name, problem)
		}
		if got := strings.Join(partial, "|"); got != few[p.name] {
			t.Errorf("%s: too few values for\n%s\nwant\n%s", p.name, got, few[p.name])
		}
	}
}

// A filter that is forgotten, or filters another column, is noticed.
func TestFilteringFaults(t *testing.T) {
	all := files(t)
	s := scene(t)
	run := trials(t, s)
	text := string(all["Parsers/ASimUserManagement/Parsers/vimUserManagementSailPointIIQ.yaml"])
	for _, fault := range []struct{ of, to, want string }{
		{"TargetUsername has_any (targetusername_has_any)", "true", "targetusername_has_any"},
		{"ActorUsername has_any (actorusername_has_any)", "TargetUsername has_any (actorusername_has_any)", "actorusername_has_any"},
		{"EventType in~ (eventtype_in)", "EventResult in~ (eventtype_in)", "eventtype_in"},
		{"SailPointIIQEvents(starttime = starttime, endtime = endtime, disabled = disabled)", "SailPointIIQEvents(endtime = endtime, disabled = disabled)", "starttime"},
		{"SailPointIIQAsim('UserManagement', starttime = starttime, endtime = endtime, disabled = disabled)", "SailPointIIQAsim('UserManagement', starttime = starttime, endtime = endtime)", "disabled"},
		{"- Name: eventtype_in", "- Name: eventtypes_in", "no parameter eventtypes_in"},
	} {
		if !strings.Contains(text, fault.of) {
			t.Errorf("the fault %q no longer applies", fault.of)
			continue
		}
		broken := strings.Replace(text, fault.of, fault.to, 1)
		if strings.HasPrefix(fault.of, "- Name") { // the name in the query as well
			broken = strings.ReplaceAll(broken, "eventtype_in", "eventtypes_in")
		}
		problems, _, err := checks.Filtering(read(t, []byte(broken)), run)
		if err != nil {
			t.Errorf("%q: %v", fault.of, err)
		}
		if !strings.Contains(strings.Join(problems, "\n"), fault.want) {
			t.Errorf("nobody notices %q: %q", fault.of, problems)
		}
	}
}

// The unions keep what they have, stay in their style, and are extended once.
func TestUnions(t *testing.T) {
	all := files(t)
	for name, want := range map[string][]string{
		"Parsers/ASimAuthentication/Parsers/imAuthentication.yaml": {
			"  Version: '0.1.4'\n  LastUpdated: Nov 24, 2026", "  - _Im_Authentication_Native\n  - _Im_Authentication_SailPointISC\n  - _Im_Authentication_SailPointIIQ\nParserParams:",
			"('ExcludevimAuthenticationNative' in (DisabledParsers)))),\n          vimAuthenticationSailPointISC(starttime=starttime,", "('ExcludevimAuthenticationSailPointISC' in (DisabledParsers))), pack=pack),\n          vimAuthenticationSailPointIIQ(",
			"('ExcludevimAuthenticationSailPointIIQ' in (DisabledParsers))), pack=pack)\n  };\n  parser(pack=pack)",
		},
		"Parsers/ASimAuthentication/Parsers/ASimAuthentication.yaml": {
			"  Version: 0.1.1\n  LastUpdated: Nov 24, 2026", "- _ASim_Authentication_Native\n- _ASim_Authentication_SailPointISC\n- _ASim_Authentication_SailPointIIQ\n",
			"    , ASimAuthenticationNative   (BuiltInDisabled)\n    , ASimAuthenticationSailPointISC(disabled=(BuiltInDisabled or ('ExcludeASimAuthenticationSailPointISC' in (DisabledParsers))), pack=pack)\n    , ASimAuthenticationSailPointIIQ(",
		},
		"Parsers/ASimAuthentication/CHANGELOG/imAuthentication.md": {"# Changelog for it\n\n## Version 0.1.4 - 2026-11-24\n\n- (2026-11-24) Adding the SailPoint parsers\n\n## Version 0.1.3\n"},
	} {
		for _, part := range want {
			if !strings.Contains(string(all[name]), part) {
				t.Errorf("%s lacks %q:\n%s", name, part, all[name])
			}
		}
	}
	extended := fstest.MapFS{}
	for name, text := range all {
		extended[name] = &fstest.MapFile{Data: text}
	}
	again, err := tree.Tree(kqltest.Root(t), extended)
	if err != nil {
		t.Fatal(err)
	}
	for name := range again {
		if base := path.Base(name); strings.HasPrefix(base, "im") || !strings.Contains(base, "SailPoint") {
			t.Errorf("a second time changes %s", name)
		}
	}
	for _, broken := range []string{"Parsers:\n  - x\n", "ParserQuery: |\n  x\n", "Parsers:\n  - x\nParserQuery: |\n  union isfuzzy=true\n"} {
		parsers, err := tree.Parsers(kqltest.Root(t))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := tree.AddMember([]byte(broken), parsers[0]); err == nil {
			t.Errorf("%q becomes %q", broken, text)
		}
	}
}

// Samples have the columns of the table, and nothing else.
func TestSampleColumns(t *testing.T) {
	all := files(t)
	for _, product := range asim.Products() {
		declared, err := csv.NewReader(bytes.NewReader(all["Sample Data/ASIM/"+tree.Table(product)+"_Schema.csv"])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, l := range declared[1:] {
			known[l[0]] = true
		}
		header, _, err := tree.Sample(product, asim.AuditEvent)
		if err != nil {
			t.Fatal(err)
		}
		for _, column := range header {
			if !known[column] {
				t.Errorf("%s has no column %s", tree.Table(product), column)
			}
		}
	}
}
