package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Deployment is what the template needs: deploy/ingestion.json. Its parts have the form of
// resources in Azure Resource Manager.
type Deployment struct {
	Note string `json:"note"`
	// Tables are always created. ISCTables and ISCDataFlows are for users with rules on
	// SailPointISC_Events_CL, ASIMDataFlows for Microsoft's native tables.
	Tables             []ARMTable           `json:"tables"`
	ISCTables          []ARMTable           `json:"iscTables"`
	StreamDeclarations map[string]ARMStream `json:"streamDeclarations"`
	DataFlows          []ARMFlow            `json:"dataFlows"`
	ISCDataFlows       []ARMFlow            `json:"iscDataFlows"`
	ASIMDataFlows      []ARMFlow            `json:"asimDataFlows"`
	// Optional is what a kind of source needs in addition, by its name.
	Optional map[string]OptionalPart `json:"optional"`
}

// OptionalPart is the part of a [Deployment] for one kind of source.
type OptionalPart struct {
	Tables             []ARMTable           `json:"tables"`
	StreamDeclarations map[string]ARMStream `json:"streamDeclarations"`
	DataFlows          []ARMFlow            `json:"dataFlows"`
}

// ARMTable is the name and the properties of a resource of type
// Microsoft.OperationalInsights/workspaces/tables.
type ARMTable struct {
	Name       string `json:"name"`
	Properties struct {
		Plan   string `json:"plan"`
		Schema struct {
			Name    string      `json:"name"`
			Columns []ARMColumn `json:"columns"`
		} `json:"schema"`
	} `json:"properties"`
}

// ARMStream is a value of a rule's streamDeclarations.
type ARMStream struct {
	Columns []ARMColumn `json:"columns"`
}

// ARMColumn is a column of a table or stream.
type ARMColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ARMFlow is an element of a rule's dataFlows.
type ARMFlow struct {
	Streams      []string `json:"streams"`
	Destinations []string `json:"destinations"`
	TransformKQL string   `json:"transformKql"`
	OutputStream string   `json:"outputStream"`
}

// Destination is the name that the flows give to the workspace, for the rule's
// destinations.logAnalytics.
const Destination = "workspace"

// NewDeployment makes a Deployment. asim holds the transforms into the native tables, by table
// name.
func NewDeployment(tables []Table, asim map[string]string) Deployment {
	d := Deployment{
		Note:               "Generated from internal/table/schema by go generate. DO NOT EDIT.",
		StreamDeclarations: make(map[string]ARMStream),
		ISCTables:          []ARMTable{armTable(ISC())},
		ISCDataFlows:       []ARMFlow{armFlow(ISC())},
		Optional:           make(map[string]OptionalPart),
	}
	for _, t := range tables {
		if t.Optional != "" {
			d.Optional[t.Optional] = d.Optional[t.Optional].with(t)
			continue
		}
		d.StreamDeclarations["Custom-"+t.Stream.Name] = armStream(t.Stream)
		d.Tables = append(d.Tables, armTable(t))
		d.DataFlows = append(d.DataFlows, armFlow(t))
	}
	for _, name := range slices.Sorted(maps.Keys(asim)) {
		d.ASIMDataFlows = append(d.ASIMDataFlows, ARMFlow{
			Streams: []string{"Custom-" + eventsStream().Name}, Destinations: []string{Destination},
			TransformKQL: bare(asim[name]), OutputStream: "Microsoft-" + name,
		})
	}
	return d
}

// with adds a table.
func (p OptionalPart) with(t Table) OptionalPart {
	if p.StreamDeclarations == nil {
		p.StreamDeclarations = make(map[string]ARMStream)
	}
	p.StreamDeclarations["Custom-"+t.Stream.Name] = armStream(t.Stream)
	p.Tables = append(p.Tables, armTable(t))
	p.DataFlows = append(p.DataFlows, armFlow(t))
	return p
}

// JSON is the text of deploy/ingestion.json.
func (d Deployment) JSON() ([]byte, error) {
	text, err := json.Marshal(d, json.Deterministic(true), jsontext.WithIndent("  "), jsontext.EscapeForHTML(false))
	return append(text, '\n'), err
}

func armTable(t Table) ARMTable {
	a := ARMTable{Name: t.Name}
	a.Properties.Plan = "Analytics"
	a.Properties.Schema.Name = t.Name
	for _, c := range t.Columns() {
		a.Properties.Schema.Columns = append(a.Properties.Schema.Columns, ARMColumn{c.Name, armType(c.Type, "dateTime")})
	}
	return a
}

func armStream(s Stream) ARMStream {
	var columns []ARMColumn
	for _, c := range s.Columns {
		columns = append(columns, ARMColumn{c.Name, armType(c.Type, "datetime")})
	}
	return ARMStream{columns}
}

func armFlow(t Table) ARMFlow {
	return ARMFlow{
		Streams: []string{"Custom-" + t.Stream.Name}, Destinations: []string{Destination},
		TransformKQL: t.Transform(), OutputStream: "Custom-" + t.Name,
	}
}

// armType is the name of a type in a resource. Streams and tables spell the type for times
// differently.
func armType(t Type, moment string) string {
	switch t {
	case DateTime:
		return moment
	case Bool:
		return "boolean"
	case String, Real, Dynamic:
	}
	return string(t)
}

// bare is a query without the comments at its beginning.
func bare(query string) string {
	var lines []string
	for line := range strings.Lines(query) {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}
