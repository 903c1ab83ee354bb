package schema_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

const root = "../../.."

func everyTable() []schema.Table { return append(app.Tables(), schema.ISC()) }

// What is generated is what go generate would write now.
func TestGeneratedFiles(t *testing.T) {
	asim, err := schema.NativeTransforms(root)
	if err != nil {
		t.Fatal(err)
	}
	files, err := schema.Files(app.Tables(), asim)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	if files["docs/compatibility.md"], err = schema.FillIn(page); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: go generate ./internal/table/schema\n%.2000s", name, diff)
		}
	}
	transforms, err := filepath.Glob(filepath.Join(root, "deploy", "transforms", "*"))
	if err != nil || len(transforms) != len(everyTable()) {
		t.Errorf("%d transforms, %v", len(transforms), err)
	}
}

// Names that a table can't have, from Microsoft's page "Add or delete tables and
// columns", and those that turned out to be refused.
const reserved = `id BilledSize IsBillable InvalidTimeGenerated TenantId Title Type UniqueId _ItemId _ResourceGroup _ResourceId
	_SubscriptionId _TimeReceived MG ManagementGroupName Computer kind date mdm`

func TestNamesAndLimits(t *testing.T) {
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,44}$`)
	streamName := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{1,44}$`)
	for _, tab := range everyTable() {
		if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,62}_CL$`).MatchString(tab.Name) {
			t.Errorf("table %s", tab.Name)
		}
		seen := map[string]bool{}
		for _, c := range tab.Columns() {
			// A name that was published is one that the service has accepted.
			if !name.MatchString(c.Name) && c.Name != "authenticationContext_authenticationProvider_s" || slices.Contains(strings.Fields(reserved), c.Name) || seen[strings.ToLower(c.Name)] {
				t.Errorf("%s: column %s has a name that can't be, or is taken", tab.Name, c.Name)
			}
			seen[strings.ToLower(c.Name)] = true
		}
		if !seen["timegenerated"] || len(seen) > schema.MaxColumns {
			t.Errorf("%s: %d columns", tab.Name, len(seen))
		}
		if n := len([]rune(tab.Transform())); n > schema.MaxTransform {
			t.Errorf("%s: transform of %d characters", tab.Name, n)
		}
	}
	marked := 0
	for _, tab := range app.Tables() {
		s := tab.Stream
		for _, c := range s.Columns {
			if !streamName.MatchString(c.Name) {
				t.Errorf("%s: column %q", s.Name, c.Name)
			}
			if c.Name == table.Marker {
				marked++
			}
		}
		if s.Type(s.Time) != schema.DateTime || s.Type(schema.Extra) != schema.Dynamic {
			t.Errorf("%s: no time, or no column for the rest", s.Name)
		}
	}
	if marked < 2 {
		t.Errorf("%d streams have the marker of conformed rows", marked)
	}
}

// Every column that the earlier solution published is there, with its type.
func TestPublishedColumns(t *testing.T) {
	for file, c := range map[string]struct {
		table schema.Table
		n     int
	}{
		"events-published":     {schema.Events(), 66},
		"triggers-published":   {schema.Triggers(), 54},
		"events-isc-published": {schema.ISC(), 40},
	} {
		text, err := os.ReadFile(filepath.Join(root, "sentinel", "schemas", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]schema.Field{}
		for _, f := range c.table.Fields {
			have[f.Name] = f
		}
		n := 0
		for _, m := range regexp.MustCompile(`"(\w+)": "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			n++
			if f := have[m[1]]; string(f.Type) != m[2] || !f.Published {
				t.Errorf("%s: column %s is %q (published: %v), want %s", c.table.Name, m[1], f.Type, f.Published, m[2])
			}
		}
		marked := 0
		for _, f := range c.table.Fields {
			if f.Published {
				marked++
			}
		}
		if n != c.n || marked != c.n {
			t.Errorf("%s: %d columns were published, %d are marked, want %d", c.table.Name, n, marked, c.n)
		}
	}
}

// Every column that a stream declares goes somewhere.
func TestNothingIsThrownAway(t *testing.T) {
	for _, tab := range app.Tables() {
		used := map[string]bool{}
		for _, f := range tab.Fields {
			first, _, _ := strings.Cut(f.From, ".")
			used[first] = true
			if tab.Stream.Type(first) == "" && f.Form != schema.Fixed {
				t.Errorf("%s: %s is filled from %s, which the stream has not", tab.Name, f.Name, f.From)
			}
		}
		for _, c := range tab.Stream.Columns {
			if !used[c.Name] {
				t.Errorf("%s: %s is declared and goes nowhere", tab.Name, c.Name)
			}
		}
	}
}

func TestFillIn(t *testing.T) {
	for name, c := range map[string]struct{ page, want string }{
		"unknown": {"<!-- columns: other -->\n<!-- /columns -->", `no table "other"`},
		"no_end":  {"<!-- columns: events -->\n", "has no end"},
		"missing": {"nothing", "14 tables are nowhere"},
	} {
		if _, err := schema.FillIn([]byte(c.page)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Streams and tables of a template are spelt differently.
func TestDeployment(t *testing.T) {
	d := schema.NewDeployment(app.Tables(), map[string]string{"ASimX": "// comment\nsource\n| where true\n"})
	if got := d.ASIMDataFlows[0]; got.TransformKQL != "source\n| where true" || got.OutputStream != "Microsoft-ASimX" {
		t.Errorf("%+v", got)
	}
	if n := len(d.DataFlows) + len(d.ISCDataFlows) + 3; n > 10 {
		t.Errorf("%d flows", n)
	}
	for kind, part := range d.Optional {
		if n := len(d.DataFlows) + len(part.DataFlows); n > 10 || n != len(d.Tables)+len(part.Tables) || len(part.StreamDeclarations) != len(part.Tables) {
			t.Errorf("%s: %d flows, %d streams", kind, n, len(part.StreamDeclarations))
		}
	}
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]bool{}
	for _, m := range regexp.MustCompile(`"type": "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		types[m[1]] = true
	}
	if diff := cmp.Diff(map[string]bool{"string": true, "real": true, "boolean": true, "datetime": true, "dateTime": true, "dynamic": true}, types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	for _, s := range d.StreamDeclarations {
		for _, c := range s.Columns {
			if c.Type == "dateTime" {
				t.Errorf("stream column %s is %s", c.Name, c.Type)
			}
		}
	}
}

// Microsoft documents 45 characters for the name of a column. One name of a published table is longer,
// and stays as it is; docs/okta.md says what to do if it is refused.
func TestLongestNames(t *testing.T) {
	var long []string
	for _, table := range append(append(schema.SailPoint(), schema.IdentityIQ()...), schema.Health(), schema.Reports(), schema.Okta()) {
		for _, f := range table.Fields {
			if len(f.Name) > 45 {
				long = append(long, table.Name+"."+f.Name)
			}
		}
	}
	if diff := cmp.Diff([]string{"Okta_CL.authenticationContext_authenticationProvider_s"}, long); diff != "" {
		t.Errorf("names that are too long (-want +got):\n%s", diff)
	}
}
